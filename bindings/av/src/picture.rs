//! [`Picture`]: one decoded picture, and its JPEG or PNG.

use std::ffi::c_int;
use std::time::Duration;

use ffmpeg_next::ffi;

use crate::codec::{Codec, Frame};
use crate::error::check;
use crate::packet::some_time;
use crate::raw::read_enum;
use crate::scale::{Scaled, to_format};
use crate::{Error, ErrorKind, Input, Interrupt};

/// What to encode a [`Picture`] to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum PictureFormat {
    /// JPEG, 4:2:0, full range.
    Jpeg,
    /// PNG, 8 bits of red, green and blue.
    Png,
}

/// One decoded picture.
pub struct Picture {
    frame: Frame,
    pixel_aspect: (i32, i32),
    time: Option<Duration>,
}

/// The largest side and the most pixels of a picture that is decoded or made.
pub(crate) const LARGEST_SIDE: i32 = 16384;
const MOST_PIXELS: i64 = 1 << 26;

/// How far before the wanted time to look for a key frame when the demuxer's first answer was too late.
const STEPS_BACK: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_secs(3),
    Duration::from_secs(15),
    Duration::from_secs(120),
];

impl Picture {
    /// Decodes the picture of `stream` that is shown at `at`, counted from the input's first timestamp, or the first one.
    ///
    /// Past the end it is the last that can be decoded. The other streams of `input` are discarded, and the place where it
    /// reads from afterwards is undefined. Damaged packets are skipped.
    pub fn decode_at(
        input: &mut Input,
        stream: usize,
        at: Option<Duration>,
        interrupt: &Interrupt,
    ) -> Result<Self, Error> {
        let info = input
            .stream(stream)
            .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no stream {stream}")))?;
        for other in (0..input.stream_count()).filter(|&other| other != stream) {
            input.discard(other);
        }
        let Some(at) = at else {
            let found = Search::new(input, stream)?.run(input, None, interrupt)?;
            return found
                .best
                .map(|frame| Self::of(frame, info.pixel_aspect, None))
                .ok_or_else(nothing);
        };
        let at = input.duration().map_or(at, |end| at.min(end));
        let start = start_ticks(input, &info);
        let ticks = |time: Duration| to_ticks(time, info.time_base).saturating_add(start);
        let target = ticks(at);
        let mut best: Option<Frame> = None;
        for (attempt, back) in STEPS_BACK.into_iter().chain([at]).enumerate() {
            if attempt > 0 && back > at && back != at {
                continue;
            }
            // An input that can't seek is read on from where it is: there is no second attempt then.
            let sought = input.seek(at.saturating_sub(back));
            if interrupt.fired() {
                sought?;
            } else if sought.is_err() && attempt > 0 {
                continue;
            }
            let found = Search::new(input, stream)?.run(input, Some(target), interrupt)?;
            let in_time = found.in_time;
            best = found.best.or(best);
            if in_time {
                break;
            }
        }
        let frame = best.ok_or_else(nothing)?;
        let shown = pts_of(&frame).map(|pts| from_ticks(pts.saturating_sub(start), info.time_base));
        Ok(Self::of(frame, info.pixel_aspect, shown))
    }

    fn of(frame: Frame, of_stream: (i32, i32), time: Option<Duration>) -> Self {
        // SAFETY: a decoded frame's plain field.
        let of_frame = unsafe { (*frame.as_ptr()).sample_aspect_ratio };
        let pixel_aspect = match of_stream {
            (num, den) if num > 0 && den > 0 => (num, den),
            _ if of_frame.num > 0 && of_frame.den > 0 => (of_frame.num, of_frame.den),
            _ => (1, 1),
        };
        Self {
            frame,
            pixel_aspect,
            time,
        }
    }

    /// Columns of pixels as they are coded.
    pub fn width(&self) -> u32 {
        // SAFETY: a decoded frame's plain field.
        u32::try_from(unsafe { (*self.frame.as_ptr()).width }).unwrap_or(0)
    }

    /// Rows of pixels as they are coded.
    pub fn height(&self) -> u32 {
        // SAFETY: a decoded frame's plain field.
        u32::try_from(unsafe { (*self.frame.as_ptr()).height }).unwrap_or(0)
    }

    /// When the picture is shown, counted from the input's first timestamp; `None` when no time was asked for or none is
    /// known.
    pub fn time(&self) -> Option<Duration> {
        self.time
    }

    /// Scales, turns and encodes the picture.
    ///
    /// `width` is that of the result (its own when `None`); the height follows from the aspect ratio, that of the pixels
    /// included. `rotation` is in degrees clockwise and a multiple of 90. JPEG gets even sides.
    pub fn encode(self, format: PictureFormat, width: Option<u32>, rotation: u32) -> Result<Vec<u8>, Error> {
        if !rotation.is_multiple_of(90) {
            return Err(Error::new(
                ErrorKind::Internal,
                format!("a rotation by {rotation} degrees"),
            ));
        }
        let turns = rotation / 90 % 4;
        let (out_width, out_height) = self.result_size(format, width, turns % 2 == 1)?;
        let Scaled { frame, width, height } = to_format(&self.frame, format, out_width, out_height, turns)?;
        let mut encoder = Codec::encoder(match format {
            PictureFormat::Jpeg => "mjpeg",
            PictureFormat::Png => "png",
        })?;
        let context = encoder.as_ptr();
        // SAFETY: plain fields of a context that is not open yet, and of our frame; enums get values of their own.
        unsafe {
            (*context).width = width;
            (*context).height = height;
            (*context).time_base = ffi::AVRational { num: 1, den: 25 };
            crate::raw::write_enum!((*context).pix_fmt, (*frame.as_ptr()).format);
            if format == PictureFormat::Jpeg {
                crate::raw::write_enum!((*context).color_range, crate::scale::FULL_RANGE);
                (*context).flags |= ffi::AV_CODEC_FLAG_QSCALE as c_int;
                (*context).global_quality = JPEG_QUALITY;
                (*frame.as_ptr()).quality = JPEG_QUALITY;
            }
            (*frame.as_ptr()).pts = 0;
        }
        encoder.open("open a picture encoder")?;
        encoder.send_frame(Some(&frame))?;
        encoder.send_frame(None)?;
        match encoder.receive_packet()? {
            Some(packet) => Ok(packet.data().to_vec()),
            None => Err(Error::new(
                ErrorKind::Internal,
                "the picture encoder gave nothing",
            )),
        }
    }

    /// Width and height of the result, turned already.
    fn result_size(
        &self,
        format: PictureFormat,
        width: Option<u32>,
        sideways: bool,
    ) -> Result<(c_int, c_int), Error> {
        let (num, den) = (f64::from(self.pixel_aspect.0), f64::from(self.pixel_aspect.1));
        let shown = (f64::from(self.width()) * num / den, f64::from(self.height()));
        let (own_width, own_height) = if sideways { (shown.1, shown.0) } else { shown };
        let out_width = width.map_or(own_width, f64::from);
        let out_height = own_height * out_width / own_width.max(1.0);
        let side = |length: f64| match format {
            PictureFormat::Jpeg => ((length / 2.0).round() * 2.0).max(2.0),
            PictureFormat::Png => length.round().max(1.0),
        };
        let (out_width, out_height) = (side(out_width), side(out_height));
        let largest = f64::from(LARGEST_SIDE);
        if !(out_width <= largest && out_height <= largest) {
            let text = format!("a picture of {out_width} x {out_height}; {LARGEST_SIDE} is the most");
            return Err(Error::new(ErrorKind::LimitExceeded, text));
        }
        // Both are whole and at most 16384.
        Ok((out_width as c_int, out_height as c_int))
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Picture({} x {} at {:?})",
            self.width(),
            self.height(),
            self.time
        )
    }
}

/// Quantiser 3 of 2 to 31 in libav's unit (`FF_QP2LAMBDA`).
const JPEG_QUALITY: c_int = 118 * 3;

/// One pass over the packets from where the input is.
struct Search {
    decoder: Codec,
    stream: usize,
}

struct Found {
    /// The last frame not after the target, else the first after it.
    best: Option<Frame>,
    /// Whether `best` is not after the target.
    in_time: bool,
}

impl Search {
    fn new(input: &Input, stream: usize) -> Result<Self, Error> {
        let pointer = input.stream_ptr(stream).ok_or_else(nothing)?;
        // SAFETY: a stream of an open input; every stream has parameters, and the enum is read as an integer.
        let (parameters, id) = unsafe { ((*pointer).codecpar, read_enum!((*(*pointer).codecpar).codec_id)) };
        let mut decoder = Codec::decoder(id)?;
        // SAFETY: valid parameters, which are copied into a context that is not open yet.
        let code = unsafe { ffi::avcodec_parameters_to_context(decoder.as_ptr(), parameters) };
        check(code, "open a decoder")?;
        // SAFETY: plain fields of a context that is not open yet.
        unsafe {
            (*decoder.as_ptr()).pkt_timebase = (*pointer).time_base;
            (*decoder.as_ptr()).max_pixels = MOST_PIXELS;
            (*decoder.as_ptr()).thread_count = 1;
        }
        decoder.open("open a decoder")?;
        Ok(Self { decoder, stream })
    }

    /// Without a target the first frame will do.
    fn run(mut self, input: &mut Input, target: Option<i64>, interrupt: &Interrupt) -> Result<Found, Error> {
        let mut found = Found {
            best: None,
            in_time: false,
        };
        loop {
            if interrupt.fired() {
                let (kind, why) = match interrupt.is_cancelled() {
                    true => (ErrorKind::Cancelled, "cancelled"),
                    false => (ErrorKind::TimedOut, "no picture in time"),
                };
                return Err(Error::new(kind, format!("decode a picture: {why}")));
            }
            let packet = match input.read() {
                Ok(packet) => packet,
                Err(error) if matches!(error.kind, ErrorKind::Cancelled | ErrorKind::TimedOut) => {
                    return Err(error);
                }
                // A damaged file ends here.
                Err(_) => None,
            };
            if packet
                .as_ref()
                .is_some_and(|packet| packet.stream() != self.stream)
            {
                continue;
            }
            let last = packet.is_none();
            // What can't be decoded is skipped.
            let _ = self.decoder.send_packet(packet.as_ref());
            loop {
                let mut frame = Frame::new()?;
                if !self.decoder.receive_frame(&mut frame).unwrap_or(false) {
                    break;
                }
                // SAFETY: a decoded frame's plain fields.
                let (width, height) = unsafe { ((*frame.as_ptr()).width, (*frame.as_ptr()).height) };
                if !(1..=LARGEST_SIDE).contains(&width) || !(1..=LARGEST_SIDE).contains(&height) {
                    continue;
                }
                let Some(target) = target else {
                    return Ok(Found {
                        best: Some(frame),
                        in_time: true,
                    });
                };
                if pts_of(&frame).is_some_and(|pts| pts > target) {
                    if found.best.is_none() {
                        found.best = Some(frame);
                    }
                    return Ok(found);
                }
                found = Found {
                    best: Some(frame),
                    in_time: true,
                };
            }
            if last {
                return Ok(found);
            }
        }
    }
}

fn pts_of(frame: &Frame) -> Option<i64> {
    // SAFETY: a decoded frame's plain fields.
    let (best, pts) = unsafe { ((*frame.as_ptr()).best_effort_timestamp, (*frame.as_ptr()).pts) };
    some_time(best).or(some_time(pts))
}

/// The input's first timestamp in the stream's ticks.
fn start_ticks(input: &Input, info: &crate::StreamInfo) -> i64 {
    match input.start_micros() {
        Some(micros) if micros < 0 => {
            to_ticks(Duration::from_micros(micros.unsigned_abs()), info.time_base).saturating_neg()
        }
        Some(micros) => to_ticks(Duration::from_micros(micros.unsigned_abs()), info.time_base),
        None => info.start_time.unwrap_or(0),
    }
}

fn to_ticks(time: Duration, (num, den): (i32, i32)) -> i64 {
    let (num, den) = (
        u128::from(num.max(1).unsigned_abs()),
        u128::from(den.max(1).unsigned_abs()),
    );
    i64::try_from(time.as_micros().saturating_mul(den) / (num * 1_000_000)).unwrap_or(i64::MAX)
}

fn from_ticks(ticks: i64, (num, den): (i32, i32)) -> Duration {
    let (num, den) = (
        u128::from(num.max(1).unsigned_abs()),
        u128::from(den.max(1).unsigned_abs()),
    );
    let micros = u128::from(u64::try_from(ticks).unwrap_or(0)) * num * 1_000_000 / den;
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

fn nothing() -> Error {
    Error::new(ErrorKind::Malformed, "no picture could be decoded")
}
