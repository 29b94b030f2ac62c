//! [`Uploads`]: files that come in pieces and become videos.
//!
//! A piece is written where it belongs in one file, and counts once it is on the disk. Completing an upload is a rename and
//! some rows, however large it is. Two protocols share this: the chunks of the API, and tus.

mod checksum;
mod complete;
mod intake;
mod turns;

#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::app::Folders;
use crate::config::Config;
use crate::domain::status::UploadStatus;
use crate::domain::time::Micros;
use crate::fault::{Fault, blocking};
use crate::service::events::Events;
use crate::service::jobs::{Jobs, to_bytes};
use crate::store::Store;
use crate::store::uploads::{NewUpload, Upload};
use crate::worker::Workers;

pub(crate) use checksum::{ALGORITHMS, Checksum};
pub(crate) use complete::Completed;

use complete::sync_folder;
use intake::{End, Intake, disk};
use turns::Turns;

/// What the names of videos end in.
const VIDEO: [&str; 7] = [".mp4", ".mov", ".mkv", ".webm", ".ts", ".flv", ".avi"];

/// What the names of sound end in.
const AUDIO: [&str; 5] = [".mp3", ".wav", ".aac", ".flac", ".m4a"];

/// Bytes of chunks. What a client asks for is brought between them.
const CHUNK: std::ops::RangeInclusive<i64> = 64 << 10..=64 << 20;

/// Characters of the longest file name.
const MAX_NAME: usize = 256;

/// Bytes of a tus request after which what came is made durable.
const MARK: u64 = 16 << 20;

/// An upload that nobody has gone on with for so long does not count as one that will need its space.
const IDLE: Duration = Duration::from_secs(3600);

/// How often uploads that nobody went on with are looked for.
const SWEEP: Duration = Duration::from_secs(600);

/// What a client says about the video.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct About {
    #[serde(default)]
    pub(crate) title: Option<String>,
    #[serde(default)]
    pub(crate) category_id: Option<i64>,
    #[serde(default)]
    pub(crate) tag_ids: Vec<i64>,
    /// `Upload-Metadata` as it came.
    #[serde(default)]
    pub(crate) tus: Option<String>,
}

/// The use cases. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Uploads(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    events: Events,
    folders: Arc<Folders>,
    jobs: Jobs,
    workers: Workers,
    turns: Turns,
    max_video: u64,
    max_audio: u64,
    life: Duration,
    min_free: u64,
}

/// A chunk that came before its number did: in a file of its own, removed at the end.
#[derive(Debug)]
pub(crate) struct Spool {
    path: PathBuf,
    length: u64,
}

impl Drop for Spool {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// How a tus request went.
#[derive(Debug)]
pub(crate) enum Appended {
    /// So many bytes are there; with all of them it is a video.
    Offset {
        received: i64,
        expires_at: Micros,
        completed: Option<Completed>,
    },
    /// The checksum is another's: nothing of the request counts.
    WrongSum,
}

impl Uploads {
    /// Uploads into `folders`, with the limits of `config`.
    pub(crate) fn new(
        config: &Config,
        store: &Store,
        events: &Events,
        folders: &Arc<Folders>,
        jobs: &Jobs,
        workers: &Workers,
    ) -> Self {
        Self(Arc::new(Inner {
            store: store.clone(),
            events: events.clone(),
            folders: Arc::clone(folders),
            jobs: jobs.clone(),
            workers: workers.clone(),
            turns: Turns::default(),
            max_video: config.max_video_upload,
            max_audio: config.max_audio_upload,
            life: config.upload_life,
            min_free: config.min_free,
        }))
    }

    /// Bytes of the largest upload.
    pub(crate) fn max_size(&self) -> u64 {
        self.0.max_video.max(self.0.max_audio)
    }

    /// Begins an upload.
    ///
    /// # Errors
    /// `Invalid` for a name or a size that no file has; `BadRequest` for a kind of file that is not taken and one that is too
    /// large; `NoSpace`.
    pub(crate) async fn begin(
        &self,
        protocol: &'static str,
        name: &str,
        size: i64,
        chunk_size: i64,
        about: &About,
    ) -> Result<Upload, Fault> {
        let name = name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
        if name.is_empty() || name.chars().count() > MAX_NAME {
            return Err(Fault::field(
                "body.filename",
                format!("1 to {MAX_NAME} characters"),
            ));
        }
        let size_bytes = u64::try_from(size).ok().filter(|size| *size > 0);
        let size_bytes = size_bytes.ok_or_else(|| Fault::field("body.file_size", "more than 0"))?;
        if chunk_size <= 0 {
            return Err(Fault::field("body.chunk_size", "more than 0"));
        }
        self.check_kind(name, size_bytes)?;
        self.check_space(size_bytes).await?;
        let chunk_size = chunk_size.clamp(*CHUNK.start(), *CHUNK.end());
        let id = uuid::Uuid::new_v4().to_string();
        let new = NewUpload {
            id: id.clone(),
            protocol,
            file_name: name.to_owned(),
            file_size: size,
            chunk_size,
            total_chunks: size / chunk_size + i64::from(size % chunk_size != 0),
            metadata: serde_json::to_string(about).unwrap_or_else(|_| "{}".to_owned()),
            expires_at: self.expiry(),
        };
        // The row first: a file without one would stay for ever.
        let upload = self.0.store.add_upload(&new).await?;
        let (path, folders) = (self.temporary(&id), Arc::clone(&self.0.folders));
        let made = blocking(move || {
            folders.check().map_err(Fault::Internal)?;
            let made = OpenOptions::new().write(true).create_new(true).open(&path);
            made.and_then(|_| sync_folder(&path)).map_err(|error| {
                let _ = fs::remove_file(&path);
                disk(&error)
            })
        });
        if let Err(fault) = made.await {
            // Nobody goes on with it.
            self.0.store.remove_upload(&id).await?;
            return Err(fault);
        }
        Ok(upload)
    }

    fn check_kind(&self, name: &str, size: u64) -> Result<(), Fault> {
        let lower = name.to_lowercase();
        let ends = |list: &[&str]| list.iter().any(|end| lower.ends_with(end));
        let (what, limit) = if ends(&VIDEO) {
            ("Video", self.0.max_video)
        } else if ends(&AUDIO) {
            ("Audio", self.0.max_audio)
        } else {
            let all = [VIDEO.as_slice(), AUDIO.as_slice()].concat().join(", ");
            return Err(Fault::bad(format!("File type not allowed. Allowed: {all}")));
        };
        if size > limit {
            let limit = if limit.is_multiple_of(1 << 30) {
                format!("{}GB", limit >> 30)
            } else {
                format!("{:.1}MB", limit as f64 / f64::from(1 << 20))
            };
            return Err(Fault::bad(format!("{what} file too large. Max: {limit}")));
        }
        Ok(())
    }

    async fn check_space(&self, size: u64) -> Result<(), Fault> {
        let coming = self.0.store.outstanding_bytes(Micros::now().before(IDLE)).await?;
        let coming = u64::try_from(coming).unwrap_or(0);
        let storage = self.0.folders.storage().to_path_buf();
        let about = blocking(move || {
            rustix::fs::statvfs(&storage)
                .map_err(|error| Fault::internal(format!("ask for free space: {error}")))
        })
        .await?;
        let free = about.f_bavail.saturating_mul(about.f_frsize);
        let taken = self.0.min_free.saturating_add(coming);
        if free < size.saturating_add(taken) {
            let mb = |bytes: u64| bytes >> 20;
            return Err(Fault::NoSpace(format!(
                "Not enough disk space: the file has {} MB, {} MB are free, of which {} MB are kept free or taken by other uploads",
                mb(size),
                mb(free),
                mb(taken)
            )));
        }
        Ok(())
    }

    /// An upload with the numbers of its chunks that are there.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) async fn status(&self, id: &str) -> Result<(Upload, Vec<i64>), Fault> {
        let upload = self.known(id, "chunks").await?;
        let chunks = self.0.store.upload_chunks(id).await?;
        Ok((upload, chunks))
    }

    /// Takes one chunk. How many there are, and of how many.
    ///
    /// # Errors
    /// `NotFound`; `BadRequest` when the upload is over, the number is none of its chunks', or the chunk has another length than
    /// it must, of which nothing counts then; `Conflict` when the same chunk comes again meanwhile; `NoSpace`.
    pub(crate) async fn chunk<E>(
        &self,
        id: &str,
        index: i64,
        mut body: impl Stream<Item = Result<Bytes, E>> + Unpin + Send,
    ) -> Result<(i64, i64), Fault> {
        let upload = self.known(id, "chunks").await?;
        is_open(&upload)?;
        let (at, length) = place(&upload, index)?;
        let again = || Fault::Conflict("The chunk is being sent again, or the upload was ended".to_owned());
        let mut turn = self.0.turns.enter(id, index).await.ok_or_else(again)?;
        let file = self.open(id).await?;
        // What is written over is not there any more.
        self.0.store.drop_chunk(id, index, to_bytes(length)).await?;
        let mut intake = Intake::new(&file, at, length);
        let end = intake.take(&mut body, &mut turn, u64::MAX).await?;
        match end {
            Some(End::Whole) | None if intake.came == length => {}
            Some(End::Replaced) => return Err(again()),
            Some(End::TooLong) => {
                return Err(Fault::bad(format!(
                    "Chunk {index} has more than the {length} bytes that it must have"
                )));
            }
            _ => {
                let came = intake.came;
                return Err(Fault::bad(format!(
                    "Chunk {index} has {came} bytes where it must have {length}"
                )));
            }
        }
        intake.sync().await?;
        let chunks = self
            .0
            .store
            .add_chunk(id, index, to_bytes(length), self.expiry())
            .await?;
        let chunks = chunks.ok_or_else(|| Fault::missing("Upload task not found"))?;
        Ok((chunks, upload.total_chunks))
    }

    /// Takes a chunk whose number is not known yet.
    ///
    /// # Errors
    /// As [`Uploads::chunk`].
    pub(crate) async fn spool<E>(
        &self,
        id: &str,
        mut body: impl Stream<Item = Result<Bytes, E>> + Unpin + Send,
    ) -> Result<Spool, Fault> {
        let upload = self.known(id, "chunks").await?;
        is_open(&upload)?;
        let name = format!("temp/{}.spool", uuid::Uuid::now_v7());
        let path = self.0.folders.storage().join(name);
        let to = path.clone();
        let folders = Arc::clone(&self.0.folders);
        let file = blocking(move || {
            folders.check().map_err(Fault::Internal)?;
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&to)
                .map_err(|error| disk(&error))
        })
        .await?;
        let mut spool = Spool { path, length: 0 };
        let limit = u64::try_from(upload.chunk_size).unwrap_or(0);
        let turns = Turns::default();
        let Some(mut turn) = turns.enter(id, 0).await else {
            return Err(Fault::internal("a turn that nobody else can have was refused"));
        };
        let mut intake = Intake::new(&Arc::new(file), 0, limit);
        match intake.take(&mut body, &mut turn, u64::MAX).await? {
            Some(End::Whole) => {
                spool.length = intake.came;
                Ok(spool)
            }
            _ => Err(Fault::bad(format!(
                "A chunk ended early, or has more than {limit} bytes"
            ))),
        }
    }

    /// Takes a chunk that was spooled.
    ///
    /// # Errors
    /// As [`Uploads::chunk`].
    pub(crate) async fn chunk_of(&self, id: &str, index: i64, spool: Spool) -> Result<(i64, i64), Fault> {
        let path = spool.path.clone();
        let file = blocking(move || File::open(&path).map_err(|error| disk(&error))).await?;
        let length = spool.length;
        let pieces = futures_util::stream::unfold((Arc::new(file), 0_u64), move |(file, at)| async move {
            let count = usize::try_from((length - at).min(1 << 20)).unwrap_or(0);
            if count == 0 {
                return None;
            }
            let from = Arc::clone(&file);
            let read = tokio::task::spawn_blocking(move || {
                let mut buffer = vec![0; count];
                std::os::unix::fs::FileExt::read_exact_at(&*from, &mut buffer, at)?;
                Ok::<_, std::io::Error>(Bytes::from(buffer))
            })
            .await
            .unwrap_or_else(|error| Err(std::io::Error::other(error)));
            Some((read, (file, at + count as u64)))
        });
        let done = self.chunk(id, index, Box::pin(pieces)).await;
        drop(spool);
        done
    }

    /// Ends an upload and removes what came.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) async fn remove(&self, id: &str, protocol: &str) -> Result<(), Fault> {
        self.known(id, protocol).await?;
        self.forget(id).await?;
        Ok(())
    }

    async fn forget(&self, id: &str) -> Result<(), Fault> {
        let _closed = self.0.turns.close(id).await;
        let path = self.temporary(id);
        blocking(move || match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(disk(&error)),
            _ => Ok(()),
        })
        .await?;
        self.0.store.remove_upload(id).await?;
        Ok(())
    }

    /// An upload by tus, after whoever is still sending to it was told to stop.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) async fn offset(&self, id: &str) -> Result<Upload, Fault> {
        drop(self.0.turns.enter(id, 0).await);
        self.known(id, "tus").await
    }

    /// Takes bytes at the end of an upload by tus. What came before a broken connection counts, unless there is a checksum.
    /// With the last byte it becomes a video.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when `offset` is not its end; `BadRequest` when it is over, has more bytes than it said, or is no
    /// media; `NoSpace`.
    pub(crate) async fn append<E>(
        &self,
        id: &str,
        offset: i64,
        checksum: Option<Checksum>,
        mut body: impl Stream<Item = Result<Bytes, E>> + Unpin + Send,
    ) -> Result<Appended, Fault> {
        self.known(id, "tus").await?;
        let busy = || Fault::Conflict("The upload is being completed or removed".to_owned());
        let mut turn = self.0.turns.enter(id, 0).await.ok_or_else(busy)?;
        let upload = self.known(id, "tus").await?;
        if offset != upload.received {
            return Err(Fault::Conflict(format!(
                "Upload-Offset is {offset}, where the upload has {} bytes",
                upload.received
            )));
        }
        if upload.status == UploadStatus::Completed {
            drop(turn);
            let completed = self.complete(id, None).await?;
            return Ok(Appended::Offset {
                received: upload.received,
                expires_at: upload.expires_at,
                completed: Some(completed),
            });
        }
        is_open(&upload)?;
        let bytes = |value: i64| u64::try_from(value).unwrap_or(0);
        let (size, begun) = (bytes(upload.file_size), bytes(upload.received));
        let file = self.open(id).await?;
        let mut intake = Intake::new(&file, begun, size.saturating_sub(begun));
        // With a checksum all of it counts or nothing.
        let mark = if checksum.is_some() { u64::MAX } else { MARK };
        intake.checksum = checksum;
        let end = loop {
            let end = intake.take(&mut body, &mut turn, mark).await?;
            if let Some(end) = end {
                break end;
            }
            self.keep(id, begun, &intake).await?;
        };
        if let Some(checksum) = intake.checksum.take() {
            if !matches!(end, End::Whole) {
                return Err(Fault::bad("The body ended early"));
            }
            if !checksum.matches() {
                return Ok(Appended::WrongSum);
            }
        }
        self.keep(id, begun, &intake).await?;
        drop(turn);
        match end {
            End::TooLong => return Err(Fault::bad("The body has more bytes than the upload")),
            End::Replaced => return Err(Fault::Conflict("Another request goes on with it".to_owned())),
            End::Broken => return Err(Fault::bad("The body ended early")),
            End::Whole => {}
        }
        let upload = self.known(id, "tus").await?;
        let completed = if upload.received >= upload.file_size {
            Some(self.complete(id, None).await?)
        } else {
            None
        };
        Ok(Appended::Offset {
            received: upload.received,
            expires_at: upload.expires_at,
            completed,
        })
    }

    /// Makes what came durable, and says so.
    async fn keep(&self, id: &str, begun: u64, intake: &Intake) -> Result<(), Fault> {
        intake.sync().await?;
        let received = to_bytes(begun.saturating_add(intake.came));
        let open = self.0.store.set_received(id, received, self.expiry()).await?;
        if open {
            Ok(())
        } else {
            Err(Fault::missing("Upload task not found"))
        }
    }

    /// Removes uploads that nobody went on with, until `stop` says so.
    pub(crate) async fn sweep(self, mut stop: watch::Receiver<bool>) {
        let mut tick = tokio::time::interval(SWEEP);
        loop {
            tokio::select! {
                _ = async { stop.wait_for(|stop| *stop).await.is_ok() } => return,
                _ = tick.tick() => {}
            }
            if let Err(fault) = self.sweep_once().await {
                tracing::warn!("old uploads stay for now: {fault:?}");
            }
        }
    }

    async fn sweep_once(&self) -> Result<usize, Fault> {
        let folder = self.0.folders.storage().join("temp");
        blocking(move || clear_spools(&folder).map_err(|error| disk(&error))).await?;
        let expired = self.0.store.expired_uploads().await?;
        for upload in &expired {
            if upload.status == UploadStatus::Uploading {
                tracing::info!(upload = upload.id, "nobody went on with an upload: it is removed");
            }
            self.forget(&upload.id).await?;
        }
        Ok(expired.len())
    }

    async fn known(&self, id: &str, protocol: &str) -> Result<Upload, Fault> {
        let upload = self.0.store.upload(id).await?;
        upload
            .filter(|upload| upload.protocol == protocol)
            .ok_or_else(|| Fault::missing("Upload task not found"))
    }

    async fn open(&self, id: &str) -> Result<Arc<File>, Fault> {
        let (path, folders) = (self.temporary(id), Arc::clone(&self.0.folders));
        let file = blocking(move || {
            folders.check().map_err(Fault::Internal)?;
            OpenOptions::new()
                .write(true)
                .open(&path)
                .map_err(|error| match error.kind() {
                    std::io::ErrorKind::NotFound => Fault::missing("Upload task not found"),
                    _ => disk(&error),
                })
        })
        .await?;
        Ok(Arc::new(file))
    }

    fn temporary(&self, id: &str) -> PathBuf {
        self.0.folders.storage().join("temp").join(format!("{id}.upload"))
    }

    fn expiry(&self) -> Micros {
        Micros::now().after(self.0.life)
    }
}

/// Removes spooled chunks whose requests the server did not survive.
fn clear_spools(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().extension().is_none_or(|end| end != "spool") {
            continue;
        }
        let modified = entry.metadata().and_then(|about| about.modified());
        let age = modified.map(|at| at.elapsed().unwrap_or_default());
        if age.is_ok_and(|age| age > IDLE) {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// Refuses what is over.
fn is_open(upload: &Upload) -> Result<(), Fault> {
    match upload.status {
        UploadStatus::Uploading => Ok(()),
        other => Err(Fault::bad(format!("Upload task is UploadStatus.{other}"))),
    }
}

/// Where a chunk begins, and how long it is.
fn place(upload: &Upload, index: i64) -> Result<(u64, u64), Fault> {
    let last = upload.total_chunks - 1;
    let wrong = || Fault::bad(format!("Invalid chunk index. Must be 0-{last}"));
    if !(0..=last).contains(&index) {
        return Err(wrong());
    }
    let at = index.checked_mul(upload.chunk_size).ok_or_else(wrong)?;
    let length = upload.chunk_size.min(upload.file_size - at);
    match (u64::try_from(at), u64::try_from(length)) {
        (Ok(at), Ok(length)) => Ok((at, length)),
        _ => Err(wrong()),
    }
}
