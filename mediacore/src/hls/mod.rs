//! HLS on the fly: what nginx-vod-module does for HLS, from an index, in this process.
//!
//! ```text
//! URL ─▶ name, uri ─▶ Request ──┐
//! mapping JSON ─▶ Set ──────────┴▶ which files ─▶ Title (cached) ─▶ plan ─▶ playlist (text) | ts, fmp4 (Layout) ─▶ crypt
//! ```
//! Nothing here opens a file or a socket: files come as [`Title`]s, bytes leave as [`crate::layout::Layout`]s.

pub mod captions;
pub mod crypt;
pub mod fmp4;
pub mod frames;
pub mod language;
pub mod mapping;
pub mod name;
pub mod options;
mod packager;
pub mod parts;
pub mod pick;
pub mod plan;
pub mod playlist;
mod refusal;
mod select;
pub mod set;
mod spans;
pub mod template;
pub mod title;
pub mod ts;
pub mod uri;

pub use frames::{Clock, Frame, Frames, Segment, Stream};
pub use options::{Container, Options};
pub use packager::{Answer, Packager, Request};
pub use pick::{File, Open, Pick, Picked};
pub use refusal::{Reason, Refusal};
pub use set::{Set, TrackMask};
pub use title::{Title, TitleTrack};
