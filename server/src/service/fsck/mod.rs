//! [`Fsck`]: the database against the files, both ways.
//!
//! ```text
//! files ─┐
//!        ├─▶ findings ─▶ repair: what loses nothing ─▶ findings that stay
//! rows ──┘
//! ```
//! Nothing here removes a row, and no file that holds media. What is left over of work that was cut off is removed when that is asked for.

mod files;
mod known;
mod look;
pub(crate) mod orphans;
mod repair;

use std::sync::Arc;

use mediacore::record::recover;
use serde::Serialize;

use super::recordings::{Recordings, base_of};
use crate::app::Folders;
use crate::fault::{Fault, blocking};
use crate::store::Store;
use crate::worker::Workers;

use files::Listing;
use known::Known;

/// What may be done about what is found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan {
    /// Everything that loses nothing.
    pub(crate) repair: bool,
    /// Media that no row names becomes items that wait for a review.
    pub(crate) import_orphans: bool,
    /// What is left over of work that was cut off is removed.
    pub(crate) remove_leftovers: bool,
}

/// What does not agree.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The database itself is damaged.
    DatabaseDamaged,
    /// A task has not ended, and no server runs.
    TaskOpen,
    /// A recording has a journal: it was not finished.
    RecordingUnfinished,
    /// The media of a video is gone.
    MediaMissing,
    /// The media of a video that was gone is there again.
    MediaBack,
    /// The media of a video can't be read.
    MediaUnreadable,
    /// A file has another size than its row says.
    SizeDiffers,
    /// A file has another length than its row says.
    DurationDiffers,
    /// Size and length of a video of several files are not those of its files.
    TotalsDiffer,
    /// The list of the files of a video is gone, or lists others.
    ManifestDiffers,
    /// The picture of a video is gone.
    ThumbnailMissing,
    /// A picture that belongs to a video is gone.
    ImageMissing,
    /// Sound that was extracted is gone.
    AudioMissing,
    /// What came of an upload is gone.
    UploadMissing,
    /// The count of an upload's chunks is wrong.
    UploadCounts,
    /// The index of the search is not that of the videos.
    SearchIndex,
    /// Media that no row names.
    Orphan,
    /// Left over of work that was cut off; nothing misses it.
    Leftover,
}

impl Kind {
    /// The word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::DatabaseDamaged => "database_damaged",
            Self::TaskOpen => "task_open",
            Self::RecordingUnfinished => "recording_unfinished",
            Self::MediaMissing => "media_missing",
            Self::MediaBack => "media_back",
            Self::MediaUnreadable => "media_unreadable",
            Self::SizeDiffers => "size_differs",
            Self::DurationDiffers => "duration_differs",
            Self::TotalsDiffer => "totals_differ",
            Self::ManifestDiffers => "manifest_differs",
            Self::ThumbnailMissing => "thumbnail_missing",
            Self::ImageMissing => "image_missing",
            Self::AudioMissing => "audio_missing",
            Self::UploadMissing => "upload_missing",
            Self::UploadCounts => "upload_counts",
            Self::SearchIndex => "search_index",
            Self::Orphan => "orphan",
            Self::Leftover => "leftover",
        }
    }
}

/// What became of a finding.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// It is as it was found.
    Found,
    /// Row and file agree now.
    Repaired,
    /// It is an item of the library now.
    Imported,
    /// It was removed, as that was asked for.
    Removed,
}

impl State {
    /// The word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Repaired => "repaired",
            Self::Imported => "imported",
            Self::Removed => "removed",
        }
    }
}

/// Something that does not agree.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) video_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) task_id: Option<i64>,
    /// Relative to the storage folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<String>,
    /// What it is, for people.
    pub(crate) message: String,
    pub(crate) state: State,
    #[serde(skip)]
    remedy: Remedy,
}

/// How a finding is repaired.
#[derive(Clone, Debug, Default)]
enum Remedy {
    /// A person has to.
    #[default]
    None,
    CorrectFile {
        size: i64,
        duration_us: i64,
    },
    CorrectTotals,
    MarkMissing,
    MarkThere,
    WriteManifest(Vec<(String, i64)>),
    PictureAgain(String),
    JobAgain(i64),
    FailUpload(String),
    CountChunks(String),
    RebuildSearch,
    Import,
    Remove,
}

impl Finding {
    fn new(kind: Kind, file: Option<&str>, message: impl Into<String>) -> Self {
        Self {
            kind,
            video_id: None,
            task_id: None,
            file: file.map(str::to_owned),
            message: message.into(),
            state: State::Found,
            remedy: Remedy::None,
        }
    }

    fn of_video(self, id: i64) -> Self {
        Self {
            video_id: Some(id),
            ..self
        }
    }

    fn by(self, remedy: Remedy) -> Self {
        Self { remedy, ..self }
    }

    /// Row and file still don't agree.
    pub(crate) fn is_open(&self) -> bool {
        self.state == State::Found && self.kind != Kind::Leftover
    }
}

/// What a check found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// `agrees` or `differs`.
    pub(crate) status: &'static str,
    /// Videos that were looked at.
    pub(crate) videos: usize,
    /// Files that were looked at.
    pub(crate) files: usize,
    /// Videos whose media is gone, and whose row says so.
    pub(crate) known_missing: usize,
    pub(crate) findings: Vec<Finding>,
}

impl Report {
    /// That of a database that is damaged, whose rows can't be believed.
    pub(crate) fn damaged(complaints: Vec<String>) -> Self {
        let finding = |text| Finding::new(Kind::DatabaseDamaged, None, text);
        Self::of(0, 0, 0, complaints.into_iter().map(finding).collect())
    }

    fn of(videos: usize, files: usize, known_missing: usize, findings: Vec<Finding>) -> Self {
        let status = if findings.iter().any(Finding::is_open) {
            "differs"
        } else {
            "agrees"
        };
        Self {
            status,
            videos,
            files,
            known_missing,
            findings,
        }
    }

    fn has(&self, wanted: impl Fn(&Remedy) -> bool) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.state == State::Found && wanted(&finding.remedy))
    }

    /// There is media that can be imported.
    pub(crate) fn offers_import(&self) -> bool {
        self.has(|remedy| matches!(remedy, Remedy::Import))
    }

    /// There is something that can be repaired.
    pub(crate) fn offers_repair(&self) -> bool {
        let unfinished = |finding: &Finding| {
            finding.state == State::Found
                && matches!(finding.kind, Kind::TaskOpen | Kind::RecordingUnfinished)
        };
        self.findings.iter().any(unfinished)
            || self.has(|remedy| !matches!(remedy, Remedy::None | Remedy::Import | Remedy::Remove))
    }

    /// There is something left over.
    pub(crate) fn offers_removal(&self) -> bool {
        self.has(|remedy| matches!(remedy, Remedy::Remove))
    }

    /// Everything agrees.
    pub(crate) fn agrees(&self) -> bool {
        self.status == "agrees"
    }
}

/// What checks; no server may run on the folders.
pub(crate) struct Fsck<'a> {
    pub(crate) store: &'a Store,
    pub(crate) folders: &'a Arc<Folders>,
    pub(crate) recordings: &'a Arc<Recordings>,
    pub(crate) workers: &'a Workers,
}

impl Fsck<'_> {
    /// Checks, and does what `plan` allows.
    ///
    /// # Errors
    /// When the store fails, or the storage folder can't be read.
    pub(crate) async fn run(&self, plan: Plan) -> Result<Report, Fault> {
        let mut findings = self.unfinished().await?;
        if plan.repair && !findings.is_empty() {
            self.finish(&mut findings).await?;
        }
        // The files first: one that is made later has its row first.
        let storage = self.folders.storage().to_path_buf();
        let listing = blocking(move || Listing::of(&storage)).await?;
        let rows = self.store.rows_with_files().await?;
        let known = Known::of(&rows);
        findings.extend(known.strangers(&listing));
        let looked = look::Look {
            storage: self.folders.storage(),
            listing: &listing,
            rows: &rows,
            workers: self.workers,
        };
        let known_missing = looked.known_missing();
        findings.extend(looked.all().await?);
        if !self.store.search_is_whole().await {
            let what = "the index of the search is not that of the videos";
            findings.push(Finding::new(Kind::SearchIndex, None, what).by(Remedy::RebuildSearch));
        }
        for finding in &mut findings {
            self.apply(plan, finding).await?;
        }
        findings.sort_by_key(|finding| (finding.kind, finding.video_id));
        Ok(Report::of(
            rows.videos.len(),
            listing.len(),
            known_missing,
            findings,
        ))
    }

    /// Tasks that have not ended, and recordings with a journal.
    async fn unfinished(&self) -> Result<Vec<Finding>, Fault> {
        let mut findings = Vec::new();
        let mut told = Vec::new();
        for task in self.store.left_over_tasks().await? {
            if task.status.is_over() {
                // It goes on at the next start.
                continue;
            }
            let message = format!(
                "task {} of {} is {}, and no server runs",
                task.id, task.source_name, task.status
            );
            told.extend(task.file_name.clone());
            findings.push(Finding {
                task_id: Some(task.id),
                ..Finding::new(Kind::TaskOpen, task.file_name.as_deref(), message)
            });
        }
        let storage = self.folders.storage().to_path_buf();
        for path in blocking(move || recover::unfinished_in(&storage)).await? {
            let own = path.parent() == Some(self.folders.storage());
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if own && !told.contains(&base_of(&name)) {
                let message = "a recording that was not finished";
                findings.push(Finding::new(Kind::RecordingUnfinished, Some(&name), message));
            }
        }
        Ok(findings)
    }

    /// Does for recordings what the start of a server does, but begins none.
    async fn finish(&self, findings: &mut [Finding]) -> Result<(), Fault> {
        for task in self.store.left_over_tasks().await? {
            if !task.status.is_over() {
                self.recordings.end_left_over(&task).await?;
            }
        }
        self.recordings.finish_left().await?;
        self.recordings.adopt_orphans().await?;
        let left = self.unfinished().await?;
        for finding in findings {
            let still = |other: &Finding| (other.task_id, &other.file) == (finding.task_id, &finding.file);
            if !left.iter().any(still) {
                finding.state = State::Repaired;
            }
        }
        Ok(())
    }
}
