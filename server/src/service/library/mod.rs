//! The library: lists, searches, reviews, the trash, and how often a video is viewed.
//!
//! What lists are made of is kept in memory, in the order of the numbers, and is brought up to date by the videos that changed. A page deep
//! down costs what the first one costs.

mod index;
mod views;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::access::Viewer;
use super::events::{Event, Events};
use crate::domain::status::{FileType, SourceType, VideoStatus};
use crate::fault::{Fault, Field};
use crate::store::Store;
use crate::store::library::VideoTag;
use crate::store::videos::Video;

use index::Index;
use views::Views;

/// Lists that are kept ready.
const PAGES: usize = 2000;

/// Lists whose numbers are kept.
const SELECTIONS: usize = 32;

/// Characters of the longest description.
const MAX_DESCRIPTION: usize = 10_000;

/// Videos that one request can change.
const MAX_BATCH: usize = 100;

/// In which order a list is.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sort {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
    /// By title.
    Title,
    /// The longest first.
    Duration,
    /// The most viewed first.
    Views,
    /// The largest first.
    Size,
}

/// What a list is asked for.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Filter {
    /// A part of the title, whatever the case.
    pub(crate) search: Option<String>,
    /// Of this category.
    pub(crate) category_id: Option<i64>,
    /// With any of these tags.
    pub(crate) tag_ids: Vec<i64>,
    /// Of this status.
    pub(crate) status: Option<VideoStatus>,
    /// Of this kind.
    pub(crate) file_type: Option<FileType>,
    /// From there.
    pub(crate) source_type: Option<SourceType>,
    /// What no rule removes, or the others.
    pub(crate) is_protected: Option<bool>,
    /// Of the trash instead.
    pub(crate) trash: bool,
    /// The order.
    pub(crate) sort: Sort,
    /// How many to leave out.
    pub(crate) skip: usize,
    /// How many.
    pub(crate) limit: usize,
}

/// A video as it is listed.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    /// Its row, with the views that are not written yet.
    pub(crate) video: Video,
    /// Its category's name and order.
    pub(crate) category: Option<(i64, String, i64)>,
    /// Its tags.
    pub(crate) tags: Vec<(i64, String)>,
    /// This viewer can't open it.
    pub(crate) locked: bool,
}

/// A page of a list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    /// The videos.
    pub(crate) videos: Vec<Listed>,
    /// How many there are in all.
    pub(crate) total: usize,
}

/// What a batch came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Batch {
    /// Those that were changed.
    pub(crate) done: Vec<i64>,
    /// Those that are not there.
    pub(crate) failed: Vec<i64>,
}

type Key = (Filter, bool, Vec<i64>);

/// What was made of one state of the library.
type Kept<K, V> = (u64, HashMap<K, V>);

/// The library.
pub(crate) struct Library {
    store: Store,
    events: Events,
    index: tokio::sync::Mutex<Index>,
    pages: Mutex<Kept<Key, Arc<Page>>>,
    selections: Mutex<Kept<Filter, Arc<[i64]>>>,
    views: Views,
}

impl Library {
    /// The library of `store`.
    pub(crate) fn new(store: &Store, events: &Events) -> Self {
        Self {
            store: store.clone(),
            events: events.clone(),
            index: tokio::sync::Mutex::default(),
            pages: Mutex::default(),
            selections: Mutex::default(),
            views: Views::default(),
        }
    }

    /// A page of a list: of a visitor that of what is published.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn list(&self, mut filter: Filter, viewer: &Viewer) -> Result<Arc<Page>, Fault> {
        if !viewer.admin {
            filter.status = Some(VideoStatus::Published);
            filter.is_protected = None;
            filter.trash = false;
        }
        let generation = self.events.generation();
        let key = (filter, viewer.admin, viewer.shut());
        {
            let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(page) = pages.1.get(&key).filter(|_| pages.0 == generation) {
                return Ok(Arc::clone(page));
            }
        }
        let selected = self.selected(generation, &key.0).await?;
        let ids: Vec<i64> = selected
            .iter()
            .skip(key.0.skip)
            .take(key.0.limit)
            .copied()
            .collect();
        let total = selected.len();
        let videos = self.listed(&ids, viewer).await?;
        let page = Arc::new(Page { videos, total });
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if pages.0 != generation || pages.1.len() >= PAGES {
            *pages = (generation, HashMap::new());
        }
        pages.1.insert(key, Arc::clone(&page));
        Ok(page)
    }

    /// The numbers of all videos that a filter lets through, in order. Another page of the same list costs nothing.
    async fn selected(&self, generation: u64, filter: &Filter) -> Result<Arc<[i64]>, Fault> {
        let key = Filter {
            skip: 0,
            limit: 0,
            ..filter.clone()
        };
        {
            let kept = self.selections.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(ids) = kept.1.get(&key).filter(|_| kept.0 == generation) {
                return Ok(Arc::clone(ids));
            }
        }
        let found = match key
            .search
            .as_deref()
            .map(str::trim)
            .filter(|text| !text.is_empty())
        {
            Some(text) => Some(self.store.search_videos(text).await?.into_iter().collect()),
            None => None,
        };
        let ids: Arc<[i64]> = {
            let mut index = self.index.lock().await;
            index.refresh(&self.store, &self.events).await?;
            index.select(&key, found.as_ref()).into()
        };
        let mut kept = self.selections.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.0 != generation || kept.1.len() >= SELECTIONS {
            *kept = (generation, HashMap::new());
        }
        kept.1.insert(key, Arc::clone(&ids));
        Ok(ids)
    }

    async fn listed(&self, ids: &[i64], viewer: &Viewer) -> Result<Vec<Listed>, Fault> {
        let mut rows: HashMap<i64, Video> = self
            .store
            .videos_of(ids)
            .await?
            .into_iter()
            .map(|video| (video.id, video))
            .collect();
        let mut tags: HashMap<i64, Vec<(i64, String)>> = HashMap::new();
        for VideoTag { video_id, id, name } in self.store.tags_of(ids).await? {
            tags.entry(video_id).or_default().push((id, name));
        }
        let categories: HashMap<i64, (String, i64)> = self
            .store
            .category_names()
            .await?
            .into_iter()
            .map(|(id, name, order)| (id, (name, order)))
            .collect();
        let listed = ids.iter().filter_map(|id| {
            let mut video = rows.remove(id)?;
            video.view_count += self.views.pending(*id);
            let category = video.category_id.and_then(|id| {
                let (name, order) = categories.get(&id)?;
                Some((id, name.clone(), *order))
            });
            Some(Listed {
                locked: !viewer.may_open(video.category_id),
                tags: tags.remove(id).unwrap_or_default(),
                category,
                video,
            })
        });
        Ok(listed.collect())
    }

    /// One video, as this viewer may see it: a locked one is shown as such.
    ///
    /// # Errors
    /// `NotFound`, and `Forbidden` for a visitor when it is not published.
    pub(crate) async fn one(&self, id: i64, viewer: &Viewer) -> Result<Listed, Fault> {
        let listed = self.listed(&[id], viewer).await?.into_iter().next();
        let listed = listed
            .filter(|listed| listed.video.deleted_at.is_none())
            .ok_or_else(missing)?;
        if !viewer.admin && listed.video.status != VideoStatus::Published {
            return Err(Fault::Forbidden("Login required to view this video".to_owned()));
        }
        Ok(listed)
    }

    fn changed(&self, ids: &[i64]) {
        for id in ids {
            self.events.tell(Event::VideoChanged { video_id: *id });
        }
    }

    async fn for_admin(&self, id: i64) -> Result<Listed, Fault> {
        self.one(id, &Viewer::administrator()).await
    }

    /// Changes title and description, and whether rules may remove it.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub(crate) async fn change(
        &self,
        id: i64,
        title: Option<&str>,
        description: Option<Option<&str>>,
        is_protected: Option<bool>,
    ) -> Result<Listed, Fault> {
        let mut wrong = Vec::new();
        if title.is_some_and(|title| title.trim().is_empty() || title.chars().count() > 128) {
            wrong.push(Field {
                place: "body.title".to_owned(),
                message: "1 to 128 characters".to_owned(),
            });
        }
        if description
            .flatten()
            .is_some_and(|text| text.chars().count() > MAX_DESCRIPTION)
        {
            wrong.push(Field {
                place: "body.description".to_owned(),
                message: format!("at most {MAX_DESCRIPTION} characters"),
            });
        }
        if !wrong.is_empty() {
            return Err(Fault::Invalid(wrong));
        }
        self.for_admin(id).await?;
        self.store
            .change_video(id, title, description, is_protected)
            .await?;
        self.changed(&[id]);
        self.for_admin(id).await
    }

    /// Puts videos into a category, or into none.
    ///
    /// # Errors
    /// `BadRequest` when there is no such category, `Invalid` for too many videos.
    pub(crate) async fn set_category(&self, ids: &[i64], category: Option<i64>) -> Result<Batch, Fault> {
        if let Some(id) = category
            && !self.store.category_exists(id).await?
        {
            return Err(Fault::bad("Category not found"));
        }
        let done = self.store.set_videos_category(&few(ids)?, category).await?;
        Ok(self.batch(ids, done))
    }

    /// Gives videos exactly these tags.
    ///
    /// # Errors
    /// `BadRequest` when there is no such tag, `Invalid` for too many videos or tags.
    pub(crate) async fn set_tags(&self, ids: &[i64], tags: &[i64]) -> Result<Batch, Fault> {
        if tags.len() > MAX_BATCH {
            return Err(Fault::field("body.tag_ids", format!("at most {MAX_BATCH}")));
        }
        let there = self.store.tags().await?;
        if !tags.iter().all(|id| there.iter().any(|tag| tag.id == *id)) {
            return Err(Fault::bad("Some tags not found"));
        }
        let done = self.store.set_videos_tags(&few(ids)?, tags).await?;
        Ok(self.batch(ids, done))
    }

    /// Keeps rules from removing videos, or lets them.
    ///
    /// # Errors
    /// `Invalid` for too many.
    pub(crate) async fn protect(&self, ids: &[i64], is_protected: bool) -> Result<Batch, Fault> {
        let done = self.store.protect_videos(&few(ids)?, is_protected).await?;
        Ok(self.batch(ids, done))
    }

    /// Publishes videos or takes them back.
    ///
    /// # Errors
    /// `Invalid` for too many.
    pub(crate) async fn review(&self, ids: &[i64], status: VideoStatus, by: i64) -> Result<Batch, Fault> {
        let done = self.store.review_videos(&few(ids)?, status, by).await?;
        Ok(self.batch(ids, done))
    }

    /// Puts videos into the trash, from where they can be taken for a day; or takes them out.
    ///
    /// # Errors
    /// `Invalid` for too many.
    pub(crate) async fn bin(&self, ids: &[i64], into: bool) -> Result<Batch, Fault> {
        let done = self.store.bin_videos(&few(ids)?, into).await?;
        Ok(self.batch(ids, done))
    }

    fn batch(&self, ids: &[i64], done: Vec<i64>) -> Batch {
        self.changed(&done);
        let failed = few(ids)
            .unwrap_or_default()
            .into_iter()
            .filter(|id| !done.contains(id))
            .collect();
        Batch { done, failed }
    }

    /// As a batch of one: the video as it is then.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) async fn only(&self, id: i64, batch: Batch) -> Result<Listed, Fault> {
        if batch.done.is_empty() {
            return Err(missing());
        }
        self.for_admin(id).await
    }

    /// Counts a view; how many there are then.
    ///
    /// # Errors
    /// As [`one`](Self::one), and `Forbidden` when it is locked.
    pub(crate) async fn view(&self, id: i64, viewer: &Viewer) -> Result<i64, Fault> {
        // From memory, as players come in crowds.
        let (status, category, stored) = {
            let mut index = self.index.lock().await;
            index.refresh(&self.store, &self.events).await?;
            let entry = index
                .one(id)
                .filter(|entry| entry.deleted_at.is_none())
                .ok_or_else(missing)?;
            (entry.status, entry.category_id, entry.view_count)
        };
        if !viewer.admin && status != VideoStatus::Published {
            return Err(Fault::Forbidden("Login required".to_owned()));
        }
        if !viewer.may_open(category) {
            return Err(Fault::Forbidden("View code required".to_owned()));
        }
        Ok(stored + self.views.add(id))
    }

    /// Writes the views that were counted.
    ///
    /// # Errors
    /// When the store fails; they are kept for the next time.
    pub(crate) async fn write_views(&self) -> Result<(), Fault> {
        let counted = self.views.take();
        if counted.is_empty() {
            return Ok(());
        }
        match self.store.add_views(&counted).await {
            Ok(()) => {
                self.views.written();
                let video_ids = counted.iter().map(|(id, _)| *id).collect();
                self.events.tell(Event::ViewsCounted { video_ids });
                Ok(())
            }
            Err(error) => {
                self.views.give_back(&counted);
                Err(error.into())
            }
        }
    }
}

fn missing() -> Fault {
    Fault::missing("Video not found")
}

/// Each of the numbers once.
fn few(ids: &[i64]) -> Result<Vec<i64>, Fault> {
    if ids.len() > MAX_BATCH {
        return Err(Fault::field("body.video_ids", format!("at most {MAX_BATCH}")));
    }
    let mut once = ids.to_vec();
    once.sort_unstable();
    once.dedup();
    Ok(once)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
