//! Viewing codes: what opens which categories, kept in memory so that no request for media reads the database.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

use super::events::{Event, Events};
use super::keys::Keys;
use crate::domain::time::Micros;
use crate::fault::{Fault, Field};
use crate::store::codes::{Code, CodeChange};
use crate::store::{Store, is_unique_violation};

/// What a code is stored as: a keyed hash to find it by, and an encrypted text to show it to administrators.
///
/// # Errors
/// When there is no randomness.
pub(crate) fn stored(keys: &Keys, code: &str) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    Ok((hash(keys, code), keys.seal("view codes", code.as_bytes())?))
}

fn hash(keys: &Keys, code: &str) -> Vec<u8> {
    keys.hash("view code look-up", &[code.as_bytes()]).to_vec()
}

/// A code as administrators see it.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// Its row.
    pub(crate) row: Code,
    /// The code itself.
    pub(crate) text: String,
}

/// What a new code is.
#[derive(Clone, Debug)]
pub(crate) struct NewCode {
    /// 6 to 12 letters and digits.
    pub(crate) text: String,
    /// Whether it opens anything.
    pub(crate) is_active: bool,
    /// It opens nothing from then on.
    pub(crate) expires_at: Option<Micros>,
    /// What it opens.
    pub(crate) category_ids: Vec<i64>,
}

/// The codes.
pub(crate) struct Codes {
    store: Store,
    events: Events,
    keys: Keys,
    known: RwLock<Vec<Known>>,
}

/// What is kept of a code in memory.
#[derive(Clone, Debug)]
struct Known {
    id: i64,
    hash: Vec<u8>,
    is_active: bool,
    expires_at: Option<Micros>,
    category_ids: Vec<i64>,
}

impl Known {
    fn opens(&self, now: Micros) -> bool {
        self.is_active && self.expires_at.is_none_or(|at| at > now)
    }
}

/// A code that was right.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Right {
    /// Its number.
    pub(crate) id: i64,
    /// What it opens.
    pub(crate) category_ids: Vec<i64>,
    /// Until when.
    pub(crate) expires_at: Option<Micros>,
}

impl Codes {
    /// Reads all codes.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn open(store: &Store, events: &Events, keys: &Keys) -> Result<Self, Fault> {
        let codes = Self {
            store: store.clone(),
            events: events.clone(),
            keys: keys.clone(),
            known: RwLock::default(),
        };
        codes.reload().await?;
        Ok(codes)
    }

    /// Reads them again: after a change here, or because another node may have changed them.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn reload(&self) -> Result<(), Fault> {
        let known = self.store.codes().await?.into_iter().map(|code| Known {
            id: code.id,
            hash: code.code_hash,
            is_active: code.is_active,
            expires_at: code.expires_at,
            category_ids: code.category_ids,
        });
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known.collect();
        Ok(())
    }

    async fn changed(&self) -> Result<(), Fault> {
        self.reload().await?;
        self.events.tell(Event::CatalogueChanged);
        Ok(())
    }

    fn with<T>(&self, look: impl FnOnce(&[Known]) -> T) -> T {
        look(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The categories that some code covers, also one that is switched off or expired: the end of a code must not open to everybody
    /// what it was made to lock.
    pub(crate) fn locked_categories(&self) -> HashSet<i64> {
        self.with(|known| {
            let covered = known.iter().flat_map(|code| &code.category_ids);
            covered.copied().collect()
        })
    }

    /// What the codes of these numbers open now.
    pub(crate) fn opened_by(&self, ids: &[i64]) -> HashSet<i64> {
        let now = Micros::now();
        let good = |code: &&Known| ids.contains(&code.id) && code.opens(now);
        self.with(|known| {
            known
                .iter()
                .filter(good)
                .flat_map(|code| code.category_ids.iter().copied())
                .collect()
        })
    }

    /// The code with this text, if it opens anything now.
    pub(crate) fn find(&self, text: &str) -> Option<Right> {
        // Longer ones were never codes; hashing them would be work for nothing.
        if text.len() > 64 {
            return None;
        }
        let (hash, now) = (hash(&self.keys, text), Micros::now());
        self.with(|known| {
            let code = known.iter().find(|code| code.hash == hash && code.opens(now))?;
            Some(Right {
                id: code.id,
                category_ids: code.category_ids.clone(),
                expires_at: code.expires_at,
            })
        })
    }

    /// Counts a use.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn used(&self, id: i64) -> Result<(), Fault> {
        Ok(self.store.note_code_use(id).await?)
    }

    /// All codes, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn list(&self) -> Result<Vec<Shown>, Fault> {
        Ok(self
            .store
            .codes()
            .await?
            .into_iter()
            .map(|row| self.shown(row))
            .collect())
    }

    fn shown(&self, row: Code) -> Shown {
        let text = self.keys.open("view codes", &row.code_sealed);
        // Sealed under a key that is gone: it can be removed, and nobody can use it.
        let text = text
            .and_then(|text| String::from_utf8(text).ok())
            .unwrap_or_default();
        Shown { row, text }
    }

    async fn one(&self, id: i64) -> Result<Shown, Fault> {
        let row = self.store.code(id).await?.ok_or_else(missing)?;
        Ok(self.shown(row))
    }

    /// Makes a code.
    ///
    /// # Errors
    /// `Invalid` for another text, `BadRequest` when it or a category is not there.
    pub(crate) async fn add(&self, new: NewCode) -> Result<Shown, Fault> {
        let good =
            (6..=12).contains(&new.text.len()) && new.text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !good {
            return Err(Fault::Invalid(vec![Field {
                place: "body.code".to_owned(),
                message: "6 to 12 letters and digits".to_owned(),
            }]));
        }
        self.categories_exist(&new.category_ids).await?;
        let (hash, sealed) = stored(&self.keys, &new.text).map_err(Fault::Internal)?;
        let added = self
            .store
            .add_code(&hash, &sealed, new.is_active, new.expires_at, &new.category_ids)
            .await;
        let id = added.map_err(|error| match is_unique_violation(&error) {
            true => Fault::bad("View code already exists"),
            false => error.into(),
        })?;
        self.changed().await?;
        self.one(id).await
    }

    async fn categories_exist(&self, ids: &[i64]) -> Result<(), Fault> {
        let wanted: HashSet<i64> = ids.iter().copied().collect();
        let there: HashSet<i64> = self.store.category_ids().await?.into_iter().collect();
        if wanted.is_subset(&there) {
            Ok(())
        } else {
            Err(Fault::bad("Some categories not found"))
        }
    }

    /// Changes what is given of a code; what it opened is shut at once.
    ///
    /// # Errors
    /// `NotFound`, or `BadRequest` when a category is not there.
    pub(crate) async fn change(&self, id: i64, change: CodeChange) -> Result<Shown, Fault> {
        self.store.code(id).await?.ok_or_else(missing)?;
        if let Some(ids) = &change.category_ids {
            self.categories_exist(ids).await?;
        }
        self.store.change_code(id, &change).await?;
        self.changed().await?;
        self.one(id).await
    }

    /// Removes a code.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) async fn remove(&self, id: i64) -> Result<(), Fault> {
        if !self.store.remove_code(id).await? {
            return Err(missing());
        }
        self.changed().await
    }
}

fn missing() -> Fault {
    Fault::missing("View code not found")
}
