//! Pictures, texts and links of a video, and its thumbnail.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mediacore::source::Interrupt;

use super::access::Viewer;
use super::events::{Event, Events};
use super::pictures;
use super::playback::Playback;
use crate::app::Folders;
use crate::fault::{Fault, Field, blocking};
use crate::store::Store;
use crate::store::extras::{Image, Link, Text};
use crate::store::videos::Video;
use crate::worker::Workers;

/// Pixels of the widest thumbnail.
const WIDTH: u32 = 1280;

/// Extras of one kind that a video can have.
const MAX_EXTRAS: usize = 200;

/// Characters of the longest text.
const MAX_TEXT: usize = 100_000;

/// What is changed of a text; `None` stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct TextChange {
    pub(crate) title: Option<String>,
    pub(crate) content: Option<Option<String>>,
    pub(crate) sort_order: Option<i64>,
}

/// What is changed of a link; `None` stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct LinkChange {
    pub(crate) title: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) sort_order: Option<i64>,
}

/// What belongs to videos beside their media.
pub(crate) struct Extras {
    store: Store,
    events: Events,
    folders: Arc<Folders>,
    playback: Arc<Playback>,
    workers: Workers,
}

impl Extras {
    /// Those of `store`.
    pub(crate) fn new(
        store: &Store,
        events: &Events,
        folders: &Arc<Folders>,
        playback: &Arc<Playback>,
        workers: &Workers,
    ) -> Self {
        Self {
            store: store.clone(),
            events: events.clone(),
            folders: Arc::clone(folders),
            playback: Arc::clone(playback),
            workers: workers.clone(),
        }
    }

    /// Whether everybody may see it, if this viewer may.
    async fn seen(&self, video: i64, viewer: &Viewer) -> Result<bool, Fault> {
        let item = self.playback.item(video).await?;
        item.may_be_seen(viewer)?;
        Ok(item.is_public(viewer))
    }

    async fn there(&self, video: i64) -> Result<(), Fault> {
        self.playback.item(video).await.map(drop)
    }

    fn path(&self, folder: &str) -> PathBuf {
        self.folders.storage().join(folder)
    }

    /// The pictures of a video, in their order.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`.
    pub(crate) async fn images(&self, video: i64, viewer: &Viewer) -> Result<Vec<Image>, Fault> {
        self.seen(video, viewer).await?;
        Ok(self.store.images(video).await?)
    }

    /// Adds a picture.
    ///
    /// # Errors
    /// `NotFound`, `BadRequest` for what is none.
    pub(crate) async fn add_image(&self, video: i64, bytes: Bytes, sort_order: i64) -> Result<Image, Fault> {
        self.there(video).await?;
        room(self.store.images(video).await?.len())?;
        let name = pictures::save(self.path("images"), "", bytes, true).await?;
        Ok(self.store.add_image(video, &name, sort_order).await?)
    }

    /// Removes a picture.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) async fn remove_image(&self, video: i64, id: i64) -> Result<(), Fault> {
        let name = self
            .store
            .remove_image(video, id)
            .await?
            .ok_or_else(|| Fault::missing("Image not found"))?;
        pictures::forget(self.path("images").join(name)).await;
        Ok(())
    }

    /// Whether `viewer` may have the picture of this name; and whether everybody may.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`.
    pub(crate) async fn may_have_image(&self, name: &str, viewer: &Viewer) -> Result<bool, Fault> {
        let video = self
            .store
            .video_of_image(name)
            .await?
            .ok_or_else(|| Fault::missing("Image not found"))?;
        self.seen(video, viewer).await
    }

    /// Whether `viewer` may have the thumbnail of this name; and whether everybody may.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`.
    pub(crate) async fn may_have_thumbnail(&self, name: &str, viewer: &Viewer) -> Result<bool, Fault> {
        let videos = self.store.videos_of_thumbnail(name).await?;
        // Administrators see what is in the trash, too.
        let mut told = match viewer.admin && !videos.is_empty() {
            true => Ok(false),
            false => Err(Fault::missing("Thumbnail not found")),
        };
        for video in videos {
            match self.seen(video, viewer).await {
                Ok(true) => return Ok(true),
                Ok(false) => told = Ok(false),
                Err(fault) if told.is_err() => told = Err(fault),
                Err(_) => {}
            }
        }
        told
    }

    /// The texts of a video, in their order.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`.
    pub(crate) async fn texts(&self, video: i64, viewer: &Viewer) -> Result<Vec<Text>, Fault> {
        self.seen(video, viewer).await?;
        Ok(self.store.texts(video).await?)
    }

    /// Adds a text.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub(crate) async fn add_text(
        &self,
        video: i64,
        title: &str,
        content: Option<&str>,
        sort_order: i64,
    ) -> Result<Text, Fault> {
        self.there(video).await?;
        good(title, content, None, sort_order)?;
        room(self.store.texts(video).await?.len())?;
        Ok(self.store.add_text(video, title, content, sort_order).await?)
    }

    /// Changes what is given of a text.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub(crate) async fn set_text(&self, video: i64, id: i64, change: TextChange) -> Result<Text, Fault> {
        self.there(video).await?;
        let missing = || Fault::missing("Text not found");
        let mut text = self
            .store
            .texts(video)
            .await?
            .into_iter()
            .find(|text| text.id == id)
            .ok_or_else(missing)?;
        text.title = change.title.unwrap_or(text.title);
        text.content = change.content.unwrap_or(text.content);
        text.sort_order = change.sort_order.unwrap_or(text.sort_order);
        good(&text.title, text.content.as_deref(), None, text.sort_order)?;
        if !self.store.set_text(&text).await? {
            return Err(missing());
        }
        Ok(text)
    }

    /// Removes a text.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) async fn remove_text(&self, video: i64, id: i64) -> Result<(), Fault> {
        match self.store.remove_text(video, id).await? {
            true => Ok(()),
            false => Err(Fault::missing("Text not found")),
        }
    }

    /// The links of a video, in their order.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`.
    pub(crate) async fn links(&self, video: i64, viewer: &Viewer) -> Result<Vec<Link>, Fault> {
        self.seen(video, viewer).await?;
        Ok(self.store.links(video).await?)
    }

    /// Adds a link.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub(crate) async fn add_link(
        &self,
        video: i64,
        title: &str,
        url: &str,
        sort_order: i64,
    ) -> Result<Link, Fault> {
        self.there(video).await?;
        good(title, None, Some(url), sort_order)?;
        room(self.store.links(video).await?.len())?;
        Ok(self.store.add_link(video, title, url, sort_order).await?)
    }

    /// Changes what is given of a link.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub(crate) async fn set_link(&self, video: i64, id: i64, change: LinkChange) -> Result<Link, Fault> {
        self.there(video).await?;
        let missing = || Fault::missing("Link not found");
        let mut link = self
            .store
            .links(video)
            .await?
            .into_iter()
            .find(|link| link.id == id)
            .ok_or_else(missing)?;
        link.title = change.title.unwrap_or(link.title);
        link.url = change.url.unwrap_or(link.url);
        link.sort_order = change.sort_order.unwrap_or(link.sort_order);
        good(&link.title, None, Some(&link.url), link.sort_order)?;
        if !self.store.set_link(&link).await? {
            return Err(missing());
        }
        Ok(link)
    }

    /// Removes a link.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) async fn remove_link(&self, video: i64, id: i64) -> Result<(), Fault> {
        match self.store.remove_link(video, id).await? {
            true => Ok(()),
            false => Err(Fault::missing("Link not found")),
        }
    }

    async fn video(&self, id: i64) -> Result<Video, Fault> {
        let video = self
            .store
            .video(id)
            .await?
            .filter(|video| video.deleted_at.is_none());
        video.ok_or_else(|| Fault::missing("Video not found"))
    }

    /// Makes the picture that a video shows at a moment its thumbnail; without a moment the one in its middle. The thumbnail's name.
    ///
    /// # Errors
    /// `NotFound`, `BadRequest` for a moment beyond its end, `Internal` when nothing can be decoded.
    pub(crate) async fn capture(&self, id: i64, at: Option<f64>) -> Result<String, Fault> {
        let video = self.video(id).await?;
        let length = Duration::from_micros(u64::try_from(video.duration_us.unwrap_or(0)).unwrap_or(0));
        if let Some(at) = at {
            if !at.is_finite() || at < 0.0 {
                return Err(Fault::field("body.timestamp", "a number of seconds, 0 or more"));
            }
            if at > length.as_secs_f64() {
                return Err(Fault::bad(format!(
                    "Timestamp {at:.1}s exceeds video duration {:.2}s",
                    length.as_secs_f64()
                )));
            }
        }
        let moment = at.map_or(length / 2, Duration::from_secs_f64);
        let (file, inside) = self.place(&video, moment).await?;
        let name = format!("thumb_{}.jpg", uuid::Uuid::now_v7());
        let (input, output) = (self.path("").join(&file), self.path("thumbnails").join(&name));
        if !input.is_file() {
            return Err(Fault::missing("Video file not found on disk"));
        }
        let _turn = self.workers.turn().await?;
        let workers = self.workers.clone();
        blocking(move || {
            let picture = workers.thumbnail(&input, Some(inside), Some(WIDTH), &Interrupt::new());
            let picture = picture.map_err(|error| {
                tracing::warn!("no thumbnail of video {id}: {}", error.report());
                Fault::bad("Failed to capture thumbnail from video")
            })?;
            pictures::write(&output, &picture).map_err(|error| pictures::failed(&output, &error))
        })
        .await?;
        self.take(&video, name).await
    }

    /// The file that holds a moment of a video, and the moment in it.
    async fn place(&self, video: &Video, moment: Duration) -> Result<(String, Duration), Fault> {
        let parts = self.store.video_parts(video.id).await?;
        let micros = |us: i64| Duration::from_micros(u64::try_from(us).unwrap_or(0));
        let mut left = moment + micros(video.clip_from_us.unwrap_or(0));
        for (name, _, duration) in &parts {
            if left <= micros(*duration) {
                return Ok((name.clone(), left));
            }
            left = left.saturating_sub(micros(*duration));
        }
        Ok((
            parts
                .into_iter()
                .next_back()
                .map_or_else(|| video.file_name.clone(), |(name, ..)| name),
            left,
        ))
    }

    /// Makes an uploaded picture the thumbnail of a video; its name.
    ///
    /// # Errors
    /// `NotFound`, `BadRequest` for what is no picture.
    pub(crate) async fn set_thumbnail(&self, id: i64, bytes: Bytes) -> Result<String, Fault> {
        let video = self.video(id).await?;
        let name = pictures::save(self.path("thumbnails"), "thumb_", bytes, false).await?;
        self.take(&video, name).await
    }

    async fn take(&self, video: &Video, name: String) -> Result<String, Fault> {
        self.store.set_video_thumbnail(video.id, &name).await?;
        self.events.tell(Event::VideoChanged { video_id: video.id });
        if let Some(old) = &video.thumbnail {
            pictures::forget(self.path("thumbnails").join(old)).await;
        }
        Ok(name)
    }
}

fn room(count: usize) -> Result<(), Fault> {
    if count >= MAX_EXTRAS {
        return Err(Fault::bad(format!("A video can have {MAX_EXTRAS} of these")));
    }
    Ok(())
}

fn good(title: &str, content: Option<&str>, url: Option<&str>, sort_order: i64) -> Result<(), Fault> {
    let mut wrong = Vec::new();
    let mut say = |place: &str, message: String| {
        wrong.push(Field {
            place: format!("body.{place}"),
            message,
        })
    };
    if title.trim().is_empty() || title.chars().count() > 64 {
        say("title", "1 to 64 characters".to_owned());
    }
    if content.is_some_and(|text| text.chars().count() > MAX_TEXT) {
        say("content", format!("at most {MAX_TEXT} characters"));
    }
    if sort_order < 0 {
        say("sort_order", "a number, 0 or more".to_owned());
    }
    if url.is_some_and(|url| !is_link(url)) {
        say(
            "url",
            "an address that starts with http:// or https://, at most 512 characters".to_owned(),
        );
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Fault::Invalid(wrong))
    }
}

fn is_link(text: &str) -> bool {
    let parsed = text.parse::<url::Url>();
    text.len() <= 512 && parsed.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}
