//! A local file as input, by its own bytes and by libav.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::mp4::ReadAt;
use crate::source::{Interrupt, libav};

/// A regular file that is open for reading.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) size: u64,
}

/// Demuxers of real containers: none that follows names inside a file (playlists, `concat`, `ffmetadata`), opens devices, or
/// takes raw data for media.
const FORMATS: &str = "mov,mp4,m4a,3gp,3g2,mj2,mpegts,mpeg,flv,live_flv,matroska,webm,avi,asf,wav,w64,aiff,au,caf,amr,mp3,aac,flac,\
                       ogg,ac3,eac3,mxf,nut,ivf";

/// How much may be looked at to find out what an input is.
pub(crate) const LOOK: Duration = Duration::from_secs(5);

impl Opened {
    /// Opens `path`, which is never taken for anything but a path. Only regular files that are not empty are taken.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let failed = |e| Error::storage(format!("open {}", path.display()), e);
        // Opening a pipe would block.
        let about = std::fs::metadata(path).map_err(failed)?;
        if !about.is_file() {
            let text = format!("{} is no file", path.display());
            return Err(Error::new(ErrorKind::InvalidInput, text));
        }
        let file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        if size == 0 {
            return Err(Error::new(
                ErrorKind::Malformed,
                format!("{} is empty", path.display()),
            ));
        }
        Ok(Self {
            path: path.to_path_buf(),
            file,
            size,
        })
    }

    /// Whether the file begins as MP4 and MOV files do.
    pub(crate) fn is_mp4(&self) -> Result<bool> {
        let mut head = [0; 8];
        let read = self
            .file
            .read_full_at(&mut head, 0)
            .map_err(|e| Error::storage(format!("read {}", self.path.display()), e))?;
        let kind = &head[4..];
        let known: [&[u8]; 9] = [
            b"ftyp", b"moov", b"mdat", b"moof", b"free", b"skip", b"wide", b"styp", b"pnot",
        ];
        Ok(read == 8 && known.contains(&kind))
    }

    /// Whether it is a QuickTime file rather than an MP4.
    pub(crate) fn is_quicktime(&self) -> bool {
        let mut head = [0; 12];
        let read = self.file.read_full_at(&mut head, 0);
        read.is_ok_and(|read| read == 12) && (&head[8..] == b"qt  " || &head[4..8] != b"ftyp")
    }

    /// Opens it with libav. No protocol is allowed: libav reads this file and no other. The second value tells how far it
    /// has read.
    pub(crate) fn demux(&self, interrupt: &Interrupt) -> Result<(av::Input, Position)> {
        let position = Position::default();
        let file = self
            .file
            .try_clone()
            .map_err(|e| Error::storage(format!("open {}", self.path.display()), e))?;
        let counted = Counted {
            file,
            at: 0,
            position: position.clone(),
        };
        let options = av::OpenOptions {
            options: vec![("format_whitelist".to_owned(), FORMATS.to_owned())],
            ..av::OpenOptions::default()
        };
        let input = av::Input::open_seekable(Box::new(counted), &options, interrupt).map_err(|cause| {
            // libav answers EINVAL for a format that is not on the list.
            if cause.kind == av::ErrorKind::Internal {
                let text = format!("{} has no format that is taken", self.path.display());
                return Error::new(ErrorKind::Unsupported, text).with_source(libav::error(cause));
            }
            libav::error(cause).context(format!("open {}", self.path.display()))
        })?;
        Ok((input, position))
    }
}

/// How far a file has been read, in bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Position(Arc<AtomicU64>);

impl Position {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A file with a place of its own, since clones of a `File` share theirs.
struct Counted {
    file: File,
    at: u64,
    position: Position,
}

impl Read for Counted {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = ReadAt::read_at(&self.file, buf, self.at)?;
        self.at += read as u64;
        self.position.0.store(self.at, Ordering::Relaxed);
        Ok(read)
    }
}

impl Seek for Counted {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.file.metadata()?.len().checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
