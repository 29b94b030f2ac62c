//! [`Refusal`]: why a request gets no media, in the terms of the reference's status table.

use std::fmt;

use crate::error::{Error, ErrorKind};

/// Why a request is refused. Each reason has one HTTP status.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Reason {
    /// The request makes no sense, or asks for what this file or this location can't give (400).
    BadRequest,
    /// There is no such file (404).
    NotFound,
    /// The path is a directory, or may not be read (403).
    Forbidden,
    /// The file is damaged, or not an MP4 (404).
    BadData,
    /// Nothing is left to send: no such track, no such segment (404).
    NoStreams,
    /// The mapping is empty, or names an empty path (404).
    EmptyMapping,
    /// The mapping is no JSON, or contradicts itself (503).
    BadMapping,
    /// The mapping's or the media's server failed (502).
    Upstream,
    /// A defect of ours, or of the disk (500).
    Internal,
}

impl Reason {
    /// The HTTP status code.
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Forbidden => 403,
            Self::NotFound | Self::BadData | Self::NoStreams | Self::EmptyMapping => 404,
            Self::Internal => 500,
            Self::Upstream => 502,
            Self::BadMapping => 503,
        }
    }

    /// The reason as the reference's `$vod_status` spells it, for logs and problem bodies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "BAD_REQUEST",
            Self::NotFound => "NOT_FOUND",
            Self::Forbidden => "FORBIDDEN",
            Self::BadData => "BAD_DATA",
            Self::NoStreams => "NO_STREAMS",
            Self::EmptyMapping => "EMPTY_MAPPING",
            Self::BadMapping => "BAD_MAPPING",
            Self::Upstream => "UPSTREAM",
            Self::Internal => "UNEXPECTED",
        }
    }
}

/// A refused request: the reason, and a sentence that says what is wrong and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// Which reason.
    pub reason: Reason,
    /// What is wrong and where. It names nothing that the request or the mapping did not name.
    pub detail: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { reason, detail }
    }

    /// [`Reason::BadRequest`].
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(Reason::BadRequest, detail)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.as_str(), self.detail)
    }
}

impl std::error::Error for Refusal {}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let reason = match error.kind() {
            ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::LimitExceeded => Reason::BadRequest,
            ErrorKind::NotFound => Reason::NotFound,
            ErrorKind::Refused => Reason::Forbidden,
            ErrorKind::Malformed => Reason::BadData,
            ErrorKind::TimedOut | ErrorKind::Unreachable => Reason::Upstream,
            ErrorKind::Cancelled | ErrorKind::Internal | ErrorKind::Storage => Reason::Internal,
        };
        Self::new(reason, error.report())
    }
}
