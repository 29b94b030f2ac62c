//! [`StreamInfo`]: what a demuxer knows about one stream.

use std::ffi::{CStr, c_int};
use std::slice;

use bytes::Bytes;
use ffmpeg_next::ffi;

use crate::codec::codec_name;
use crate::packet::some_time;
use crate::raw::read_enum;

/// What a stream carries.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum StreamKind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Subtitles, data, attachments, cover pictures.
    Other,
}

/// What a demuxer knows about one stream so far; what is unknown is 0, empty or `None`.
#[derive(Clone, Debug)]
pub struct StreamInfo {
    /// Position in the list of streams.
    pub index: usize,
    /// What it carries.
    pub kind: StreamKind,
    /// libav's name of the codec: `h264`, `pcm_mulaw`; `none` or `unknown_codec` when it can't tell.
    pub codec: String,
    /// The container's tag for the codec, its first byte lowest.
    pub codec_tag: u32,
    /// Seconds per tick as numerator and denominator.
    pub time_base: (i32, i32),
    /// Timestamps wrap after 2 to this power of ticks; 0 when they don't.
    pub wrap_bits: u32,
    /// Decoder configuration in the container's form.
    pub extradata: Bytes,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames per second as numerator and denominator; (0, 0) when unknown.
    pub frame_rate: (i32, i32),
    /// Width to height of one pixel; (0, 0) when unknown.
    pub pixel_aspect: (i32, i32),
    /// Degrees clockwise to turn the picture by for display: 0, 90, 180 or 270.
    pub rotation: u32,
    /// Hertz.
    pub sample_rate: u32,
    /// Loudspeakers.
    pub channels: u32,
    /// Bits per coded sample.
    pub bits_per_sample: u32,
    /// Bytes per block of constant-rate audio.
    pub block_align: u32,
    /// Bits per second as declared.
    pub bit_rate: i64,
    /// Codec profile by libav's numbers; negative when unknown.
    pub profile: i32,
    /// Codec level by libav's numbers; negative when unknown.
    pub level: i32,
    /// The language tag as the container writes it.
    pub language: Option<String>,
    /// The first timestamp, where it is known.
    pub start_time: Option<i64>,
    /// The stream's length in its ticks, where it is known.
    pub duration: Option<i64>,
    /// Marked as the one to take by default.
    pub default: bool,
}

impl StreamInfo {
    /// # Safety
    /// `stream` points to a stream of a live context that nothing changes during the call.
    pub(crate) unsafe fn read(stream: *const ffi::AVStream, index: usize) -> Self {
        // SAFETY: by the contract; every stream has parameters.
        let (s, p) = unsafe { (stream, (*stream).codecpar) };
        // SAFETY: plain integers behind valid pointers, enums as integers.
        let (media, id) = unsafe { (read_enum!((*p).codec_type), read_enum!((*p).codec_id)) };
        // SAFETY: plain fields behind valid pointers; so in the blocks below.
        let disposition = unsafe { (*s).disposition };
        let is_cover = disposition & (ffi::AV_DISPOSITION_ATTACHED_PIC as c_int) != 0;
        let kind = match media {
            MEDIA_VIDEO if !is_cover => StreamKind::Video,
            MEDIA_AUDIO => StreamKind::Audio,
            _ => StreamKind::Other,
        };
        // SAFETY: see above.
        let wrap_bits = unsigned(unsafe { (*s).pts_wrap_bits });
        // SAFETY: see above.
        let (average, real) = unsafe { ((*s).avg_frame_rate, (*s).r_frame_rate) };
        // SAFETY: see above.
        let (of_container, of_codec) = unsafe { ((*s).sample_aspect_ratio, (*p).sample_aspect_ratio) };
        // SAFETY: see above.
        unsafe {
            Self {
                index,
                kind,
                codec: codec_name(id),
                codec_tag: (*p).codec_tag,
                time_base: ((*s).time_base.num, (*s).time_base.den),
                wrap_bits: if wrap_bits >= 63 { 0 } else { wrap_bits },
                extradata: copied((*p).extradata, (*p).extradata_size),
                width: unsigned((*p).width),
                height: unsigned((*p).height),
                frame_rate: first_positive(average, real),
                pixel_aspect: first_positive(of_container, of_codec),
                rotation: rotation(s),
                sample_rate: unsigned((*p).sample_rate),
                channels: unsigned((*p).ch_layout.nb_channels),
                bits_per_sample: unsigned((*p).bits_per_coded_sample),
                block_align: unsigned((*p).block_align),
                bit_rate: (*p).bit_rate,
                profile: (*p).profile,
                level: (*p).level,
                language: tag((*s).metadata, c"language"),
                start_time: some_time((*s).start_time),
                duration: some_time((*s).duration).filter(|&ticks| ticks > 0),
                default: disposition & (ffi::AV_DISPOSITION_DEFAULT as c_int) != 0,
            }
        }
    }
}

/// `enum AVMediaType`.
const MEDIA_VIDEO: c_int = 0;
const MEDIA_AUDIO: c_int = 1;

/// `AV_PKT_DATA_DISPLAYMATRIX` of `enum AVPacketSideDataType`.
const DISPLAY_MATRIX: c_int = 5;

/// # Safety
/// `data` is null or points to `size` readable bytes.
unsafe fn copied(data: *const u8, size: c_int) -> Bytes {
    match usize::try_from(size) {
        // SAFETY: by the contract.
        Ok(size) if !data.is_null() => Bytes::copy_from_slice(unsafe { slice::from_raw_parts(data, size) }),
        _ => Bytes::new(),
    }
}

/// # Safety
/// `metadata` is null or a valid dictionary.
unsafe fn tag(metadata: *const ffi::AVDictionary, name: &CStr) -> Option<String> {
    // SAFETY: by the contract; the name ends with a NUL.
    let entry = unsafe { ffi::av_dict_get(metadata, name.as_ptr(), std::ptr::null(), 0) };
    if entry.is_null() {
        return None;
    }
    // SAFETY: an entry's value is a string that the dictionary owns.
    let value = unsafe { CStr::from_ptr((*entry).value) };
    Some(value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
}

/// # Safety
/// `stream` points to a live stream.
unsafe fn rotation(stream: *const ffi::AVStream) -> u32 {
    #[cfg(side_data_in_parameters)]
    // SAFETY: by the contract.
    let (list, count) = unsafe {
        let parameters = (*stream).codecpar;
        ((*parameters).coded_side_data, (*parameters).nb_coded_side_data)
    };
    #[cfg(not(side_data_in_parameters))]
    // SAFETY: by the contract.
    let (list, count) = unsafe { ((*stream).side_data, (*stream).nb_side_data) };
    for i in 0..usize::try_from(count).unwrap_or(0) {
        // SAFETY: the list has `count` entries.
        let entry = unsafe { list.add(i) };
        // SAFETY: a valid entry, its enum read as an integer.
        let (kind, data, size) = unsafe { (read_enum!((*entry).type_), (*entry).data, (*entry).size) };
        let mut matrix = [0_i32; 9];
        if kind != DISPLAY_MATRIX || data.is_null() || size < size_of_val(&matrix) {
            continue;
        }
        // SAFETY: at least as many bytes are there as the array has.
        unsafe { data.copy_to_nonoverlapping(matrix.as_mut_ptr().cast::<u8>(), size_of_val(&matrix)) };
        // SAFETY: nine integers, as the function wants.
        let degrees = unsafe { ffi::av_display_rotation_get(matrix.as_ptr()) };
        return quarter_turns(degrees);
    }
    0
}

/// libav counts anticlockwise and answers NaN for a matrix that is no rotation.
fn quarter_turns(anticlockwise: f64) -> u32 {
    if !anticlockwise.is_finite() {
        return 0;
    }
    let turns = (-anticlockwise / 90.0).round().rem_euclid(4.0);
    // 0.0, 1.0, 2.0 or 3.0 after the remainder.
    turns as u32 % 4 * 90
}

fn first_positive(a: ffi::AVRational, b: ffi::AVRational) -> (i32, i32) {
    [a, b]
        .into_iter()
        .find(|r| r.num > 0 && r.den > 0)
        .map_or((0, 0), |r| (r.num, r.den))
}

fn unsigned(value: c_int) -> u32 {
    u32::try_from(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotations_are_clockwise_quarter_turns() {
        for (anticlockwise, want) in [
            (0.0, 0),
            (-90.0, 90),
            (90.0, 270),
            (180.0, 180),
            (-180.0, 180),
            (-89.6, 90),
            (f64::NAN, 0),
        ] {
            assert_eq!(quarter_turns(anticlockwise), want, "{anticlockwise}");
        }
    }
}
