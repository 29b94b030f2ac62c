//! What rows name, and the files that none names.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use serde_json::Value;

use super::files::Listing;
use super::{Finding, Kind, Remedy};
use crate::domain::status::{JobStatus, UploadStatus};
use crate::service::recordings::base_of;
use crate::store::check::Rows;

/// What the names of media end in.
const MEDIA: [&str; 13] = [
    "mp4", "mov", "mkv", "webm", "ts", "flv", "avi", "mp3", "wav", "aac", "flac", "m4a", "opus",
];

/// The names that rows have.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    names: HashSet<String>,
    /// Names without what they end in, of files in the storage folder itself.
    stems: HashSet<String>,
    /// Stems of what open jobs make, whatever stands before and after them.
    in_work: Vec<String>,
}

impl Known {
    pub(super) fn of(rows: &Rows) -> Self {
        let mut known = Self::default();
        for video in &rows.videos {
            known.add(&video.file_name);
            if let Some(name) = &video.thumbnail {
                known.add(&format!("thumbnails/{name}"));
            }
        }
        for part in &rows.parts {
            known.add(&part.file_name);
        }
        for (_, name) in &rows.images {
            known.add(&format!("images/{name}"));
        }
        for name in rows.tasks.iter().filter_map(|task| task.file_name.as_ref()) {
            known.add(name);
        }
        for upload in &rows.uploads {
            if upload.status == UploadStatus::Uploading {
                known.add(&format!("temp/{}.upload", upload.id));
                upload.target.iter().for_each(|name| known.add(name));
            }
        }
        for job in &rows.jobs {
            let payload: Value = serde_json::from_str(&job.payload).unwrap_or_default();
            let result: Value = job
                .result
                .as_deref()
                .and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or_default();
            if job.kind == "audio"
                && let Some(name) = result.get("path").and_then(Value::as_str)
            {
                known.add(name);
            }
            let files = payload.get("files").and_then(Value::as_array);
            for name in files.into_iter().flatten().filter_map(Value::as_str) {
                known.add(name);
                let name = Path::new(name).file_name().unwrap_or_default().to_string_lossy();
                known.add(&format!("trash/{name}"));
                known.stems.insert(format!("trash/{}", stem(&name)));
            }
            if matches!(job.status, JobStatus::Pending | JobStatus::Processing) {
                for output in [payload.get("output"), payload.pointer("/audio/output")] {
                    if let Some(name) = output.and_then(Value::as_str) {
                        known.add(name);
                        let name = Path::new(name).file_name().unwrap_or_default().to_string_lossy();
                        known.in_work.push(stem(&name).to_owned());
                        known.in_work.retain(|stem| !stem.is_empty());
                    }
                }
            }
        }
        known
    }

    fn add(&mut self, name: &str) {
        self.names.insert(name.to_owned());
        self.stems.insert(stem(name).to_owned());
    }

    /// Whether a row names the file, or the one that it belongs to.
    fn has(&self, name: &str) -> bool {
        if self.names.contains(name) || self.in_work.iter().any(|stem| name.contains(stem.as_str())) {
            return true;
        }
        let base = name.strip_suffix(".journal").unwrap_or(name);
        let base = base.strip_suffix(".finishing").unwrap_or(base);
        if self.names.contains(base) || self.names.contains(&base_of(base)) {
            return true;
        }
        let beside = base.strip_suffix(".json");
        beside.is_some_and(|beside| {
            self.stems.contains(beside)
                || beside
                    .strip_suffix(".parts")
                    .is_some_and(|first| self.stems.contains(first))
        })
    }

    /// The files that no row names: media to be imported, and what is left over of work that was cut off.
    pub(super) fn strangers(&self, listing: &Listing) -> Vec<Finding> {
        let unknown: Vec<&str> = listing.names().filter(|name| !self.has(name)).collect();
        // By the first of its files: how many bytes and how many files.
        let mut media: BTreeMap<String, (u64, usize)> = BTreeMap::new();
        let mut left = Vec::new();
        for name in &unknown {
            let is_media = !name.contains('/') && !name.starts_with('.') && ends_in_media(name);
            if !is_media {
                left.push(*name);
                continue;
            }
            if listing.size(&format!("{name}.journal")).is_some() {
                // An unfinished recording, which is told of as such.
                continue;
            }
            let base = base_of(name);
            let first = if listing.size(&base).is_some() {
                base
            } else {
                (*name).to_owned()
            };
            let entry = media.entry(first).or_default();
            entry.0 += listing.size(name).unwrap_or(0);
            entry.1 += 1;
        }
        let stems: HashSet<String> = media.keys().map(|name| stem(name).to_owned()).collect();
        let mut findings: Vec<Finding> = media
            .into_iter()
            .map(|(name, (bytes, files))| {
                let files = if files > 1 {
                    format!("{files} files, ")
                } else {
                    String::new()
                };
                let what = format!("media that no row names: {files}{bytes} bytes");
                Finding::new(Kind::Orphan, Some(&name), what).by(Remedy::Import)
            })
            .collect();
        for name in left {
            let belongs = name
                .strip_suffix(".json")
                .map(|beside| beside.strip_suffix(".parts").unwrap_or(beside));
            if name.ends_with(".journal") || belongs.is_some_and(|stem| stems.contains(stem)) {
                continue;
            }
            let what = match name.split_once('/') {
                _ if name.ends_with('/') => "left over of a file that was being made",
                Some(("temp", _)) => "left over of an upload",
                Some(("trash", _)) => "in the trash, and nothing will take it out or away",
                Some(_) => "made for a video, and none has it",
                None if name.starts_with('.') || name.ends_with(".new") || name.ends_with(".finishing") => {
                    "left over of a file that was being made"
                }
                None if belongs.is_some() => "written beside media that is not there",
                None => "not a file of the library",
            };
            let finding = Finding::new(Kind::Leftover, Some(name), what);
            let is_ours = what != "not a file of the library" && !name.starts_with("trash/");
            findings.push(finding.by(if is_ours { Remedy::Remove } else { Remedy::None }));
        }
        findings
    }
}

/// `x` of `x.mp4`, and `a/x` of `a/x.mp4`.
fn stem(name: &str) -> &str {
    match name.rfind('.') {
        Some(at) if !name.get(at..).unwrap_or_default().contains('/') => name.get(..at).unwrap_or(name),
        _ => name,
    }
}

pub(super) fn ends_in_media(name: &str) -> bool {
    let end = Path::new(name).extension().and_then(|end| end.to_str());
    end.is_some_and(|end| MEDIA.contains(&end.to_ascii_lowercase().as_str()))
}
