//! [`Target`]: a request's path taken apart.

use std::sync::Arc;

use mediacore::hls::name::Name;
use mediacore::hls::{Options, Reason, Refusal, Set};

use super::mappings::Mapping;

/// A request's path taken apart.
#[derive(Debug)]
pub(crate) struct Target {
    /// The path before the last slash, decoded.
    pub(crate) directory: String,
    /// The path after it, decoded.
    pub(crate) file: String,
    /// What that asks for.
    pub(crate) name: Name,
    location: String,
}

impl Target {
    /// Takes apart `path`, which is as the client sent it.
    ///
    /// # Errors
    /// `NotFound` outside of `location`, `BadRequest` for a name that is none of ours.
    pub(crate) fn parse(path: &str, location: &str, options: &Options) -> Result<Self, Refusal> {
        let _ = (path, location, options);
        Err(Refusal::new(Reason::BadRequest, "not built yet"))
    }

    /// The set of a location without mappings.
    pub(crate) fn local(&self) -> Result<Set, Refusal> {
        Err(Refusal::new(Reason::BadRequest, "not built yet"))
    }

    /// Where the mappings are: paths below the location.
    pub(crate) fn mapping_paths(&self) -> Vec<String> {
        vec![
            self.directory
                .strip_prefix(&self.location)
                .unwrap_or(&self.directory)
                .to_owned(),
        ]
    }

    /// The set that the mappings say.
    pub(crate) fn mapped(&self, mappings: &[Arc<Mapping>]) -> Result<Set, Refusal> {
        let _ = mappings;
        Err(Refusal::new(Reason::BadRequest, "not built yet"))
    }
}
