//! [`Watch`]: what libav asks, many times a second, whether it must give up.

use std::ffi::{c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::{Error, ErrorKind, Interrupt};

/// How long closing may take for a goodbye to the other side (RTSP `TEARDOWN`, RTMP `deleteStream`).
const GOODBYE: Duration = Duration::from_millis(150);

/// An interrupt as one input sees it: it remembers that libav was told to give up, even if the deadline moves later.
#[derive(Debug)]
pub(crate) struct Watch {
    interrupt: Interrupt,
    goodbye: Interrupt,
    state: AtomicU8,
}

const OPEN: u8 = 0;
const CANCELLED: u8 = 1;
const LATE: u8 = 2;
const CLOSING: u8 = 3;

impl Watch {
    pub(crate) fn new(interrupt: &Interrupt) -> Arc<Self> {
        Arc::new(Self {
            interrupt: interrupt.clone(),
            goodbye: Interrupt::new(),
            state: AtomicU8::new(OPEN),
        })
    }

    /// Begins a call: an error if there is no time for it.
    pub(crate) fn begin(&self, what: &str) -> Result<(), Error> {
        self.state.store(OPEN, Ordering::Relaxed);
        self.must_stop();
        self.stopped(what).map_or(Ok(()), Err)
    }

    /// From here on only a short goodbye is allowed, whatever the interrupt says.
    pub(crate) fn begin_closing(&self) {
        self.goodbye.set_deadline(GOODBYE);
        self.state.store(CLOSING, Ordering::Relaxed);
    }

    /// Whether the running call must give up, remembered until the next [`Watch::begin`].
    pub(crate) fn must_stop(&self) -> bool {
        match self.state.load(Ordering::Relaxed) {
            OPEN => {
                let state = if self.interrupt.is_cancelled() {
                    CANCELLED
                } else if self.interrupt.is_late() {
                    LATE
                } else {
                    return false;
                };
                self.state.store(state, Ordering::Relaxed);
                true
            }
            CLOSING => self.goodbye.fired(),
            _ => true,
        }
    }

    /// The error to give instead of whatever libav answered, when it was told to give up.
    pub(crate) fn stopped(&self, what: &str) -> Option<Error> {
        match self.state.load(Ordering::Relaxed) {
            CANCELLED => Some(Error::new(ErrorKind::Cancelled, format!("{what}: cancelled"))),
            LATE => Some(Error::new(
                ErrorKind::TimedOut,
                format!("{what}: no answer in time"),
            )),
            _ => None,
        }
    }
}

/// For `AVIOInterruptCB`; `opaque` is a [`Watch`] that lives as long as the context.
pub(crate) unsafe extern "C" fn must_stop(opaque: *mut c_void) -> c_int {
    // SAFETY: whoever installs this callback passes a pointer to a `Watch` that outlives the context.
    let watch = unsafe { &*opaque.cast_const().cast::<Watch>() };
    c_int::from(watch.must_stop())
}
