//! [`Workers`]: libav reads files that somebody sent in processes of their own.
//!
//! libav is a million lines of C, and the files that it reads here come from strangers. So the server reads what its own parser can read
//! (MP4 files: what is in them, playback), and gives the rest to a worker: this program again, with one request on its standard input and one
//! answer on its standard output. Before it reads the first byte of media a worker gives away what it does not need:
//!
//! - more memory, time and file sizes than its work takes ([`limits`] has the table), and core dumps;
//! - every file but its input, which it can read, and a folder that was made for it, which the server takes the result out of (Landlock);
//! - the network, other programs, other processes, and all other system calls but a list (seccomp, [`confine`]);
//! - the server's environment, and its open files.
//!
//! What kills a worker is an error of one job. A worker ends when its work is done, when nobody wants it any more, when it takes too
//! long, and with the server.
//!
//! Live sources are read in the server: a worker for each would cost a copy of every packet, and they have limits of their own.
//!
//! ```text
//! server ── request, key frame ─▶ worker: limits, Landlock, seccomp, then libav
//!        ◀─ confined, progress…, done or failed
//! ```

mod child;
mod confine;
mod end;
mod limits;
mod lines;
mod talk;
mod wire;

#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use mediacore::probe::{Report, probe_tables};
use mediacore::record::manifest::{Manifest, part_path};
use mediacore::remux::{Dropped, Observer};
use mediacore::source::Interrupt;
use mediacore::{Error, ErrorKind, Result};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::config::Sandbox;
use crate::fault::Fault;

pub(crate) use child::main;
use talk::{Call, Standing};
use wire::{Confined, Done, Place, Work, Written};

/// Workers at a time for which somebody waits. The queue of jobs has its own limit.
const AT_A_TIME: usize = 4;

/// Bytes of the longest line between server and worker: the largest picture in base64.
const LONGEST: usize = 32 << 20;

/// Bytes of the largest key frame that a worker decodes.
const MAX_FILM: usize = 64 << 20;

/// Files that one work makes at most.
const MAX_FILES: usize = 10_000;

/// How workers are started. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Workers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    how: How,
    turns: Semaphore,
    /// Who makes pictures of recordings, one after the other.
    pictures: Mutex<Option<Standing>>,
    /// The log has what the system can't do.
    told: AtomicBool,
}

#[derive(Clone, Copy, Debug)]
enum How {
    Process(Sandbox),
    /// In this process.
    Here,
}

/// What work that takes long is watched with.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    /// Stops it.
    pub(crate) interrupt: Interrupt,
    /// Is told how far it is.
    pub(crate) progress: Option<Observer>,
}

/// Files that a worker made, under their final names.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    /// In order. More than one when codec or resolution change on the way.
    pub(crate) files: Vec<MadeFile>,
    /// The list of the files, when there is more than one.
    pub(crate) manifest: Option<PathBuf>,
    /// Tracks that were left out.
    pub(crate) dropped: Vec<Dropped>,
    /// What else someone should know.
    pub(crate) notes: Vec<String>,
}

/// One file.
#[derive(Clone, Debug)]
pub(crate) struct MadeFile {
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    pub(crate) length: Duration,
}

impl Made {
    /// Length of all files.
    pub(crate) fn length(&self) -> Duration {
        self.files.iter().map(|file| file.length).sum()
    }

    /// Bytes of all files.
    pub(crate) fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

impl Workers {
    /// Workers that are confined as far as `sandbox` says.
    pub(crate) fn new(sandbox: Sandbox) -> Self {
        // The program of unit tests has no worker in it.
        Self::of(if cfg!(test) {
            How::Here
        } else {
            How::Process(sandbox)
        })
    }

    /// Does everything in this process.
    #[cfg(test)]
    pub(crate) fn here() -> Self {
        Self::of(How::Here)
    }

    fn of(how: How) -> Self {
        Self(Arc::new(Inner {
            how,
            turns: Semaphore::new(AT_A_TIME),
            pictures: Mutex::default(),
            told: AtomicBool::new(false),
        }))
    }

    /// Waits until there is room for one more worker, for which somebody waits. To be kept as long as it works.
    ///
    /// # Errors
    /// `Unavailable` when the server stops.
    pub(crate) async fn turn(&self) -> Result<SemaphorePermit<'_>, Fault> {
        let turn = self.0.turns.acquire().await;
        turn.map_err(|_| Fault::Unavailable("The server is stopping".to_owned()))
    }

    /// Starts a worker that has nothing to do, when confining it is required.
    ///
    /// # Errors
    /// `Refused` when that can't be done here.
    pub(crate) fn check(&self) -> Result<()> {
        match self.0.how {
            How::Process(Sandbox::Required) => self.call(Work::Nothing, &Interrupt::new(), None).map(drop),
            _ => Ok(()),
        }
    }

    /// What a file is. MP4 files are read here, by our own parser.
    ///
    /// # Errors
    /// As [`mediacore::probe::probe`], and those of workers.
    pub(crate) fn probe(&self, path: &Path, interrupt: &Interrupt) -> Result<Report> {
        if let Some(report) = probe_tables(path)? {
            return Ok(report);
        }
        let input = Place(path.to_path_buf());
        match self.call(Work::Probe { input }, interrupt, None)? {
            Done::Probed(report) => Ok(report),
            other => Err(unexpected(&other)),
        }
    }

    /// The picture that a file shows at a moment as JPEG.
    ///
    /// # Errors
    /// As [`mediacore::thumbnail::jpeg`], and those of workers.
    pub(crate) fn thumbnail(
        &self,
        path: &Path,
        at: Option<Duration>,
        width: Option<u32>,
        interrupt: &Interrupt,
    ) -> Result<Vec<u8>> {
        let input = Place(path.to_path_buf());
        picture(self.call(Work::Thumbnail { input, at, width }, interrupt, None)?)
    }

    /// The picture of a key frame of a recording as JPEG: see [`mediacore::record::still`]. Starting a worker takes longer than making a
    /// picture, so one makes many, and ends when nobody wants more.
    ///
    /// # Errors
    /// As [`mediacore::record::still::jpeg`], and those of workers.
    pub(crate) fn picture(&self, film: Vec<u8>, width: u32) -> Result<Vec<u8>> {
        let How::Process(sandbox) = self.0.how else {
            return mediacore::record::still::jpeg(film, width, &Interrupt::new());
        };
        let mut standing = self.0.pictures.lock().unwrap_or_else(PoisonError::into_inner);
        let (done, confined) = talk::picture(&mut standing, sandbox, &film, width)?;
        self.tell(sandbox, confined);
        picture(done)
    }

    /// Makes a faststart MP4 of a file. What has the name of the output is replaced.
    ///
    /// # Errors
    /// As [`mediacore::remux::remux`], and those of workers.
    pub(crate) fn remux(&self, input: &Path, output: &Path, watch: &Watch) -> Result<Made> {
        self.write(output, watch, |output| Work::Remux {
            input: Place(input.to_path_buf()),
            output,
        })
    }

    /// Cuts a span out of a file. What has the name of the output is replaced.
    ///
    /// # Errors
    /// As [`mediacore::clip::clip`], and those of workers.
    pub(crate) fn clip(
        &self,
        input: &Path,
        output: &Path,
        from: Duration,
        to: Duration,
        watch: &Watch,
    ) -> Result<Made> {
        self.write(output, watch, |output| Work::Clip {
            input: Place(input.to_path_buf()),
            output,
            from,
            to,
        })
    }

    /// Makes a sound file of a file. What has the name of the output is replaced.
    ///
    /// # Errors
    /// As [`mediacore::audio::extract`], and those of workers.
    pub(crate) fn audio(
        &self,
        input: &Path,
        output: &Path,
        bitrate: Option<u32>,
        watch: &Watch,
    ) -> Result<Made> {
        self.write(output, watch, |output| Work::Audio {
            input: Place(input.to_path_buf()),
            output,
            bitrate,
        })
    }

    /// Has a work write into a folder of its own, and moves what is there to its place.
    fn write(&self, output: &Path, watch: &Watch, work: impl FnOnce(Place) -> Work) -> Result<Made> {
        let folder = Folder::beside(output)?;
        let inside = folder.0.join(output.file_name().unwrap_or_default());
        let work = work(Place(inside.clone()));
        match self.call(work, &watch.interrupt, watch.progress.as_ref())? {
            Done::Written(written) => settle(&inside, output, written),
            other => Err(unexpected(&other)),
        }
    }

    fn call(&self, work: Work, interrupt: &Interrupt, progress: Option<&Observer>) -> Result<Done> {
        let How::Process(sandbox) = self.0.how else {
            let quiet = || Observer(Arc::new(|_| {}));
            return child::perform(&work, interrupt, progress.cloned().unwrap_or_else(quiet));
        };
        let (input, _) = work.paths();
        // What is wrong with a path, the work says.
        let input = input
            .and_then(|path| path.metadata().ok())
            .map_or(0, |file| file.len());
        let (done, confined) = talk::call(&Call {
            work,
            sandbox,
            input,
            interrupt,
            progress,
        })?;
        self.tell(sandbox, confined);
        Ok(done)
    }

    /// Says once what the system can't do.
    fn tell(&self, sandbox: Sandbox, confined: Confined) {
        let all = Confined {
            calls: true,
            files: true,
        };
        if sandbox == Sandbox::Off || confined == all || self.0.told.swap(true, Ordering::Relaxed) {
            return;
        }
        let missing = match (confined.calls, confined.files) {
            (false, false) => "system calls (seccomp) and files (Landlock)",
            (false, true) => "system calls (seccomp)",
            _ => "files (Landlock)",
        };
        tracing::warn!(
            "processes that read uploads can't be held to their {missing} on this system; they have limits of memory and time all the same"
        );
    }
}

fn picture(done: Done) -> Result<Vec<u8>> {
    let Done::Picture(text) = done else {
        return Err(unexpected(&done));
    };
    let bytes = BASE64.decode(text).unwrap_or_default();
    // It is shown to others.
    if !bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
        return Err(Error::new(
            ErrorKind::Malformed,
            "the media made the reader give what is no picture",
        ));
    }
    Ok(bytes)
}

fn unexpected(done: &Done) -> Error {
    let text = match done {
        Done::Nothing => "nothing",
        Done::Probed(_) => "a report",
        Done::Picture(_) => "a picture",
        Done::Written(_) => "files",
    };
    Error::new(ErrorKind::Internal, format!("a worker answers with {text}"))
}

/// How the name of a worker's folder ends.
const FOLDER: &str = ".work";

/// Whether a folder of this name was made for a worker.
pub(crate) fn is_of_a_worker(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(FOLDER)
}

/// A folder that a worker may write into, beside its output and on the same disk; removed with what is left in it.
///
/// Its name has the output's in it: what a crash of the server leaves is found by that.
struct Folder(PathBuf);

impl Folder {
    fn beside(output: &Path) -> Result<Self> {
        let name = output.file_name().unwrap_or_default().to_string_lossy();
        let path = output.with_file_name(format!(".{name}.{}{FOLDER}", uuid::Uuid::new_v4().simple()));
        let failed = |cause| Error::storage(format!("create the folder {}", path.display()), cause);
        fs::create_dir(&path).map_err(failed)?;
        // A worker knows it by this name, wherever it works.
        let path = path.canonicalize().map_err(failed)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!("{} stays: {error}", self.0.display());
        }
    }
}

/// Moves the files `inside` a worker's folder to the place of `output`, durably. A worker may have been taken over: its files are
/// looked for under the names that they must have, and links are not followed.
fn settle(inside: &Path, output: &Path, written: Written) -> Result<Made> {
    let failed = |cause| Error::storage(format!("write {}", output.display()), cause);
    let count = written.files.len();
    if !(1..=MAX_FILES).contains(&count) {
        let text = format!("a worker made {count} files");
        return Err(Error::new(ErrorKind::LimitExceeded, text));
    }
    let mut sizes = Vec::new();
    for (number, _) in (1..).zip(&written.files) {
        let about = part_path(inside, number).symlink_metadata().map_err(failed)?;
        if !about.is_file() {
            return Err(Error::new(
                ErrorKind::Malformed,
                "a worker made something that is no file",
            ));
        }
        sizes.push(about.len());
    }
    let mut made = Made {
        files: Vec::new(),
        manifest: None,
        dropped: written
            .dropped
            .into_iter()
            .map(|(codec, reason)| Dropped { codec, reason })
            .collect(),
        notes: written.notes,
    };
    let mut manifest = Manifest::default();
    for ((number, (at, length)), size) in (1..).zip(written.files).zip(sizes) {
        let path = part_path(output, number);
        fs::rename(part_path(inside, number), &path).map_err(failed)?;
        manifest.push(&path, at, Some(length));
        made.files.push(MadeFile { path, size, length });
    }
    if count > 1 {
        let path = Manifest::path_for(output);
        manifest.write(&path)?;
        made.manifest = Some(path);
    }
    let folder = output.parent().unwrap_or(Path::new("/"));
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)?;
    Ok(made)
}
