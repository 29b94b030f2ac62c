//! [`Library`]: files as the packager needs them, opened once and kept while they do not change.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mediacore::cache::Cache;
use mediacore::hls::captions::{self, Captions};
use mediacore::hls::{self, Open, Reason, Refusal, Title};
use mediacore::layout::{FileSource, Layout, Source, Wait};
use mediacore::{Error, Result};

use super::files::{Folder, Identity};

/// Bytes of opened files that are kept.
const CAPACITY: usize = 512 << 20;

/// Opened files that are kept, each of which holds a descriptor.
const COUNT: usize = 4096;

/// Where media comes from.
#[derive(Debug)]
pub(crate) struct Library {
    folder: Folder,
    /// What stands before a path in the folder: the location of a URL, or the folder's own path.
    prefix: String,
    opened: Cache<Identity, hls::File>,
    /// Bytes of the longest subtitle file.
    limit: u64,
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
            opened: Cache::new(CAPACITY, COUNT, weight),
            limit: captions::MAX_FILE,
        })
    }

    /// Which file `path` names now.
    pub(crate) fn identity(&self, path: &str) -> Option<Identity> {
        self.folder.identity(self.inner(path))
    }

    /// Lets go of files that were removed: open, they would keep their room on the disk.
    pub(crate) fn forget_removed(&self) {
        self.opened.retain(|file| match file {
            hls::File::Title(title) => !title.source().is_removed(),
            hls::File::Captions(_) | hls::File::Empty => true,
        });
    }

    fn inner<'a>(&self, path: &'a str) -> &'a str {
        match path.strip_prefix(&self.prefix) {
            Some(inner) if inner.is_empty() || inner.starts_with('/') => inner,
            _ => path,
        }
    }

    fn read(&self, path: &str) -> Result<(hls::File, Identity), Refusal> {
        let (file, identity) = self.folder.file(self.inner(path))?;
        let opened = self
            .opened
            .get_or_build(identity, || self.build(path, file, identity))?;
        Ok((opened, identity))
    }

    fn build(&self, path: &str, file: File, identity: Identity) -> Result<hls::File, Refusal> {
        let named = |error: Error| Refusal::from(error.context(path.to_owned()));
        if identity.size() == 0 {
            return Ok(hls::File::Empty);
        }
        let source: Arc<dyn Source> = Arc::new(FileSource::new(file, identity.size()));
        let mut start = [0; 64];
        let failed = |error| named(Error::storage("read the start of the file", error));
        let count = source.read(&mut start, 0, Wait::Yes).map_err(failed)?;
        if Captions::sniff(start.get(..count.unwrap_or(0)).unwrap_or_default()) {
            let mut whole = Layout::new();
            whole.push_file(&source, 0..identity.size());
            let text = whole.to_bytes(self.limit).map_err(named)?;
            let captions = Captions::parse(&text).map_err(named)?;
            return Ok(hls::File::Captions(Arc::new(captions)));
        }
        Ok(hls::File::Title(Arc::new(Title::open(source).map_err(named)?)))
    }
}

fn weight(file: &hls::File) -> usize {
    match file {
        hls::File::Title(title) => title.heap_size(),
        hls::File::Captions(captions) => captions.heap_size(),
        hls::File::Empty => 0,
    }
}

/// A file that a request opened: under which name, and in which state.
struct Seen {
    path: String,
    identity: Identity,
    file: hls::File,
}

/// What one request opens.
pub(crate) struct Opening<'a> {
    library: &'a Library,
    may_wait: bool,
    cold: Cell<bool>,
    seen: RefCell<Vec<Seen>>,
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
        let seen = self.seen.into_inner().into_iter();
        seen.map(|seen| (seen.path, seen.identity)).collect()
    }
}

impl Open for Opening<'_> {
    fn open(&self, path: &str) -> Result<hls::File, Refusal> {
        // One request sees one state of a file.
        if let Some(seen) = self.seen.borrow().iter().find(|seen| seen.path == path) {
            return Ok(seen.file.clone());
        }
        let kept = self
            .library
            .identity(path)
            .and_then(|identity| Some((self.library.opened.get(&identity)?, identity)));
        let (file, identity) = match kept {
            Some(kept) => kept,
            None if self.may_wait => self.library.read(path)?,
            None => {
                self.cold.set(true);
                return Err(Refusal::new(Reason::Internal, "the file is not open yet"));
            }
        };
        self.seen.borrow_mut().push(Seen {
            path: path.to_owned(),
            identity,
            file: file.clone(),
        });
        Ok(file)
    }
}
