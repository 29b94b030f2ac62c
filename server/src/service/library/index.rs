//! [`Index`]: what lists are made of, in memory.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use super::{Filter, Sort};
use crate::service::events::Events;
use crate::store::library::Entry;
use crate::store::{Result, Store};

/// All videos, by number.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: BTreeMap<i64, Entry>,
    loaded: bool,
}

impl Index {
    /// Takes what changed.
    pub(super) async fn refresh(&mut self, store: &Store, events: &Events) -> Result<()> {
        let dirty = events.take_dirty();
        if dirty.all || !self.loaded {
            self.loaded = false;
            let entries = store.entries(None).await?;
            self.entries = entries.into_iter().map(|entry| (entry.id, entry)).collect();
            self.loaded = true;
            return Ok(());
        }
        if dirty.videos.is_empty() {
            return Ok(());
        }
        let ids: Vec<i64> = dirty.videos.into_iter().collect();
        // Until it is known, everything is to be read anew.
        self.loaded = false;
        let changed = store.entries(Some(&ids)).await?;
        for id in &ids {
            self.entries.remove(id);
        }
        self.entries
            .extend(changed.into_iter().map(|entry| (entry.id, entry)));
        self.loaded = true;
        Ok(())
    }

    /// One video.
    pub(super) fn one(&self, id: i64) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// The numbers of all that a filter lets through, in order. `found` are those that a search found.
    pub(super) fn select(&self, filter: &Filter, found: Option<&HashSet<i64>>) -> Vec<i64> {
        let wanted = |entry: &&Entry| {
            entry.deleted_at.is_some() == filter.trash
                && filter.status.is_none_or(|status| entry.status == status)
                && filter.category_id.is_none_or(|id| entry.category_id == Some(id))
                && filter.file_type.is_none_or(|kind| entry.file_type == kind)
                && filter.source_type.is_none_or(|kind| entry.source_type == kind)
                && filter
                    .is_protected
                    .is_none_or(|wanted| entry.is_protected == wanted)
                && (filter.tag_ids.is_empty() || entry.tags.iter().any(|tag| filter.tag_ids.contains(tag)))
                && found.is_none_or(|found| found.contains(&entry.id))
        };
        let mut all: Vec<&Entry> = self.entries.values().rev().filter(wanted).collect();
        match filter.sort {
            Sort::Newest => {}
            Sort::Oldest => all.reverse(),
            Sort::Title => all.sort_by_cached_key(|entry| (entry.title.to_lowercase(), entry.id)),
            Sort::Duration => all.sort_by_key(|entry| Reverse((entry.duration_us, entry.id))),
            Sort::Views => all.sort_by_key(|entry| Reverse((entry.view_count, entry.id))),
            Sort::Size => all.sort_by_key(|entry| Reverse((entry.file_size, entry.id))),
        }
        all.into_iter().map(|entry| entry.id).collect()
    }
}
