//! Record live streams to faststart MP4 that cannot be lost; remux, clip, extract and index media.
#![forbid(unsafe_code)]

pub mod audio;
pub mod cache;
pub mod clip;
pub mod clock;
pub mod codec;
pub mod error;
pub mod hls;
pub mod layout;
pub mod memory;
pub mod mp4;
pub mod probe;
pub mod process;
pub mod record;
pub mod remux;
pub mod source;
pub mod thumbnail;
pub mod time;
pub mod timeline;
mod version;

pub use error::{Error, ErrorKind, Result};
pub use version::{check_libraries, version};
