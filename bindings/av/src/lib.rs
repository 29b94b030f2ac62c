//! A small safe face over libav: with the binary's allocator, all `unsafe` of the workspace.
//!
//! Demuxing ([`Input`], [`Packet`]), audio transcoding ([`Transcoder`], [`Output`]) and single pictures ([`Picture`]); and the memory that
//! libav takes and does not use ([`memory`]).
//! No type of ffmpeg-next is visible outside. Enumerations of libav are read as integers everywhere: a newer library at
//! run time may hold values that the Rust enums of the headers don't have.

mod audio;
mod codec;
mod custom_io;
mod error;
mod input;
mod interrupt;
pub mod log;
pub mod memory;
mod muxer;
mod packet;
mod picture;
pub mod process;
mod raw;
mod redact;
mod resample;
mod scale;
mod stream;
mod version;
mod watch;

pub use audio::{AudioParameters, EncodedPacket, TargetAudio, Transcoder};
pub use custom_io::ReadSeek;
pub use error::{Error, ErrorKind, Location};
pub use input::{Input, OpenOptions, Probe};
pub use interrupt::Interrupt;
pub use muxer::{Output, OutputTrack};
pub use packet::Packet;
pub use picture::{Picture, PictureFormat};
pub use redact::redact;
pub use stream::{StreamInfo, StreamKind};
pub use version::{Version, Versions, check_version, version};
