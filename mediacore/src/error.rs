//! [`Error`], and the kinds that say what can be done about it.

use std::error::Error as StdError;
use std::{fmt, io};

use serde::{Deserialize, Serialize};

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation failed, in terms of what can be done about it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// Somebody asked for it to stop.
    Cancelled,
    /// A defect of this program.
    Internal,
    /// The caller asked for something that can't be: a bad URL, an output that exists.
    InvalidInput,
    /// The input is larger than what we agree to handle.
    LimitExceeded,
    /// The bytes are not what their format says.
    Malformed,
    /// There is no such file, stream or track.
    NotFound,
    /// The other side knows us and says no: credentials, egress policy, permissions.
    Refused,
    /// The disk: full, broken, read-only or gone.
    Storage,
    /// The other side did not answer in time.
    TimedOut,
    /// The other side can't be reached.
    Unreachable,
    /// Well-formed, but we can't handle it.
    Unsupported,
}

impl ErrorKind {
    /// The kind as one lower-case word for logs, labels and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
            Self::InvalidInput => "invalid_input",
            Self::LimitExceeded => "limit_exceeded",
            Self::Malformed => "malformed",
            Self::NotFound => "not_found",
            Self::Refused => "refused",
            Self::Storage => "storage",
            Self::TimedOut => "timed_out",
            Self::Unreachable => "unreachable",
            Self::Unsupported => "unsupported",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What went wrong, where, and why.
///
/// `Display` prints this level only; the chain behind it is [`std::error::Error::source`].
/// [`Error::report`] prints the whole chain on one line. No message holds a credential: URLs reach
/// messages only in their redacted form.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind` whose `message` says what and where.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            source: None,
        }))
    }

    /// The same error with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// A new level on top that says where: the kind stays.
    #[must_use]
    pub fn context(self, message: impl Into<String>) -> Self {
        let kind = self.kind();
        Self::new(kind, message).with_source(self)
    }

    /// An operating system error on a file, with the kind that fits it.
    pub fn storage(what: impl Into<String>, cause: io::Error) -> Self {
        let kind = match cause.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::AlreadyExists | io::ErrorKind::IsADirectory | io::ErrorKind::InvalidInput => {
                ErrorKind::InvalidInput
            }
            io::ErrorKind::PermissionDenied => ErrorKind::Refused,
            _ => ErrorKind::Storage,
        };
        Self::new(kind, what).with_source(cause)
    }

    /// What can be done about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The whole chain on one line: `what: why: why`.
    pub fn report(&self) -> String {
        let mut text = self.to_string();
        let mut next = self.source();
        while let Some(cause) = next {
            let cause_text = cause.to_string();
            if !text.ends_with(&cause_text) {
                text.push_str(": ");
                text.push_str(&cause_text);
            }
            next = cause.source();
        }
        text.replace(['\n', '\r'], " ")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|cause| cause as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_every_level_once_and_one_line() {
        let cause = io::Error::from_raw_os_error(28);
        let error = Error::storage("write a.mp4 at byte 4096", cause).context("recording of\ncam1");
        assert_eq!(error.kind(), ErrorKind::Storage);
        assert_eq!(
            error.report(),
            "recording of cam1: write a.mp4 at byte 4096: No space left on device (os error 28)"
        );
    }
}
