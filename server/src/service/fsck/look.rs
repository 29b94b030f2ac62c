//! Whether the files are what their rows say.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use mediacore::ErrorKind;
use mediacore::record::manifest::Manifest;
use mediacore::source::Interrupt;

use super::files::Listing;
use super::{Finding, Kind, Remedy};
use crate::domain::status::{JobStatus, UploadStatus};
use crate::fault::Fault;
use crate::service::jobs::{AudioResult, to_bytes, to_micros};
use crate::store::check::{Part, Rows};
use crate::store::videos::Video;
use crate::worker::Workers;

/// A length that differs by less says nothing: containers round, and old installations had whole seconds.
const SAME: i64 = 1_000_000;

/// How long it may take to find out how long a file is.
const PROBE: Duration = Duration::from_secs(60);

/// What is compared.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) storage: &'a Path,
    pub(super) listing: &'a Listing,
    pub(super) rows: &'a Rows,
    pub(super) workers: &'a Workers,
}

/// A file as its row has it.
#[derive(Clone, Copy)]
struct Said<'a> {
    video: &'a Video,
    name: &'a str,
    size: Option<i64>,
    duration_us: Option<i64>,
}

impl Look<'_> {
    /// Videos whose media is gone, and whose row says so.
    pub(super) fn known_missing(&self) -> usize {
        let parts = self.parts();
        let gone = |video: &&Video| video.missing_since.is_some() && !self.gone(video, &parts).is_empty();
        self.rows.videos.iter().filter(gone).count()
    }

    fn parts(&self) -> HashMap<i64, Vec<&Part>> {
        let mut parts: HashMap<i64, Vec<&Part>> = HashMap::new();
        for part in &self.rows.parts {
            parts.entry(part.video_id).or_default().push(part);
        }
        parts
    }

    /// The media files of a video that are not there.
    fn gone<'a>(&self, video: &'a Video, parts: &HashMap<i64, Vec<&'a Part>>) -> Vec<&'a str> {
        let owner = video.clip_of.unwrap_or(video.id);
        let files: Vec<&str> = match parts.get(&owner) {
            Some(parts) => parts.iter().map(|part| part.file_name.as_str()).collect(),
            None => vec![video.file_name.as_str()],
        };
        files
            .into_iter()
            .filter(|name| self.listing.size(name).is_none())
            .collect()
    }

    /// Everything that differs.
    ///
    /// # Errors
    /// When a file is there and can't be looked at.
    pub(super) async fn all(&self) -> Result<Vec<Finding>, Fault> {
        let mut findings = Vec::new();
        let parts = self.parts();
        for video in &self.rows.videos {
            let mine = parts.get(&video.id).map(Vec::as_slice).unwrap_or_default();
            findings.extend(self.media(video, &parts));
            if video.clip_of.is_none() {
                findings.extend(self.totals(video, mine));
                if mine.is_empty() {
                    let said = Said {
                        video,
                        name: &video.file_name,
                        size: video.file_size,
                        duration_us: video.duration_us,
                    };
                    findings.extend(self.file(said).await?);
                }
                for part in mine {
                    let said = Said {
                        video,
                        name: &part.file_name,
                        size: Some(part.file_size),
                        duration_us: Some(part.duration_us),
                    };
                    findings.extend(self.file(said).await?);
                }
            }
            findings.extend(self.picture(video));
        }
        findings.extend(self.images());
        findings.extend(self.sounds());
        findings.extend(self.uploads());
        Ok(findings)
    }

    fn media(&self, video: &Video, parts: &HashMap<i64, Vec<&Part>>) -> Vec<Finding> {
        let gone = self.gone(video, parts);
        match (gone.is_empty(), video.missing_since) {
            (false, None) => gone
                .into_iter()
                .map(|name| {
                    let what = format!("the media of {:?} is gone", video.title);
                    let finding = Finding::new(Kind::MediaMissing, Some(name), what);
                    finding.of_video(video.id).by(Remedy::MarkMissing)
                })
                .collect(),
            (true, Some(_)) => {
                let what = format!("the media of {:?} is there again", video.title);
                let finding = Finding::new(Kind::MediaBack, Some(&video.file_name), what);
                vec![finding.of_video(video.id).by(Remedy::MarkThere)]
            }
            _ => Vec::new(),
        }
    }

    fn totals(&self, video: &Video, parts: &[&Part]) -> Vec<Finding> {
        if parts.is_empty() {
            return Vec::new();
        }
        let mut findings = Vec::new();
        let size: i64 = parts.iter().map(|part| part.file_size).sum();
        let length: i64 = parts.iter().map(|part| part.duration_us).sum();
        if video.file_size != Some(size) || video.duration_us.is_none_or(|had| (had - length).abs() > SAME) {
            let what = format!(
                "{:?} has other totals than its {} files",
                video.title,
                parts.len()
            );
            let finding = Finding::new(Kind::TotalsDiffer, Some(&video.file_name), what);
            findings.push(finding.of_video(video.id).by(Remedy::CorrectTotals));
        }
        let listed = Manifest::read(&self.storage.join(&video.file_name));
        let same = listed.is_ok_and(|manifest| {
            let names = manifest.parts.iter().map(|part| part.file.as_str());
            names.eq(parts.iter().map(|part| part.file_name.as_str()))
        });
        if !same {
            let what = format!(
                "the list of the files of {:?} is gone, or is another",
                video.title
            );
            let whole = parts
                .iter()
                .map(|part| (part.file_name.clone(), part.duration_us));
            let finding = Finding::new(Kind::ManifestDiffers, Some(&video.file_name), what);
            let remedy = Remedy::WriteManifest(whole.collect());
            findings.push(finding.of_video(video.id).by(remedy));
        }
        findings
    }

    async fn file(&self, said: Said<'_>) -> Result<Vec<Finding>, Fault> {
        let Some(size) = self.listing.size(said.name) else {
            return Ok(Vec::new());
        };
        if self.listing.size(&format!("{}.journal", said.name)).is_some() {
            // What it is, it is when it is finished.
            return Ok(Vec::new());
        }
        let size = to_bytes(size);
        let path = self.storage.join(said.name);
        let workers = self.workers.clone();
        let about = tokio::task::spawn_blocking(move || {
            let interrupt = Interrupt::new();
            interrupt.set_deadline(PROBE);
            workers.probe(&path, &interrupt)
        })
        .await?;
        let video = said.video;
        let about = match about {
            Ok(about) => about,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                let what = format!("{:?} can't be read: {}", video.title, error.report());
                let finding = Finding::new(Kind::MediaUnreadable, Some(said.name), what);
                return Ok(vec![finding.of_video(video.id)]);
            }
        };
        let length = about.duration.map(to_micros);
        let remedy = || Remedy::CorrectFile {
            size,
            duration_us: length.or(said.duration_us).unwrap_or(0),
        };
        let mut findings = Vec::new();
        if said.size != Some(size) {
            let had = said
                .size
                .map_or_else(|| "no size".to_owned(), |had| format!("{had} bytes"));
            let what = format!("{:?} has {size} bytes, its row {had}", video.title);
            let finding = Finding::new(Kind::SizeDiffers, Some(said.name), what);
            findings.push(finding.of_video(video.id).by(remedy()));
        }
        if let Some(length) = length
            && said.duration_us.is_none_or(|had| (had - length).abs() > SAME)
        {
            let seconds = |us: i64| us as f64 / 1e6;
            let had = said
                .duration_us
                .map_or_else(|| "no length".to_owned(), |had| format!("{:.3} s", seconds(had)));
            let what = format!(
                "{:?} is {:.3} s long, its row says {had}",
                video.title,
                seconds(length)
            );
            let finding = Finding::new(Kind::DurationDiffers, Some(said.name), what);
            findings.push(finding.of_video(video.id).by(remedy()));
        }
        Ok(findings)
    }

    fn picture(&self, video: &Video) -> Option<Finding> {
        let name = video.thumbnail.as_ref()?;
        let file = format!("thumbnails/{name}");
        if self.listing.size(&file).is_some() {
            return None;
        }
        let what = format!("the picture of {:?} is gone", video.title);
        let finding = Finding::new(Kind::ThumbnailMissing, Some(&file), what);
        Some(finding.of_video(video.id).by(Remedy::PictureAgain(name.clone())))
    }

    fn images(&self) -> impl Iterator<Item = Finding> {
        self.rows.images.iter().filter_map(|(video, name)| {
            let file = format!("images/{name}");
            let what = format!("a picture that belongs to video {video} is gone");
            let is_gone = self.listing.size(&file).is_none();
            is_gone.then(|| Finding::new(Kind::ImageMissing, Some(&file), what).of_video(*video))
        })
    }

    fn sounds(&self) -> impl Iterator<Item = Finding> {
        self.rows.jobs.iter().filter_map(|job| {
            if job.kind != "audio" || job.status != JobStatus::Completed {
                return None;
            }
            let made: AudioResult = serde_json::from_str(job.result.as_deref()?).ok()?;
            if self.listing.size(&made.path).is_some() {
                return None;
            }
            let finding = Finding::new(
                Kind::AudioMissing,
                Some(&made.path),
                "sound that was extracted is gone",
            );
            let finding = finding.by(Remedy::JobAgain(job.id));
            Some(match job.video_id {
                Some(id) => finding.of_video(id),
                None => finding,
            })
        })
    }

    fn uploads(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for upload in &self.rows.uploads {
            if upload.status != UploadStatus::Uploading {
                continue;
            }
            let file = format!("temp/{}.upload", upload.id);
            let renamed = upload
                .target
                .as_ref()
                .is_some_and(|name| self.listing.size(name).is_some());
            if self.listing.size(&file).is_none() && !renamed {
                let what = format!("what came of the upload of {:?} is gone", upload.file_name);
                let finding = Finding::new(Kind::UploadMissing, Some(&file), what);
                findings.push(finding.by(Remedy::FailUpload(upload.id.clone())));
            }
        }
        for id in &self.rows.miscounted {
            let file = format!("temp/{id}.upload");
            let finding = Finding::new(
                Kind::UploadCounts,
                Some(&file),
                "the count of an upload's chunks is wrong",
            );
            findings.push(finding.by(Remedy::CountChunks(id.clone())));
        }
        findings
    }
}
