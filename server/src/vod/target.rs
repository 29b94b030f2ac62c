//! [`Target`]: a request's path taken apart.

use std::sync::Arc;

use mediacore::hls::name::Name;
use mediacore::hls::parts;
use mediacore::hls::uri::{self, Location};
use mediacore::hls::{Options, Reason, Refusal, Set};

use super::mappings::Mapping;

/// A request's path taken apart.
#[derive(Debug)]
pub(crate) struct Target {
    /// The directory, the file name, and the files that the directory names.
    pub(crate) path: Location,
    /// What the file name asks for.
    pub(crate) name: Name,
    /// How long the part of every path is that all of the location have.
    prefix: usize,
}

impl Target {
    /// Takes apart `path`, which is as the client sent it.
    ///
    /// # Errors
    /// `NotFound` outside of `location`, `BadRequest` for a path or a name that can't be read.
    pub(crate) fn parse(path: &str, location: &str, options: &Options) -> Result<Self, Refusal> {
        let inside = |path: &str| {
            path.strip_prefix(location)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        let nothing = || Refusal::new(Reason::NotFound, "nothing is served at this path");
        let decoded = uri::decode(path)?;
        if !inside(&decoded) {
            return Err(nothing());
        }
        let path = Location::parse(&decoded, &options.urls)?;
        let name = Name::parse(&path.name, &options.urls.names)?;
        // A path parameter or a multi URI may have put something in front.
        if !path.uris.iter().all(|uri| inside(&uri.path)) {
            return Err(nothing());
        }
        Ok(Self {
            path,
            name,
            prefix: location.len(),
        })
    }

    /// The set of a location without mappings.
    pub(crate) fn local(&self) -> Set {
        Set::local(&self.path.uris)
    }

    /// Whether it is one recording of several parts, by its manifest.
    pub(crate) fn is_manifest(&self) -> bool {
        matches!(&self.path.uris[..], [only] if only.path.ends_with(parts::SUFFIX))
    }

    /// Where the mappings are: paths below the location.
    pub(crate) fn mapping_paths(&self) -> impl Iterator<Item = &str> {
        let prefix = self.prefix;
        let paths = self.path.uris.iter();
        paths.map(move |uri| uri.path.get(prefix..).unwrap_or_default())
    }

    /// The set that the mappings say, one for each of the paths.
    ///
    /// # Errors
    /// Those of reading them; `BadRequest` when several are asked for and one is more than a file.
    pub(crate) fn mapped(&self, mappings: &[Arc<Mapping>]) -> Result<Set, Refusal> {
        if let ([uri], [mapping]) = (&self.path.uris[..], mappings) {
            return Ok(mapping.set()?.asked_as(uri, &self.path.directory));
        }
        let sets = mappings.iter().map(|mapping| mapping.set());
        Set::joined(sets.collect::<Result<_, _>>()?, &self.path.uris)
    }
}
