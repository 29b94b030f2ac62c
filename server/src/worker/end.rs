//! Why a worker that gave no answer ended, as an error of its job.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use mediacore::{Error, ErrorKind};

use super::limits::Limits;
use super::wire::Work;

/// Why the server ended it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    /// Nobody wants its answer any more.
    Cancelled,
    /// It takes longer than it may.
    Late,
    /// It gets no further.
    Stalled,
    /// What it says is no answer.
    Babbling,
}

/// What a person can do about a file that libav can't read.
const ADVICE: &str = "try it again with a copy of the file that another program has written anew";

/// The error of a worker that gave no answer. `said` is the last that it wrote to standard error.
pub(super) fn error(
    work: &Work,
    limits: &Limits,
    ending: Option<Ending>,
    status: ExitStatus,
    said: &str,
) -> Error {
    let name = work.name();
    match ending {
        Some(Ending::Cancelled) => return Error::new(ErrorKind::Cancelled, format!("{name}: stopped")),
        Some(Ending::Late) => {
            let text = match limits.time {
                Some(time) => format!("{name}: not done within {} s", time.as_secs()),
                None => format!("{name}: not done in time"),
            };
            return Error::new(ErrorKind::TimedOut, text);
        }
        Some(Ending::Stalled) => {
            let waited = limits.patience.unwrap_or_default().as_secs();
            let text =
                format!("{name}: the media made the reader stop: no progress for {waited} s; {ADVICE}");
            return Error::new(ErrorKind::TimedOut, text);
        }
        Some(Ending::Babbling) => {
            let text = format!("{name}: the media made the reader say what is no answer; {ADVICE}");
            return Error::new(ErrorKind::Malformed, text);
        }
        None => {}
    }
    let mib = limits.memory >> 20;
    let memory = || {
        let text = format!("{name}: reading the media takes more than {mib} MiB of memory");
        Error::new(ErrorKind::LimitExceeded, text)
    };
    let Some(signal) = status.signal() else {
        return Error::new(
            ErrorKind::Internal,
            format!("{name}: the reader gave no answer ({status})"),
        );
    };
    match signal {
        libc::SIGTERM | libc::SIGINT | libc::SIGHUP => {
            Error::new(ErrorKind::Cancelled, format!("{name}: stopped"))
        }
        // What Rust's allocator says before it ends the process.
        libc::SIGABRT if said.contains("memory allocation of") => memory(),
        libc::SIGKILL => Error::new(
            ErrorKind::LimitExceeded,
            format!("{name}: the reader was killed, as the system does when memory runs out"),
        ),
        libc::SIGXCPU => Error::new(
            ErrorKind::LimitExceeded,
            format!(
                "{name}: reading the media takes more than {} s of a processor",
                limits.processor_s
            ),
        ),
        libc::SIGXFSZ => Error::new(
            ErrorKind::LimitExceeded,
            format!(
                "{name}: what was made of the media is larger than {} MiB",
                limits.file >> 20
            ),
        ),
        libc::SIGSYS => Error::new(
            ErrorKind::Malformed,
            format!("{name}: the media made the reader try what it may not (signal {signal}); {ADVICE}"),
        ),
        _ => Error::new(
            ErrorKind::Malformed,
            format!("{name}: the media made the reader crash (signal {signal}); {ADVICE}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_is_an_error_of_the_media_and_says_why() {
        let limits = Limits::of(&Work::Nothing, 0);
        let of = |status: i32, said: &str| {
            error(&Work::Nothing, &limits, None, ExitStatus::from_raw(status), said)
        };
        assert_eq!(of(libc::SIGSEGV, "").kind(), ErrorKind::Malformed);
        assert!(of(libc::SIGSEGV, "").to_string().contains("crash (signal 11)"));
        let memory = of(libc::SIGABRT, "memory allocation of 99 bytes failed");
        assert_eq!(memory.kind(), ErrorKind::LimitExceeded);
        assert!(memory.to_string().contains("512 MiB"), "{memory}");
        assert_eq!(of(libc::SIGABRT, "").kind(), ErrorKind::Malformed);
        assert_eq!(of(libc::SIGTERM, "").kind(), ErrorKind::Cancelled);
        assert_eq!(of(1 << 8, "").kind(), ErrorKind::Internal);
        let ended = |ending| error(&Work::Nothing, &limits, Some(ending), ExitStatus::from_raw(9), "");
        assert_eq!(ended(Ending::Late).to_string(), "nothing: not done within 30 s");
        assert_eq!(ended(Ending::Stalled).kind(), ErrorKind::TimedOut);
    }
}
