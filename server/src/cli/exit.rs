//! The exit codes: one table.

use mediacore::ErrorKind;

/// Everything went well.
pub(crate) const SUCCESS: u8 = 0;

/// Database and files do not agree.
pub(crate) const DIFFERS: u8 = 11;

/// The table, for `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0    done; for `record` also: stopped by SIGINT or SIGTERM, or the source stayed away, and the file is finished
  2    invalid input: a wrong option, a bad address, an output that exists
  3    unsupported
  4    malformed media
  5    not found
  6    refused by the other side, by permissions or by policy
  7    unreachable
  8    timed out
  9    larger than a limit
  10   storage: disk full, broken or read-only
  11   `fsck` found that database and files do not agree, and did not repair all of it
  70   a defect of this program
  130  cancelled; a second signal ends `record` at once with this code, and `recover` finishes the file";

/// The exit code of an error.
pub(crate) fn code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::InvalidInput => 2,
        ErrorKind::Unsupported => 3,
        ErrorKind::Malformed => 4,
        ErrorKind::NotFound => 5,
        ErrorKind::Refused => 6,
        ErrorKind::Unreachable => 7,
        ErrorKind::TimedOut => 8,
        ErrorKind::LimitExceeded => 9,
        ErrorKind::Storage => 10,
        ErrorKind::Cancelled => CANCELLED,
        _ => 70,
    }
}

/// The exit code of what was cancelled.
pub(crate) const CANCELLED: u8 = 130;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_lists_every_code() {
        use ErrorKind::*;
        for kind in [
            Cancelled,
            Internal,
            InvalidInput,
            LimitExceeded,
            Malformed,
            NotFound,
            Refused,
            Storage,
            TimedOut,
            Unreachable,
            Unsupported,
        ] {
            let code = code(kind).to_string();
            assert!(
                HELP.lines()
                    .any(|line| line.split_whitespace().next() == Some(code.as_str())),
                "{kind}: {code}"
            );
        }
    }
}
