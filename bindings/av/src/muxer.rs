//! [`Output`]: writes MP3, Ogg, FLAC and WAV files through libav's muxers.

use std::ffi::{CString, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::{NonNull, null, null_mut};

use bytes::Bytes;
use ffmpeg_next::ffi;

use crate::audio::EncodedPacket;
use crate::codec::{codec_id, no_memory, padded};
use crate::error::check;
use crate::input::to_c;
use crate::packet::Packet;
use crate::raw::write_enum;
use crate::{Error, ErrorKind, log};

/// An audio track of an [`Output`].
#[derive(Clone, Debug, Default)]
pub struct OutputTrack {
    /// libav's name of the codec: `mp3`, `opus`, `flac`, `pcm_s16le`.
    pub codec: String,
    /// Decoder configuration.
    pub extradata: Bytes,
    /// Hertz; also the ticks per second of its packets.
    pub sample_rate: u32,
    /// Loudspeakers.
    pub channels: u32,
    /// Bits per second; 0 when unknown.
    pub bit_rate: i64,
    /// Samples that the encoder put in front.
    pub initial_padding: u32,
    /// Samples per packet; 0 when they differ.
    pub frame_size: u32,
}

/// An audio file that is being written.
///
/// Dropped before [`Output::finish`] it leaves an incomplete file behind.
pub struct Output {
    context: NonNull<ffi::AVFormatContext>,
    name: String,
    rates: Vec<u32>,
}

// SAFETY: the context is owned and used by one thread at a time.
unsafe impl Send for Output {}

impl Output {
    /// Creates or replaces the file at `path` in libav's `format` (`mp3`, `ogg`, `flac`, `wav`) and writes its head.
    pub fn create(path: &Path, format: &str, tracks: &[OutputTrack]) -> Result<Self, Error> {
        log::install();
        let name = path.display().to_string();
        let what = format!("create {name}");
        let mut address = b"file:".to_vec();
        address.extend_from_slice(path.as_os_str().as_bytes());
        let address = CString::new(address)
            .map_err(|_| Error::new(ErrorKind::Internal, format!("{what}: the path has a NUL in it")))?;
        let format = to_c(format, "the format's name")?;
        let mut context = null_mut();
        // SAFETY: strings with a NUL at their end; null lets the name decide alone.
        let code = unsafe {
            ffi::avformat_alloc_output_context2(&raw mut context, null(), format.as_ptr(), address.as_ptr())
        };
        let context = NonNull::new(context).ok_or_else(|| match check(code, &what) {
            Err(error) => Error {
                kind: ErrorKind::Unsupported,
                ..error
            },
            Ok(_) => no_memory(),
        })?;
        let mut output = Self {
            context,
            name,
            rates: Vec::new(),
        };
        for track in tracks {
            output.add(track)?;
        }
        // SAFETY: the context's own field receives the I/O context; the rest may be null.
        let code = unsafe {
            ffi::avio_open2(
                &raw mut (*context.as_ptr()).pb,
                address.as_ptr(),
                ffi::AVIO_FLAG_WRITE as c_int,
                null(),
                null_mut(),
            )
        };
        check(code, &what)?;
        // SAFETY: a context with streams and I/O.
        let code = unsafe { ffi::avformat_write_header(context.as_ptr(), null_mut()) };
        check(code, &what)?;
        Ok(output)
    }

    fn add(&mut self, track: &OutputTrack) -> Result<(), Error> {
        let id = codec_id(&track.codec)?;
        // SAFETY: a valid context; the codec may be null.
        let stream = unsafe { ffi::avformat_new_stream(self.context.as_ptr(), null()) };
        if stream.is_null() {
            return Err(no_memory());
        }
        let (extradata, extradata_size) = padded(&track.extradata)?;
        let rate = c_int::try_from(track.sample_rate).unwrap_or(c_int::MAX).max(1);
        let channels = c_int::try_from(track.channels).unwrap_or(c_int::MAX).max(1);
        // SAFETY: plain fields of a fresh stream and its parameters, which take over `extradata`.
        unsafe {
            (*stream).time_base = ffi::AVRational { num: 1, den: rate };
            let p = (*stream).codecpar;
            write_enum!((*p).codec_type, MEDIA_AUDIO);
            write_enum!((*p).codec_id, id);
            (*p).extradata = extradata;
            (*p).extradata_size = extradata_size;
            (*p).sample_rate = rate;
            (*p).bit_rate = track.bit_rate;
            (*p).initial_padding = c_int::try_from(track.initial_padding).unwrap_or(0);
            (*p).frame_size = c_int::try_from(track.frame_size).unwrap_or(0);
            ffi::av_channel_layout_default(&raw mut (*p).ch_layout, channels);
            if track.codec == "pcm_s16le" {
                (*p).bits_per_coded_sample = 16;
                (*p).block_align = channels.saturating_mul(2);
            }
        }
        self.rates.push(track.sample_rate.max(1));
        Ok(())
    }

    /// Writes one packet of a track.
    pub fn write(&mut self, track: usize, packet: &EncodedPacket) -> Result<(), Error> {
        let what = format!("write {}", self.name);
        let Some(&rate) = self.rates.get(track) else {
            return Err(Error::new(
                ErrorKind::Internal,
                format!("{what}: there is no track {track}"),
            ));
        };
        let out = if packet.data.is_empty() {
            Packet::alloc()?
        } else {
            Packet::copy_of(&packet.data)?
        };
        if let Some(extradata) = &packet.new_extradata {
            out.set_new_extradata(extradata)?;
        }
        let from = ffi::AVRational {
            num: 1,
            den: c_int::try_from(rate).unwrap_or(c_int::MAX),
        };
        // SAFETY: plain fields of our packet and of a stream that exists; the muxer takes over the packet's buffers.
        let code = unsafe {
            let p = out.as_ptr();
            (*p).pts = packet.pts;
            (*p).dts = packet.pts;
            (*p).duration = packet.duration;
            (*p).flags = ffi::AV_PKT_FLAG_KEY as c_int;
            (*p).stream_index = c_int::try_from(track).unwrap_or(c_int::MAX);
            let stream = *(*self.context.as_ptr()).streams.add(track);
            ffi::av_packet_rescale_ts(p, from, (*stream).time_base);
            ffi::av_interleaved_write_frame(self.context.as_ptr(), p)
        };
        check(code, &what).map(|_| ())
    }

    /// Writes what comes last (length, index, Xing header) and closes the file.
    pub fn finish(mut self) -> Result<(), Error> {
        let what = format!("finish {}", self.name);
        // SAFETY: the head is written, and the trailer only here.
        let trailer = unsafe { ffi::av_write_trailer(self.context.as_ptr()) };
        let closed = self.close();
        check(trailer, &what)?;
        check(closed, &what).map(|_| ())
    }

    fn close(&mut self) -> c_int {
        // SAFETY: the context's own I/O, closed once: the field is null after it, and null is allowed.
        unsafe { ffi::avio_closep(&raw mut (*self.context.as_ptr()).pb) }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.close();
        // SAFETY: owned, freed once.
        unsafe { ffi::avformat_free_context(self.context.as_ptr()) };
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// `AVMEDIA_TYPE_AUDIO` of `enum AVMediaType`.
const MEDIA_AUDIO: c_int = 1;
