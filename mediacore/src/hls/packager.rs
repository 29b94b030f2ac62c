//! [`Packager`]: from a parsed request and its set to the answer.

use super::name::Name;
use super::options::Options;
use super::pick::Open;
use super::refusal::Refusal;
use super::set::Set;
use crate::layout::Layout;

/// A packaging location: options that every request to it shares.
#[derive(Clone, Debug)]
pub struct Packager {
    options: Options,
}

/// One request as the packager needs it.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The parsed file name.
    pub name: &'a Name,
    /// The directory part of the path as it was asked for, decoded, with its path parameters: `/loc/a.mp4`.
    pub directory: &'a str,
    /// `http://host` or `https://host` as the client wrote it; empty when it sent no host.
    pub origin: &'a str,
}

/// What is sent.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The MIME type.
    pub content_type: &'static str,
    /// The body, its length known.
    pub body: Layout,
}

impl Packager {
    /// A location with these options.
    pub fn new(options: Options) -> Self {
        Self { options }
    }

    /// Its options.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Answers one request. Opens the files that it needs through `open`, no others.
    ///
    /// # Errors
    /// A [`Refusal`] with the reference's reason.
    pub fn answer(&self, request: &Request<'_>, set: &Set, open: &dyn Open) -> Result<Answer, Refusal> {
        let _ = (request, set, open);
        Err(Refusal::bad_request("not built yet"))
    }
}
