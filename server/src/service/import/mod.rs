//! Taking over an existing installation of the stack that this server replaces: its SQLite database and its media folder.
//!
//! Numbers are kept, so that links to videos stay good. Media is linked into the storage folder, or copied where it can't be;
//! nothing of the old installation is changed. Passwords are honoured once and then hashed anew.

mod cron;
mod files;
mod old;

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::domain::status::{FileType, SourceType, TaskStatus, VideoStatus};
use crate::domain::time::Micros;
use crate::service::codes;
use crate::service::keys::Keys;
use crate::store::Store;
use crate::store::import::{Row, Table};

use files::Files;
use old::{Old, local, utc};

/// What was taken over.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Taken {
    administrators: usize,
    categories: usize,
    tags: usize,
    sources: usize,
    schedules: usize,
    tasks: usize,
    videos: usize,
    view_codes: usize,
    files: usize,
    bytes: u64,
    /// What could not be taken over, or is different now.
    pub(crate) notes: Vec<String>,
}

impl std::fmt::Display for Taken {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "taken over: {} videos ({} files, {} bytes), {} sources, {} schedules, {} tasks, {} categories, {} tags, {} viewing codes, \
             {} administrators",
            self.videos,
            self.files,
            self.bytes,
            self.sources,
            self.schedules,
            self.tasks,
            self.categories,
            self.tags,
            self.view_codes,
            self.administrators
        )
    }
}

/// Where from and how.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// The old database.
    pub(crate) database: &'a Path,
    /// The old media folder.
    pub(crate) media: &'a Path,
    /// The zone of the old server's local times and schedules.
    pub(crate) zone: &'a TimeZone,
    /// The new storage folder.
    pub(crate) storage: &'a Path,
}

/// Takes everything over into `store`, which must be a new one.
///
/// # Errors
/// When the store holds something already, the old database can't be read, or a file can't be copied. What was copied stays and is used
/// at the next try; the database is changed as a whole or not at all.
pub(crate) async fn run(plan: &Plan<'_>, store: &Store, keys: &Keys) -> Result<Taken> {
    ensure!(
        store.is_unused().await?,
        "this server's database holds videos, sources or categories already: import into a new one"
    );
    let old = Old::open(plan.database).await?;
    let mut taken = Taken::default();
    let mut rows = Vec::new();
    let zone = plan.zone;
    let zone_name = zone.iana_name().unwrap_or("UTC").to_owned();

    // What a row points at may be gone there.
    let mut known: HashSet<(Table, i64)> = HashSet::new();
    for admin in old.admins().await? {
        taken.administrators += 1;
        known.insert((Table::Admins, admin.id));
        rows.push(
            Row::new(Table::Admins, admin.id)
                .text("username", &admin.username)
                .text("password_hash", &admin.password_hash)
                .int("created_at", utc(&admin.created_at).0)
                .maybe_int(
                    "last_login_at",
                    admin.last_login_at.as_deref().map(|at| local(at, zone).0),
                ),
        );
    }
    for category in old.categories().await? {
        taken.categories += 1;
        known.insert((Table::Categories, category.id));
        rows.push(
            Row::new(Table::Categories, category.id)
                .text("name", &category.name)
                .int("sort_order", category.sort_order.unwrap_or(0))
                .int("created_at", utc(&category.created_at).0),
        );
    }
    for tag in old.tags().await? {
        taken.tags += 1;
        rows.push(
            Row::new(Table::Tags, tag.id)
                .text("name", &tag.name)
                .int("created_at", utc(&tag.created_at).0),
        );
    }
    let mut names = std::collections::HashMap::new();
    for source in old.sources().await? {
        taken.sources += 1;
        let updated = source.updated_at.as_deref().unwrap_or(&source.created_at);
        rows.push(
            Row::new(Table::Sources, source.id)
                .text("name", &source.name)
                .text("protocol", &source.protocol.to_lowercase())
                .text("url", &source.url)
                .maybe_int(
                    "category_id",
                    source
                        .category_id
                        .filter(|id| known.contains(&(Table::Categories, *id))),
                )
                .int("retention_days", source.retention_days.unwrap_or(365))
                .flag("is_active", source.is_active.unwrap_or(true))
                .maybe_int(
                    "last_check_time",
                    source.last_check_time.as_deref().map(|at| local(at, zone).0),
                )
                .int("created_at", utc(&source.created_at).0)
                .int("updated_at", utc(updated).0),
        );
        names.insert(source.id, source.name);
    }
    for schedule in old.schedules().await? {
        if !names.contains_key(&schedule.source_id) {
            continue;
        }
        let Some(cron) = cron::converted(&schedule.cron_expr) else {
            taken.notes.push(format!(
                "schedule {}: {:?} can't be read and was left out",
                schedule.id, schedule.cron_expr
            ));
            continue;
        };
        taken.schedules += 1;
        if cron != schedule.cron_expr {
            taken.notes.push(format!(
                "schedule {}: {:?} is {cron:?} now: days of the week count from Sunday",
                schedule.id, schedule.cron_expr
            ));
        }
        let created = utc(&schedule.created_at).0;
        rows.push(
            Row::new(Table::Schedules, schedule.id)
                .int("source_id", schedule.source_id)
                .text("cron_expr", &cron)
                .text("zone", &zone_name)
                .flag("is_active", schedule.is_active.unwrap_or(true))
                .maybe_int("last_run_at", schedule.last_run_at.as_deref().map(|at| utc(at).0))
                .int("created_at", created)
                .int("updated_at", created),
        );
    }
    for task in old.tasks().await? {
        taken.tasks += 1;
        known.insert((Table::Tasks, task.id));
        let created = utc(&task.created_at).0;
        let status = TaskStatus::parse(&task.status.to_lowercase()).filter(|status| status.is_over());
        rows.push(
            Row::new(Table::Tasks, task.id)
                .maybe_int(
                    "source_id",
                    names.contains_key(&task.source_id).then_some(task.source_id),
                )
                .text(
                    "source_name",
                    names.get(&task.source_id).map_or("", String::as_str),
                )
                .text("status", status.unwrap_or(TaskStatus::Interrupted).as_str())
                // There it is the state of what a person stopped.
                .flag(
                    "stop_asked",
                    status == Some(TaskStatus::Interrupted) && task.error_message.is_none(),
                )
                .maybe_int(
                    "started_at",
                    task.started_at.as_deref().map(|at| local(at, zone).0),
                )
                .maybe_int("ended_at", task.ended_at.as_deref().map(|at| local(at, zone).0))
                .maybe_text("file_name", task.file_path.as_deref().map(files::base_name))
                .maybe_int("file_size", task.file_size)
                .maybe_int(
                    "duration_us",
                    task.duration.map(|seconds| seconds.saturating_mul(1_000_000)),
                )
                .maybe_text("error_message", task.error_message.as_deref())
                .int("created_at", created)
                .int("updated_at", created),
        );
    }

    let mut files = Files::new(plan.media, plan.storage);
    let mut videos = HashSet::new();
    for video in old.videos().await? {
        let Some(name) = files.take(&video.file_path, "").await? else {
            taken.notes.push(format!(
                "video {} ({}): its file {} is not there; left out",
                video.id, video.title, video.file_path
            ));
            continue;
        };
        taken.videos += 1;
        videos.insert(video.id);
        let thumbnail = match video.thumbnail.as_deref() {
            Some(path) => files.take(path, "thumbnails").await?,
            None => None,
        };
        let status = VideoStatus::parse(&video.status.to_lowercase()).unwrap_or(VideoStatus::Pending);
        let source = SourceType::parse(&video.source_type.to_lowercase()).unwrap_or(SourceType::Uploaded);
        let kind = FileType::parse(&video.file_type.to_lowercase()).unwrap_or(FileType::Video);
        let created = utc(&video.created_at).0;
        rows.push(
            Row::new(Table::Videos, video.id)
                .maybe_int(
                    "task_id",
                    video.task_id.filter(|id| known.contains(&(Table::Tasks, *id))),
                )
                .maybe_int(
                    "category_id",
                    video
                        .category_id
                        .filter(|id| known.contains(&(Table::Categories, *id))),
                )
                .text("title", &video.title)
                .maybe_text("description", video.description.as_deref())
                .maybe_int("file_size", files.size(&name).or(video.file_size))
                .text("file_name", &name)
                .maybe_int(
                    "duration_us",
                    video.duration.map(|seconds| seconds.saturating_mul(1_000_000)),
                )
                .maybe_text("thumbnail", thumbnail.as_deref())
                .int("view_count", video.view_count.unwrap_or(0))
                .text("source_type", source.as_str())
                .text("file_type", kind.as_str())
                .text("status", status.as_str())
                .maybe_int(
                    "reviewed_at",
                    video.reviewed_at.as_deref().map(|at| local(at, zone).0),
                )
                .maybe_int(
                    "reviewed_by",
                    video
                        .reviewed_by
                        .filter(|id| known.contains(&(Table::Admins, *id))),
                )
                .int("created_at", created)
                .int("updated_at", created),
        );
    }
    for (video, tag) in old.video_tags().await? {
        if videos.contains(&video) {
            rows.push(Row::pair(Table::VideoTags, ("video_id", video), ("tag_id", tag)));
        }
    }
    for image in old.images().await? {
        let Some(name) = files
            .take(&image.image_path, "images")
            .await?
            .filter(|_| videos.contains(&image.video_id))
        else {
            taken.notes.push(format!(
                "picture {} of video {} is not there; left out",
                image.id, image.video_id
            ));
            continue;
        };
        rows.push(
            Row::new(Table::Images, image.id)
                .int("video_id", image.video_id)
                .text("file_name", &name)
                .int("sort_order", image.sort_order.unwrap_or(0))
                .int("created_at", utc(&image.created_at).0),
        );
    }
    for text in old
        .texts()
        .await?
        .into_iter()
        .filter(|text| videos.contains(&text.video_id))
    {
        rows.push(
            Row::new(Table::Texts, text.id)
                .int("video_id", text.video_id)
                .text("title", &text.title)
                .maybe_text("content", text.content.as_deref())
                .int("sort_order", text.sort_order.unwrap_or(0))
                .int("created_at", utc(&text.created_at).0),
        );
    }
    for link in old
        .links()
        .await?
        .into_iter()
        .filter(|link| videos.contains(&link.video_id))
    {
        rows.push(
            Row::new(Table::Links, link.id)
                .int("video_id", link.video_id)
                .text("title", &link.title)
                .text("url", &link.url)
                .int("sort_order", link.sort_order.unwrap_or(0))
                .int("created_at", utc(&link.created_at).0),
        );
    }
    for code in old.codes().await? {
        taken.view_codes += 1;
        let (hash, sealed) = codes::stored(keys, &code.code)?;
        rows.push(
            Row::new(Table::Codes, code.id)
                .bytes("code_hash", hash)
                .bytes("code_sealed", sealed)
                .flag("is_active", code.is_active.unwrap_or(true))
                .maybe_int("expires_at", code.expires_at.as_deref().map(|at| utc(at).0))
                .int("created_at", utc(&code.created_at).0),
        );
    }
    for (code, category) in old.code_categories().await? {
        rows.push(Row::pair(
            Table::CodeCategories,
            ("code_id", code),
            ("category_id", category),
        ));
    }
    let left = old.unfinished().await?;
    if left > 0 {
        taken.notes.push(format!(
            "{left} uploads that were not complete, and the lists of trim and audio tasks, were left out"
        ));
    }
    (taken.files, taken.bytes) = files.taken();
    store.import(&rows).await.context("write the database")?;
    // Pictures of the library are made anew where there was none.
    for id in store.videos_without_thumbnail().await? {
        store
            .add_job("thumbnail", Some(id), &serde_json::json!({}))
            .await?;
    }
    store
        .set_setting("imported_at", &Micros::now().to_string())
        .await?;
    Ok(taken)
}

#[cfg(test)]
mod tests;
