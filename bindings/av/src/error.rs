//! [`Error`]: what libav said, sorted by what can be done about it.

use std::ffi::{CStr, c_char, c_int};
use std::{fmt, io};

use ffmpeg_next::ffi;

use crate::redact::redact;

/// Why a call failed, in terms of what can be done about it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ErrorKind {
    /// The interrupt was cancelled.
    Cancelled,
    /// The interrupt's deadline passed, or the other side stopped answering.
    TimedOut,
    /// The other side can't be reached, or the connection broke.
    Unreachable,
    /// The other side knows us and says no.
    Refused,
    /// There is no such file or stream.
    NotFound,
    /// The bytes are not what their format says.
    Malformed,
    /// No demuxer, decoder, encoder or protocol for it.
    Unsupported,
    /// Larger than what we agree to handle, or out of memory.
    LimitExceeded,
    /// Reading or writing a file or a custom reader failed.
    Io,
    /// A wrong argument from our side, or a defect.
    Internal,
}

/// A failed call.
#[derive(Clone, Debug)]
pub struct Error {
    /// What can be done about it.
    pub kind: ErrorKind,
    /// libav's code (negative), 0 where the error is ours.
    pub code: i32,
    /// What and where, on one line, without credentials.
    pub message: String,
    /// Where the server says that the stream is; nobody has been there.
    pub redirect: Option<Location>,
}

/// An address as a server gave it. It may hold credentials, so that it is not printed.
#[derive(Clone)]
pub struct Location(String);

impl Location {
    /// The address.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Location(***)")
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: 0,
            message: redact(&message.into()).into_owned(),
            redirect: None,
        }
    }

    /// What libav answered to `what`.
    pub(crate) fn from_code(code: c_int, what: &str) -> Self {
        let message = redact(&format!("{what}: {}", text_of(code))).into_owned();
        Self {
            kind: kind_of(code),
            code,
            message,
            redirect: None,
        }
    }

    /// The same for a call that went over the network: a bare input/output error means that the other side is gone.
    pub(crate) fn from_network_code(code: c_int, what: &str) -> Self {
        let mut error = Self::from_code(code, what);
        if error.kind == ErrorKind::Io {
            error.kind = ErrorKind::Unreachable;
        }
        error
    }

    /// The same for a server that sent us elsewhere.
    pub(crate) fn with_redirect(mut self, redirect: Option<String>) -> Self {
        self.redirect = redirect.map(Location);
        self
    }

    /// The same error with what libav logged about it.
    pub(crate) fn with_detail(mut self, detail: Option<String>) -> Self {
        if let Some(detail) = detail {
            self.message = format!("{} ({})", self.message, redact(&detail));
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// `Ok` with the value for 0 and up, else the error.
pub(crate) fn check(code: c_int, what: &str) -> Result<c_int, Error> {
    if code < 0 {
        Err(Error::from_code(code, what))
    } else {
        Ok(code)
    }
}

/// Whether `code` is "try again".
pub(crate) fn is_again(code: c_int) -> bool {
    code < 0 && os_kind(code) == Some(io::ErrorKind::WouldBlock)
}

/// libav's code for an error of the operating system.
pub(crate) fn code_of(error: &io::Error) -> c_int {
    match (error.raw_os_error(), error.kind()) {
        (Some(errno), _) if errno > 0 => -errno,
        (_, io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) => ffi::AVERROR_INVALIDDATA,
        _ => -EIO,
    }
}

const EIO: c_int = 5;
const EINVAL: c_int = 22;

fn os_kind(code: c_int) -> Option<io::ErrorKind> {
    // Tags of four letters are far below; errno values are small.
    let errno = code.checked_neg()?;
    (1..4096)
        .contains(&errno)
        .then(|| io::Error::from_raw_os_error(errno).kind())
}

fn kind_of(code: c_int) -> ErrorKind {
    match code {
        ffi::AVERROR_INVALIDDATA | ffi::AVERROR_STREAM_NOT_FOUND => ErrorKind::Malformed,
        ffi::AVERROR_HTTP_UNAUTHORIZED | ffi::AVERROR_HTTP_FORBIDDEN => ErrorKind::Refused,
        ffi::AVERROR_HTTP_BAD_REQUEST | ffi::AVERROR_HTTP_OTHER_4XX => ErrorKind::Refused,
        ffi::AVERROR_HTTP_NOT_FOUND => ErrorKind::NotFound,
        ffi::AVERROR_HTTP_SERVER_ERROR | ffi::AVERROR_HTTP_TOO_MANY_REQUESTS => ErrorKind::Unreachable,
        ffi::AVERROR_EOF => ErrorKind::Unreachable,
        ffi::AVERROR_EXIT => ErrorKind::TimedOut,
        ffi::AVERROR_DECODER_NOT_FOUND
        | ffi::AVERROR_DEMUXER_NOT_FOUND
        | ffi::AVERROR_ENCODER_NOT_FOUND
        | ffi::AVERROR_MUXER_NOT_FOUND
        | ffi::AVERROR_PROTOCOL_NOT_FOUND
        | ffi::AVERROR_BSF_NOT_FOUND
        | ffi::AVERROR_PATCHWELCOME
        | ffi::AVERROR_EXPERIMENTAL => ErrorKind::Unsupported,
        _ => match os_kind(code) {
            Some(io::ErrorKind::TimedOut) => ErrorKind::TimedOut,
            Some(
                io::ErrorKind::ConnectionRefused
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::NotConnected
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::NetworkDown
                | io::ErrorKind::AddrNotAvailable,
            ) => ErrorKind::Unreachable,
            Some(io::ErrorKind::PermissionDenied) => ErrorKind::Refused,
            Some(io::ErrorKind::NotFound) => ErrorKind::NotFound,
            Some(io::ErrorKind::OutOfMemory | io::ErrorKind::FileTooLarge) => ErrorKind::LimitExceeded,
            Some(io::ErrorKind::Unsupported) => ErrorKind::Unsupported,
            Some(_) if code == -EINVAL => ErrorKind::Internal,
            Some(_) => ErrorKind::Io,
            None => ErrorKind::Internal,
        },
    }
}

fn text_of(code: c_int) -> String {
    let mut buffer: [c_char; 128] = [0; 128];
    // SAFETY: the buffer is writable and its length is given; libav always ends it with a NUL.
    unsafe { ffi::av_strerror(code, buffer.as_mut_ptr(), buffer.len()) };
    // SAFETY: the buffer holds a NUL: its last byte is never overwritten with anything else.
    let text = unsafe { CStr::from_ptr(buffer.as_ptr()) };
    text.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_become_kinds_that_a_caller_can_act_on() {
        for (code, kind) in [
            (-111, ErrorKind::Unreachable),
            (-101, ErrorKind::Unreachable),
            (-113, ErrorKind::Unreachable),
            (-104, ErrorKind::Unreachable),
            (-32, ErrorKind::Unreachable),
            (-110, ErrorKind::TimedOut),
            (-2, ErrorKind::NotFound),
            (-12, ErrorKind::LimitExceeded),
            (-5, ErrorKind::Io),
            (-13, ErrorKind::Refused),
            (ffi::AVERROR_HTTP_UNAUTHORIZED, ErrorKind::Refused),
            (ffi::AVERROR_HTTP_NOT_FOUND, ErrorKind::NotFound),
            (ffi::AVERROR_INVALIDDATA, ErrorKind::Malformed),
            (ffi::AVERROR_PROTOCOL_NOT_FOUND, ErrorKind::Unsupported),
            (c_int::MIN, ErrorKind::Internal),
        ] {
            assert_eq!(kind_of(code), kind, "{code}");
        }
        assert!(is_again(-11));
        assert_eq!(Error::from_network_code(-5, "open").kind, ErrorKind::Unreachable);
    }

    #[test]
    fn a_message_has_no_credentials() {
        let error = Error::from_code(-111, "open rtsp://admin:secret@cam/stream?token=abc");
        assert_eq!(
            error.message,
            "open rtsp://***@cam/stream?token=***: Connection refused"
        );
    }
}
