//! What is done about a finding, if it is allowed.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use mediacore::record::manifest::Manifest;

use super::{Finding, Fsck, Plan, Remedy, State};
use crate::domain::time::Micros;
use crate::fault::{Fault, blocking};

impl Fsck<'_> {
    /// Does what `plan` allows.
    pub(super) async fn apply(&self, plan: Plan, finding: &mut Finding) -> Result<(), Fault> {
        if finding.state != State::Found {
            return Ok(());
        }
        let video = finding.video_id.unwrap_or_default();
        let file = finding.file.clone().unwrap_or_default();
        let done = match &finding.remedy {
            Remedy::Import if plan.import_orphans => {
                let imported = self.recordings.import(&file).await?;
                imported.map(|_| State::Imported)
            }
            Remedy::Remove if plan.remove_leftovers => {
                let folders = Arc::clone(self.folders);
                let removed = blocking(move || {
                    folders.check().map_err(Fault::Internal)?;
                    let path = folders.storage().join(&file);
                    let removed = if file.ends_with('/') {
                        fs::remove_dir_all(path)
                    } else {
                        fs::remove_file(path)
                    };
                    Ok::<_, Fault>(removed.is_ok())
                });
                removed.await?.then_some(State::Removed)
            }
            Remedy::None | Remedy::Import | Remedy::Remove => None,
            remedy if plan.repair => {
                let mended = self.mend(remedy, video, &file).await?;
                mended.then_some(State::Repaired)
            }
            _ => None,
        };
        finding.state = done.unwrap_or(finding.state);
        Ok(())
    }

    /// Makes row and file agree; whether they do.
    async fn mend(&self, remedy: &Remedy, video: i64, file: &str) -> Result<bool, Fault> {
        match remedy {
            Remedy::None | Remedy::Import | Remedy::Remove => return Ok(false),
            Remedy::CorrectFile { size, duration_us } => {
                self.store.correct_file(file, *size, *duration_us).await?;
            }
            Remedy::CorrectTotals => self.store.correct_totals(video).await?,
            Remedy::MarkMissing => self.store.set_missing(video, Some(Micros::now())).await?,
            Remedy::MarkThere => self.store.set_missing(video, None).await?,
            Remedy::WriteManifest(parts) => {
                let (path, parts) = (self.folders.storage().join(file), parts.clone());
                return blocking(move || Ok::<_, Fault>(write_manifest(&path, &parts))).await;
            }
            Remedy::PictureAgain(name) => self.store.picture_again(video, name).await?,
            Remedy::JobAgain(job) => return Ok(self.store.job_again(*job).await?),
            Remedy::FailUpload(id) => {
                let why = "What came of it is not there any more";
                self.store.fail_upload(id, why).await?;
            }
            Remedy::CountChunks(id) => self.store.count_chunks(id).await?,
            Remedy::RebuildSearch => self.store.rebuild_search().await?,
        }
        Ok(true)
    }
}

fn write_manifest(path: &std::path::Path, parts: &[(String, i64)]) -> bool {
    let mut manifest = Manifest::default();
    let mut at = Duration::ZERO;
    for (name, duration_us) in parts {
        let length = Duration::from_micros(u64::try_from(*duration_us).unwrap_or(0));
        manifest.push(&path.with_file_name(name), at, Some(length));
        at += length;
    }
    match manifest.write(path) {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!("a list of files can't be written: {}", error.report());
            false
        }
    }
}
