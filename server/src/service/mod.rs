//! What the server does: one use case for each file. A handler calls one method of these and maps the result.

pub(crate) mod access;
pub(crate) mod auth;
pub(crate) mod catalogue;
pub(crate) mod checks;
pub(crate) mod codes;
pub(crate) mod events;
pub(crate) mod extras;
pub(crate) mod fsck;
pub(crate) mod import;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod library;
pub(crate) mod limits;
pub(crate) mod monitor;
pub(crate) mod observe;
pub(crate) mod pictures;
pub(crate) mod playback;
pub(crate) mod recordings;
pub(crate) mod removal;
pub(crate) mod retention;
pub(crate) mod schedules;
pub(crate) mod sources;
pub(crate) mod tasks;
pub(crate) mod trash;
pub(crate) mod uploads;
pub(crate) mod webhooks;
