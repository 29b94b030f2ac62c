//! [`Library`]: files as the packager needs them, opened once and kept while they do not change.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use mediacore::Result;
use mediacore::hls::{self, Open, Reason, Refusal, Title};
use mediacore::layout::{FileSource, Source};

use super::files::{Folder, Identity};

/// Opened files that are kept.
const KEPT: usize = 4096;

/// Where media comes from.
#[derive(Debug)]
pub(crate) struct Library {
    folder: Folder,
    /// What stands before a path in the folder: the location of a URL, or the folder's own path.
    prefix: String,
    opened: Mutex<HashMap<Identity, hls::File>>,
}

impl Library {
    /// The files of `root`, named by URLs that start with `location`.
    ///
    /// # Errors
    /// When there is no such directory.
    pub(crate) fn of_location(root: &Path, location: &str) -> Result<Self> {
        Self::new(root, location.to_owned())
    }

    /// The files of `root`, named relative to it or by their absolute path.
    ///
    /// # Errors
    /// When there is no such directory.
    pub(crate) fn of_mappings(root: &Path) -> Result<Self> {
        let absolute = std::path::absolute(root).unwrap_or_else(|_| PathBuf::from(root));
        let prefix = absolute.to_string_lossy();
        Self::new(root, prefix.trim_end_matches('/').to_owned())
    }

    fn new(root: &Path, prefix: String) -> Result<Self> {
        Ok(Self {
            folder: Folder::open(root)?,
            prefix,
            opened: Mutex::default(),
        })
    }

    /// Which file `path` names now.
    pub(crate) fn identity(&self, path: &str) -> Option<Identity> {
        self.folder.identity(self.inner(path))
    }

    fn inner<'a>(&self, path: &'a str) -> &'a str {
        match path.strip_prefix(&self.prefix) {
            Some(inner) if inner.is_empty() || inner.starts_with('/') => inner,
            _ => path,
        }
    }

    fn kept(&self, identity: &Identity) -> Option<hls::File> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.get(identity).cloned()
    }

    fn keep(&self, identity: Identity, file: &hls::File) {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.len() >= KEPT {
            opened.clear();
        }
        opened.insert(identity, file.clone());
    }

    fn read(&self, path: &str) -> Result<(hls::File, Identity), Refusal> {
        let (file, identity) = self.folder.file(self.inner(path))?;
        if let Some(kept) = self.kept(&identity) {
            return Ok((kept, identity));
        }
        if identity.size() == 0 {
            return Err(Refusal::bad_request(format!("{path} is empty")));
        }
        let source: Arc<dyn Source> = Arc::new(FileSource::new(file, identity.size()));
        let title = Title::open(source).map_err(|error| Refusal::from(error.context(path.to_owned())))?;
        let opened = hls::File::Title(Arc::new(title));
        self.keep(identity, &opened);
        Ok((opened, identity))
    }
}

/// What one request opens.
pub(crate) struct Opening<'a> {
    library: &'a Library,
    may_wait: bool,
    cold: Cell<bool>,
    seen: RefCell<Vec<(String, Identity)>>,
}

impl<'a> Opening<'a> {
    /// Opens files of `library`; only those that are kept already unless it `may_wait`.
    pub(crate) fn new(library: &'a Library, may_wait: bool) -> Self {
        Self {
            library,
            may_wait,
            cold: Cell::new(false),
            seen: RefCell::default(),
        }
    }

    /// Whether a file was left alone because it would have been waited for.
    pub(crate) fn is_cold(&self) -> bool {
        self.cold.get()
    }

    /// The files that were opened, under the names that were asked for.
    pub(crate) fn into_seen(self) -> Vec<(String, Identity)> {
        self.seen.into_inner()
    }
}

impl Open for Opening<'_> {
    fn open(&self, path: &str) -> Result<hls::File, Refusal> {
        let kept = self
            .library
            .identity(path)
            .and_then(|identity| Some((self.library.kept(&identity)?, identity)));
        let (file, identity) = match kept {
            Some(kept) => kept,
            None if self.may_wait => self.library.read(path)?,
            None => {
                self.cold.set(true);
                return Err(Refusal::new(Reason::Internal, "the file is not open yet"));
            }
        };
        self.seen.borrow_mut().push((path.to_owned(), identity));
        Ok(file)
    }
}
