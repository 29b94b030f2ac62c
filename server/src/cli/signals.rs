//! SIGINT and SIGTERM: the first asks to stop, the second ends the program.

use std::thread::JoinHandle;

use mediacore::{Error, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use super::exit;

/// Signals that are caught from now on and kept until somebody [watches](Caught::watch).
pub(crate) struct Caught(Signals);

/// A thread that acts on signals; it ends when this is dropped.
pub(crate) struct Watch {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Caught {
    /// Catches SIGINT and SIGTERM.
    pub(crate) fn new() -> Result<Self> {
        let signals =
            Signals::new([SIGINT, SIGTERM]).map_err(|cause| Error::storage("catch signals", cause))?;
        Ok(Self(signals))
    }

    /// Calls `stop` at the first signal and ends the program at the second.
    pub(crate) fn watch(mut self, stop: impl Fn() + Send + 'static) -> Result<Watch> {
        let handle = self.0.handle();
        let mut stopping = false;
        let thread = std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                for _ in self.0.forever() {
                    if std::mem::replace(&mut stopping, true) {
                        std::process::exit(exit::CANCELLED.into());
                    }
                    stop();
                }
            })
            .map_err(|cause| Error::storage("start the signals' thread", cause))?;
        Ok(Watch {
            handle,
            thread: Some(thread),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
