//! Categories and tags.

use super::events::{Event, Events};
use super::recordings::DEFAULT_CATEGORY;
use crate::fault::Fault;
use crate::store::catalogue::Tag;
use crate::store::categories::Category;
use crate::store::{Store, is_unique_violation};

/// The categories and tags.
pub(crate) struct Catalogue {
    store: Store,
    events: Events,
}

fn good_name(name: &str, longest: usize) -> Result<(), Fault> {
    if name.trim().is_empty() || name.chars().count() > longest {
        return Err(Fault::field("body.name", format!("1 to {longest} characters")));
    }
    Ok(())
}

impl Catalogue {
    /// Those of `store`; makes the category of recordings whose source has none.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn open(store: &Store, events: &Events) -> Result<Self, Fault> {
        if store.category_named(DEFAULT_CATEGORY).await?.is_none() {
            store.add_category(DEFAULT_CATEGORY, 0).await?;
        }
        Ok(Self {
            store: store.clone(),
            events: events.clone(),
        })
    }

    /// All categories, in their order.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn categories(&self) -> Result<Vec<Category>, Fault> {
        Ok(self.store.categories().await?)
    }

    /// Makes a category.
    ///
    /// # Errors
    /// `Invalid`, and `BadRequest` for a name that is taken.
    pub(crate) async fn add_category(&self, name: &str, sort_order: i64) -> Result<Category, Fault> {
        good_name(name, 32)?;
        let category = self
            .store
            .add_category(name, sort_order)
            .await
            .map_err(category_taken)?;
        self.events.tell(Event::CatalogueChanged);
        Ok(category)
    }

    /// Changes what is given.
    ///
    /// # Errors
    /// As [`add_category`](Self::add_category), and `NotFound`.
    pub(crate) async fn set_category(
        &self,
        id: i64,
        name: Option<&str>,
        sort_order: Option<i64>,
    ) -> Result<Category, Fault> {
        if let Some(name) = name {
            good_name(name, 32)?;
        }
        let missing = || Fault::missing("Category not found");
        if !self
            .store
            .set_category(id, name, sort_order)
            .await
            .map_err(category_taken)?
        {
            return Err(missing());
        }
        self.events.tell(Event::CatalogueChanged);
        self.store.category(id).await?.ok_or_else(missing)
    }

    /// Removes a category that no video is in.
    ///
    /// # Errors
    /// `NotFound`, and `BadRequest` while there are videos in it.
    pub(crate) async fn remove_category(&self, id: i64) -> Result<(), Fault> {
        let category = self
            .store
            .category(id)
            .await?
            .ok_or_else(|| Fault::missing("Category not found"))?;
        if !self.store.remove_category(id).await? {
            return Err(Fault::bad(format!(
                "Cannot delete category with {} videos",
                category.video_count.max(1)
            )));
        }
        self.events.tell(Event::CatalogueChanged);
        Ok(())
    }

    /// All tags, by name.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn tags(&self) -> Result<Vec<Tag>, Fault> {
        Ok(self.store.tags().await?)
    }

    /// Makes a tag.
    ///
    /// # Errors
    /// `Invalid`, and `BadRequest` for a name that is taken.
    pub(crate) async fn add_tag(&self, name: &str) -> Result<Tag, Fault> {
        good_name(name, 16)?;
        let tag = self.store.add_tag(name).await.map_err(tag_taken)?;
        self.events.tell(Event::CatalogueChanged);
        Ok(tag)
    }

    /// Changes what is given; videos have it under its new name.
    ///
    /// # Errors
    /// As [`add_tag`](Self::add_tag), and `NotFound`.
    pub(crate) async fn set_tag(&self, id: i64, name: Option<&str>) -> Result<Tag, Fault> {
        if let Some(name) = name {
            good_name(name, 16)?;
        }
        let missing = || Fault::missing("Tag not found");
        if !self.store.set_tag(id, name).await.map_err(tag_taken)? {
            return Err(missing());
        }
        self.events.tell(Event::CatalogueChanged);
        self.store.tag(id).await?.ok_or_else(missing)
    }

    /// Removes a tag, from videos too.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) async fn remove_tag(&self, id: i64) -> Result<(), Fault> {
        if !self.store.remove_tag(id).await? {
            return Err(Fault::missing("Tag not found"));
        }
        self.events.tell(Event::CatalogueChanged);
        Ok(())
    }
}

fn tag_taken(error: sqlx::Error) -> Fault {
    match is_unique_violation(&error) {
        true => Fault::bad("Tag name already exists"),
        false => error.into(),
    }
}

fn category_taken(error: sqlx::Error) -> Fault {
    match is_unique_violation(&error) {
        true => Fault::bad("Category name already exists"),
        false => error.into(),
    }
}
