//! Playback: which file a path stands for, whether this viewer may have it, and its packaging.
//!
//! Two kinds of path lead to a video:
//! - `/vod/<file name>/…`, as of nginx-vod-module, for videos that everybody may see, and for whoever sends a cookie that unlocks them;
//! - `/play/<token>/…`, which needs no header and no cookie, so that every player can follow it. The token names the video and what
//!   unlocked it, is signed, and expires.
//!
//! No request for a segment reads the database: rows are kept in memory until something in the library changes.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::{Request, Response, Uri};
use subtle::ConstantTimeEq;

use super::access::{Access, Viewer};
use super::events::Events;
use super::keys::Keys;
use crate::domain::status::{FileType, VideoStatus};
use crate::domain::time::Micros;
use crate::fault::Fault;
use crate::store::Store;
use crate::vod;

/// What paths of the packager start with.
pub(crate) const LOCATION: &str = "/vod";

/// How long a token lasts at least.
const TOKEN_LIFE: Duration = Duration::from_secs(12 * 3600);

/// Tokens expire at whole hours, so that a player which asks again gets the same path.
const TOKEN_STEP: i64 = 3600;

/// Bytes of a token's signature.
const SIGNATURE: usize = 16;

/// Codes that one token can name.
const MAX_CODES: usize = 16;

/// Videos and names that are kept in memory.
const KEPT: usize = 50_000;

/// Serves media.
pub(crate) struct Playback {
    store: Store,
    events: Events,
    keys: Keys,
    packager: Arc<vod::Service>,
    seen: RwLock<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The state of the library that this is of.
    generation: u64,
    items: HashMap<i64, Option<Arc<Item>>>,
    names: HashMap<String, Vec<i64>>,
}

/// What playback knows of a video.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Item {
    /// Its number.
    pub(crate) id: i64,
    /// Its title.
    pub(crate) title: String,
    /// Its file, or the manifest of several; relative to the storage folder.
    pub(crate) file_name: String,
    /// The span of the file that it is, in milliseconds.
    pub(crate) clip: Option<(u64, u64)>,
    /// Its category.
    pub(crate) category_id: Option<i64>,
    /// Who can see it.
    pub(crate) status: VideoStatus,
    /// What it holds.
    pub(crate) file_type: FileType,
    /// It is in the trash.
    pub(crate) deleted: bool,
}

/// Why a token lets its bearer in.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Grant {
    /// The video was public when it was made, and has to be still.
    Public,
    /// An administrator asked for it.
    Admin,
    /// These viewing codes unlocked it.
    Codes(Vec<i64>),
}

impl Playback {
    /// Packages the files of the storage folder.
    ///
    /// # Errors
    /// When that folder can't be opened.
    pub(crate) fn open(
        store: &Store,
        events: &Events,
        keys: &Keys,
        storage: &std::path::Path,
    ) -> mediacore::Result<Self> {
        Ok(Self {
            store: store.clone(),
            events: events.clone(),
            keys: keys.clone(),
            packager: Arc::new(vod::location_of(storage, LOCATION)?),
            seen: RwLock::default(),
        })
    }

    /// The video of this number.
    ///
    /// # Errors
    /// `NotFound` when there is none, or it is in the trash.
    pub(crate) async fn item(&self, id: i64) -> Result<Arc<Item>, Fault> {
        let missing = || Fault::missing("Video not found");
        let generation = self.events.generation();
        let kept = self.kept(generation, |seen| seen.items.get(&id).cloned());
        let item = match kept {
            Some(item) => item,
            None => {
                let row = self.store.video(id).await?;
                let item = row.map(|row| Arc::new(Item::of(row)));
                self.keep(generation, |seen| {
                    seen.items.insert(id, item.clone());
                });
                item
            }
        };
        item.filter(|item| !item.deleted).ok_or_else(missing)
    }

    /// The videos that are of this file, or of which it is a part, or whose sound it is.
    async fn named(&self, name: &str) -> Result<Vec<Arc<Item>>, Fault> {
        let generation = self.events.generation();
        let kept = self.kept(generation, |seen| seen.names.get(name).cloned());
        let ids = match kept {
            Some(ids) => ids,
            None => {
                let ids = self.store.videos_of_file(name).await?;
                // Guessed names are not kept.
                if !ids.is_empty() {
                    self.keep(generation, |seen| {
                        seen.names.insert(name.to_owned(), ids.clone());
                    });
                }
                ids
            }
        };
        let mut items = Vec::new();
        for id in ids {
            match self.item(id).await {
                Ok(item) => items.push(item),
                Err(Fault::NotFound(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(items)
    }

    fn kept<T>(&self, generation: u64, look: impl FnOnce(&Seen) -> Option<T>) -> Option<T> {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        (seen.generation == generation).then(|| look(&seen)).flatten()
    }

    fn keep(&self, generation: u64, put: impl FnOnce(&mut Seen)) {
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        if seen.generation != generation || seen.items.len() + seen.names.len() > KEPT {
            *seen = Seen {
                generation,
                ..Seen::default()
            };
        }
        put(&mut seen);
    }

    /// Whether `viewer` may have the file of this name in the storage folder, as a video.
    ///
    /// # Errors
    /// `NotFound` when it is of no video, `Forbidden` when it is of none that this viewer may see.
    pub(crate) async fn may_have(&self, name: &str, viewer: &Viewer) -> Result<Arc<Item>, Fault> {
        let items = self.named(name).await?;
        let Some(first) = items.first().cloned() else {
            return Err(Fault::missing("Not Found"));
        };
        // A clip of a file lets nobody see the rest of it.
        let allowed = items
            .iter()
            .find(|item| item.clip.is_none() && item.may_be_seen(viewer).is_ok());
        match allowed {
            Some(item) => Ok(Arc::clone(item)),
            None => Err(first
                .may_be_seen(viewer)
                .err()
                .unwrap_or_else(|| Fault::Forbidden("View code required".to_owned()))),
        }
    }

    /// The path of a playlist of `item` that `viewer`, who may see it, can follow without any header.
    pub(crate) fn playlist(&self, item: &Item, viewer: &Viewer) -> String {
        let public = item.is_public(viewer);
        if public && item.clip.is_none() {
            return format!("{LOCATION}/{}/index.m3u8", item.file_name);
        }
        let grant = match viewer {
            _ if public => Grant::Public,
            viewer if viewer.admin => Grant::Admin,
            viewer => Grant::Codes(viewer.codes.iter().copied().take(MAX_CODES).collect()),
        };
        format!("/play/{}/index.m3u8", self.token(item.id, &grant, Micros::now()))
    }

    fn token(&self, id: i64, grant: &Grant, now: Micros) -> String {
        let expires = now.after(TOKEN_LIFE).0 / 1_000_000;
        let expires = (expires / TOKEN_STEP + 1).saturating_mul(TOKEN_STEP);
        let mut token = Vec::with_capacity(64);
        token.extend_from_slice(&id.to_be_bytes());
        token.extend_from_slice(&expires.to_be_bytes());
        match grant {
            Grant::Public => token.push(0),
            Grant::Admin => token.push(1),
            Grant::Codes(codes) => {
                token.push(2);
                codes
                    .iter()
                    .for_each(|code| token.extend_from_slice(&code.to_be_bytes()));
            }
        }
        let signature = self.keys.hash("playback", &[&token]);
        token.extend_from_slice(signature.get(..SIGNATURE).unwrap_or_default());
        BASE64_URL_SAFE_NO_PAD.encode(token)
    }

    fn read(&self, token: &str, now: Micros) -> Option<(i64, Grant)> {
        if token.len() > 4 * (32 + 8 * MAX_CODES) / 2 {
            return None;
        }
        let token = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
        let (said, signature) = token.split_at_checked(token.len().checked_sub(SIGNATURE)?)?;
        let right = self.keys.hash("playback", &[said]);
        if !bool::from(right.get(..SIGNATURE)?.ct_eq(signature)) {
            return None;
        }
        let (id, rest) = said.split_first_chunk::<8>()?;
        let (expires, rest) = rest.split_first_chunk::<8>()?;
        let grant = match rest.split_first()? {
            (0, _) => Grant::Public,
            (1, _) => Grant::Admin,
            (2, codes) => Grant::Codes(
                codes
                    .as_chunks::<8>()
                    .0
                    .iter()
                    .map(|code| i64::from_be_bytes(*code))
                    .collect(),
            ),
            _ => return None,
        };
        let alive = i64::from_be_bytes(*expires) > now.0 / 1_000_000;
        alive.then(|| (i64::from_be_bytes(*id), grant))
    }

    /// The file of `item`, or the first of several.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn first_file(&self, item: &Item) -> Result<String, Fault> {
        let parts = self.store.video_parts(item.id).await?;
        Ok(parts
            .into_iter()
            .next()
            .map_or_else(|| item.file_name.clone(), |(name, ..)| name))
    }

    /// Lets go of files that were removed: open, they would keep their room on the disk.
    ///
    /// # Errors
    /// When the thread that asks the disk ends.
    pub(crate) async fn forget_removed(&self) -> Result<(), Fault> {
        let packager = Arc::clone(&self.packager);
        Ok(tokio::task::spawn_blocking(move || packager.forget_removed()).await?)
    }

    /// Answers `request` for `/vod/…`.
    ///
    /// # Errors
    /// When the path names no video, or one that `viewer` may not see.
    pub(crate) async fn by_name<B>(
        &self,
        request: &Request<B>,
        viewer: &Viewer,
    ) -> Result<Response<vod::Body>, Fault> {
        let mut public = true;
        for name in
            vod::files_of(request.uri().path(), LOCATION).map_err(|refusal| Fault::from_refusal(&refusal))?
        {
            let item = self.may_have(&name, viewer).await?;
            public &= item.is_public(viewer);
        }
        Ok(cached(self.packager.answer(request).await, public))
    }

    /// Answers `request` for `/play/<token>/<name>`.
    ///
    /// # Errors
    /// `Forbidden` when the token is wrong, expired, or what it stands on is gone.
    pub(crate) async fn by_token<B>(
        &self,
        request: &Request<B>,
        token: &str,
        name: &str,
        access: &Access,
    ) -> Result<Response<vod::Body>, Fault> {
        let refused = || Fault::Forbidden("This link has expired; open the video's page again".to_owned());
        let (id, grant) = self.read(token, Micros::now()).ok_or_else(refused)?;
        let item = self.item(id).await?;
        let viewer = match grant {
            Grant::Public => access.viewer(false, &[]),
            Grant::Admin => access.viewer(true, &[]),
            Grant::Codes(codes) => access.viewer(false, &codes),
        };
        item.may_be_seen(&viewer)?;
        let clip = item
            .clip
            .map(|(from, to)| format!("/clipFrom/{from}/clipTo/{to}"))
            .unwrap_or_default();
        let path = format!("{LOCATION}/{}{clip}/{name}", item.file_name);
        let uri = path.parse::<Uri>().map_err(|_| Fault::missing("Not Found"))?;
        let mut inner = Request::new(());
        *inner.method_mut() = request.method().clone();
        *inner.headers_mut() = request.headers().clone();
        *inner.uri_mut() = uri;
        Ok(cached(self.packager.answer(&inner).await, false))
    }
}

/// Says who may keep an answer: everybody a public segment for a day and a public playlist for a minute; else only the player, and it asks
/// each time whether it still may.
fn cached(mut response: Response<vod::Body>, public: bool) -> Response<vod::Body> {
    let playlist = response
        .headers()
        .get(http::header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().ends_with(b"mpegurl"));
    let value = match (public, playlist) {
        _ if !response.status().is_success() => "no-store",
        (true, true) => "public, max-age=60",
        (true, false) => "public, max-age=86400",
        (false, _) => "private, no-cache",
    };
    let value = http::HeaderValue::from_static(value);
    response.headers_mut().insert(http::header::CACHE_CONTROL, value);
    response
}

impl Item {
    fn of(row: crate::store::videos::Video) -> Self {
        let ms = |us: i64| u64::try_from(us / 1000).unwrap_or(0);
        Self {
            id: row.id,
            title: row.title,
            file_name: row.file_name,
            clip: row
                .clip_from_us
                .zip(row.clip_to_us)
                .map(|(from, to)| (ms(from), ms(to))),
            category_id: row.category_id,
            status: row.status,
            file_type: row.file_type,
            deleted: row.deleted_at.is_some(),
        }
    }

    /// Whether everybody may see it. `viewer` knows which categories are locked.
    pub(crate) fn is_public(&self, viewer: &Viewer) -> bool {
        self.status == VideoStatus::Published && !viewer.locks(self.category_id)
    }

    /// Whether `viewer` may see it.
    ///
    /// # Errors
    /// `Forbidden`, never `Unauthorized`: pages throw a visitor who gets that to the sign-in.
    pub(crate) fn may_be_seen(&self, viewer: &Viewer) -> Result<(), Fault> {
        if viewer.admin {
            return Ok(());
        }
        if self.status != VideoStatus::Published {
            return Err(Fault::Forbidden("Login required to view this video".to_owned()));
        }
        if viewer.may_open(self.category_id) {
            return Ok(());
        }
        Err(Fault::Forbidden("View code required".to_owned()))
    }
}
