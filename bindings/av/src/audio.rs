//! [`Transcoder`]: compressed audio in, compressed audio of another codec out.

use std::ffi::c_int;

use bytes::Bytes;
use ffmpeg_next::ffi;

use crate::codec::{Codec, Frame, codec_id, codec_name, padded};
use crate::muxer::OutputTrack;
use crate::packet::{Packet, some_time};
use crate::raw::write_enum;
use crate::resample::Samples;
use crate::{Error, ErrorKind, StreamInfo, log};

/// Compressed audio as its container describes it.
#[derive(Clone, Debug, Default)]
pub struct AudioParameters {
    /// libav's name of the codec: `pcm_mulaw`, `adpcm_g726`, `aac`.
    pub codec: String,
    /// Decoder configuration.
    pub extradata: Bytes,
    /// Hertz; also the ticks per second of the times given to [`Transcoder::push`].
    pub sample_rate: u32,
    /// Loudspeakers.
    pub channels: u32,
    /// Bits per coded sample (G.726 needs it).
    pub bits_per_sample: u32,
    /// Bytes per block.
    pub block_align: u32,
}

impl From<&StreamInfo> for AudioParameters {
    fn from(stream: &StreamInfo) -> Self {
        Self {
            codec: stream.codec.clone(),
            extradata: stream.extradata.clone(),
            sample_rate: stream.sample_rate,
            channels: stream.channels,
            bits_per_sample: stream.bits_per_sample,
            block_align: stream.block_align,
        }
    }
}

/// What to encode to.
#[derive(Clone, Debug, Default)]
pub struct TargetAudio {
    /// libav's name of the encoder: `aac`, `libmp3lame`, `libopus`, `flac`, `pcm_s16le`.
    pub codec: String,
    /// Bits per second; 64 000 for each channel when `None`. Ignored by lossless codecs.
    pub bit_rate: Option<u32>,
    /// Hertz; the source's, or the next that the encoder can do, when `None`.
    pub sample_rate: Option<u32>,
    /// Loudspeakers; the source's, as far as the encoder can, when `None`.
    pub channels: Option<u32>,
}

/// One encoded unit.
#[derive(Clone, Debug)]
pub struct EncodedPacket {
    /// When it is heard, in ticks of 1/[`Transcoder::sample_rate`]. Encoders put some samples of their own in front
    /// ([`Transcoder::initial_padding`]): the first packet is that much before the first sample's time, perhaps below 0.
    pub pts: i64,
    /// How long it lasts in the same ticks.
    pub duration: i64,
    /// Its bytes; empty where the encoder only gives a final configuration.
    pub data: Bytes,
    /// A configuration that replaces [`Transcoder::extradata`] (FLAC tells length and checksum at the end).
    pub new_extradata: Option<Bytes>,
}

/// Decodes, resamples and encodes one track.
///
/// A packet that can't be decoded is skipped and counted; a place where the source's times jump ahead is filled with
/// silence up to the next frame of the encoder, from where the times go on with the source's.
pub struct Transcoder {
    decoder: Codec,
    encoder: Codec,
    samples: Samples,
    frame: Frame,
    from_rate: u32,
    rate: u32,
    /// The time of the first sample in the queue, in ticks of `rate`.
    next: Option<i64>,
    /// Added to the source's times.
    shift: i64,
    skipped: u64,
    flushed: bool,
}

/// More than this much later than expected, in milliseconds, is a gap; earlier, an overlap.
const TOLERANCE_MS: i64 = 40;

/// Capabilities in libav's bits: a shorter last frame, frames of any length.
const SMALL_LAST_FRAME: c_int = 1 << 6;
const VARIABLE_FRAME_SIZE: c_int = 1 << 16;

/// Samples per frame for encoders that take any number.
const ANY_FRAME: c_int = 1024;

impl Transcoder {
    /// Opens both codecs.
    pub fn new(from: &AudioParameters, to: &TargetAudio) -> Result<Self, Error> {
        log::install();
        if !(1..=768_000).contains(&from.sample_rate) || from.channels > 64 {
            let text = format!("audio of {} Hz and {} channels", from.sample_rate, from.channels);
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        let decoder = open_decoder(from)?;
        let wanted = to
            .channels
            .unwrap_or(from.channels)
            .clamp(1, most_channels(&to.codec));
        let encoder = match open_encoder(from, to, wanted) {
            // Not every number of channels has a layout that the encoder knows.
            Err(_) if wanted > 2 && to.channels.is_none() => open_encoder(from, to, 2)?,
            other => other?,
        };
        // SAFETY: an open encoder's plain field.
        let rate = u32::try_from(unsafe { (*encoder.as_ptr()).sample_rate }).unwrap_or(1);
        Ok(Self {
            samples: Samples::new(&encoder)?,
            decoder,
            encoder,
            frame: Frame::new()?,
            from_rate: from.sample_rate,
            rate,
            next: None,
            shift: 0,
            skipped: 0,
            flushed: false,
        })
    }

    /// Hertz of the result, and the ticks per second of its times.
    pub fn sample_rate(&self) -> u32 {
        self.rate
    }

    /// Loudspeakers of the result.
    pub fn channels(&self) -> u32 {
        // SAFETY: an open encoder's plain field.
        u32::try_from(unsafe { (*self.encoder.as_ptr()).ch_layout.nb_channels }).unwrap_or(1)
    }

    /// Samples per packet; 0 when packets may have any length.
    pub fn frame_size(&self) -> u32 {
        // SAFETY: an open encoder's plain field.
        u32::try_from(unsafe { (*self.encoder.as_ptr()).frame_size }).unwrap_or(0)
    }

    /// Samples that the encoder put in front of the first one.
    pub fn initial_padding(&self) -> u32 {
        // SAFETY: an open encoder's plain field.
        u32::try_from(unsafe { (*self.encoder.as_ptr()).initial_padding }).unwrap_or(0)
    }

    /// Decoder configuration of the result: ASC for AAC, `OpusHead`, FLAC's STREAMINFO; empty for MP3 and PCM.
    pub fn extradata(&self) -> Bytes {
        let context = self.encoder.as_ptr();
        // SAFETY: an open encoder's plain fields.
        let (data, size) = unsafe { ((*context).extradata, (*context).extradata_size) };
        match usize::try_from(size) {
            // SAFETY: libav says that `size` bytes are there; they are copied.
            Ok(size) if size > 0 && !data.is_null() => unsafe {
                Bytes::copy_from_slice(std::slice::from_raw_parts(data, size))
            },
            _ => Bytes::new(),
        }
    }

    fn bit_rate(&self) -> i64 {
        // SAFETY: an open encoder's plain field.
        unsafe { (*self.encoder.as_ptr()).bit_rate }
    }

    /// Packets that could not be decoded so far.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The result as a track for [`Output`](crate::Output).
    pub fn output_track(&self) -> OutputTrack {
        OutputTrack {
            codec: codec_name(self.encoder.id()),
            extradata: self.extradata(),
            sample_rate: self.rate,
            channels: self.channels(),
            bit_rate: self.bit_rate(),
            initial_padding: self.initial_padding(),
            frame_size: self.frame_size(),
        }
    }

    /// Takes one packet; `pts` in ticks of the source's sample rate, without it the packet follows the one before.
    pub fn push(&mut self, data: &[u8], pts: Option<i64>) -> Result<Vec<EncodedPacket>, Error> {
        if self.flushed {
            return Err(Error::new(
                ErrorKind::Internal,
                "audio after the end of the transcoder",
            ));
        }
        let mut out = Vec::new();
        if data.is_empty() {
            return Ok(out);
        }
        let packet = Packet::copy_of(data)?;
        // SAFETY: plain fields of our packet.
        unsafe {
            (*packet.as_ptr()).pts = pts.unwrap_or(ffi::AV_NOPTS_VALUE);
            (*packet.as_ptr()).dts = (*packet.as_ptr()).pts;
            (*packet.as_ptr()).flags = ffi::AV_PKT_FLAG_KEY as c_int;
        }
        if let Err(error) = self.decoder.send_packet(Some(&packet)) {
            self.skip(&error)?;
        }
        self.decode(&mut out)?;
        Ok(out)
    }

    /// Gives what is still inside. After this, [`Transcoder::push`] is an error.
    pub fn flush(&mut self) -> Result<Vec<EncodedPacket>, Error> {
        let mut out = Vec::new();
        if std::mem::replace(&mut self.flushed, true) {
            return Ok(out);
        }
        if let Err(error) = self.decoder.send_packet(None) {
            self.skip(&error)?;
        }
        self.decode(&mut out)?;
        self.samples.drain(&self.encoder)?;
        self.encode_full(&mut out)?;
        let rest = self.samples.len();
        if rest > 0 {
            if self.capabilities() & (SMALL_LAST_FRAME | VARIABLE_FRAME_SIZE) == 0 {
                self.samples
                    .push_silence(i64::from(self.unit()) - rest, &self.encoder)?;
            }
            let count = c_int::try_from(self.samples.len()).unwrap_or(0);
            self.encode(count, &mut out)?;
        }
        self.encoder.send_frame(None)?;
        self.collect(&mut out)?;
        Ok(out)
    }

    fn skip(&mut self, error: &Error) -> Result<(), Error> {
        if error.kind == ErrorKind::LimitExceeded {
            return Err(error.clone());
        }
        self.skipped = self.skipped.saturating_add(1);
        tracing::debug!(target: "libav", skipped = self.skipped, "a packet of audio was skipped: {error}");
        Ok(())
    }

    /// Takes every frame that the decoder has.
    fn decode(&mut self, out: &mut Vec<EncodedPacket>) -> Result<(), Error> {
        loop {
            match self.decoder.receive_frame(&mut self.frame) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => return self.skip(&error),
            }
            // SAFETY: a decoded frame's plain fields.
            let (pts, count, rate, channels) = unsafe {
                let frame = self.frame.as_ptr();
                let channels = (*frame).ch_layout.nb_channels;
                ((*frame).pts, (*frame).nb_samples, (*frame).sample_rate, channels)
            };
            if count <= 0 || rate <= 0 || !(1..=64).contains(&channels) {
                continue;
            }
            let length = rescale(i64::from(count), rate.unsigned_abs(), self.rate);
            let overlap = self.place(some_time(pts), length, out)?;
            self.samples.push(&self.frame, &self.encoder, overlap)?;
            self.encode_full(out)?;
        }
    }

    /// Makes the queue end where a frame that begins at `pts` begins; answers how many of its samples to leave out.
    fn place(&mut self, pts: Option<i64>, length: i64, out: &mut Vec<EncodedPacket>) -> Result<i64, Error> {
        let Some(pts) = pts else {
            self.next.get_or_insert(0);
            return Ok(0);
        };
        let mut pts = rescale(pts, self.from_rate, self.rate).saturating_add(self.shift);
        let Some(next) = self.next else {
            self.next = Some(pts);
            return Ok(0);
        };
        let waiting = self
            .samples
            .len()
            .saturating_add(self.samples.delay(&self.encoder));
        let expected = next.saturating_add(waiting);
        let tolerance = i64::from(self.rate) * TOLERANCE_MS / 1000;
        let ahead = pts.saturating_sub(expected);
        if ahead < -i64::from(self.rate) {
            // A second or more back is another clock, not an overlap: go on from here.
            self.shift = self.shift.saturating_sub(ahead);
            pts = expected;
        }
        if pts < expected.saturating_sub(tolerance) {
            return Ok(expected.saturating_sub(pts).min(length));
        }
        if pts <= expected.saturating_add(tolerance) {
            return Ok(0);
        }
        self.samples.drain(&self.encoder)?;
        self.encode_full(out)?;
        let missing = pts.saturating_sub(self.next.unwrap_or(next).saturating_add(self.samples.len()));
        let unit = i64::from(self.unit());
        let room = match self.samples.len() {
            0 => 0,
            waiting => unit.saturating_sub(waiting),
        };
        if missing <= unit {
            self.samples.push_silence(missing, &self.encoder)?;
            self.encode_full(out)?;
        } else {
            self.samples.push_silence(room, &self.encoder)?;
            self.encode_full(out)?;
            self.next = Some(pts);
        }
        Ok(0)
    }

    /// Samples per frame as the encoder wants them.
    fn unit(&self) -> c_int {
        // SAFETY: an open encoder's plain field.
        match unsafe { (*self.encoder.as_ptr()).frame_size } {
            size if size > 0 => size,
            _ => ANY_FRAME,
        }
    }

    fn capabilities(&self) -> c_int {
        // SAFETY: codecs are static.
        unsafe { (*self.encoder.codec()).capabilities }
    }

    fn encode_full(&mut self, out: &mut Vec<EncodedPacket>) -> Result<(), Error> {
        let unit = self.unit();
        while self.samples.len() >= i64::from(unit) {
            self.encode(unit, out)?;
        }
        Ok(())
    }

    fn encode(&mut self, count: c_int, out: &mut Vec<EncodedPacket>) -> Result<(), Error> {
        let frame = self.samples.take(count, &self.encoder)?;
        let pts = self.next.unwrap_or(0);
        // SAFETY: a plain field of our frame.
        unsafe { (*frame.as_ptr()).pts = pts };
        self.next = Some(pts.saturating_add(i64::from(count)));
        self.encoder.send_frame(Some(&frame))?;
        self.collect(out)
    }

    fn collect(&mut self, out: &mut Vec<EncodedPacket>) -> Result<(), Error> {
        while let Some(packet) = self.encoder.receive_packet()? {
            out.push(EncodedPacket {
                pts: packet.pts().unwrap_or(0),
                duration: match packet.duration() {
                    length if length > 0 => length,
                    _ => i64::from(self.frame_size()),
                },
                new_extradata: packet.new_extradata(),
                data: packet.into_bytes(),
            });
        }
        Ok(())
    }
}

impl std::fmt::Debug for Transcoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transcoder")
            .field("decoder", &codec_name(self.decoder.id()))
            .field("encoder", &codec_name(self.encoder.id()))
            .field("skipped", &self.skipped)
            .finish_non_exhaustive()
    }
}

fn open_decoder(from: &AudioParameters) -> Result<Codec, Error> {
    let mut decoder = Codec::decoder(codec_id(&from.codec)?)?;
    let context = decoder.as_ptr();
    let (extradata, extradata_size) = padded(&from.extradata)?;
    // SAFETY: plain fields of a context that is not open yet; it takes over `extradata`.
    unsafe {
        (*context).extradata = extradata;
        (*context).extradata_size = extradata_size;
        (*context).sample_rate = small(from.sample_rate);
        (*context).bits_per_coded_sample = small(from.bits_per_sample);
        (*context).block_align = small(from.block_align);
        (*context).pkt_timebase = ffi::AVRational {
            num: 1,
            den: small(from.sample_rate),
        };
        if from.channels > 0 {
            ffi::av_channel_layout_default(&raw mut (*context).ch_layout, small(from.channels));
        }
    }
    decoder.open(&format!("open a decoder for {}", from.codec))?;
    Ok(decoder)
}

fn open_encoder(from: &AudioParameters, to: &TargetAudio, channels: u32) -> Result<Codec, Error> {
    let mut encoder = Codec::encoder(&to.codec)?;
    let rate = nearest_rate(&encoder, to.sample_rate.unwrap_or(from.sample_rate));
    let mut bit_rate = i64::from(to.bit_rate.unwrap_or(64_000 * channels));
    if to.codec == "aac" {
        // ISO/IEC 14496-3, 4.5.3.3: a channel has 6144 bits for each 1024 samples.
        bit_rate = bit_rate.min(i64::from(rate) * 6 * i64::from(channels));
    }
    let context = encoder.as_ptr();
    // SAFETY: plain fields of a context that is not open yet; the list of formats is null or ends with -1.
    unsafe {
        let formats = (*encoder.codec()).sample_fmts.cast::<c_int>();
        if !formats.is_null() && formats.read() >= 0 {
            write_enum!((*context).sample_fmt, formats.read());
        }
        (*context).sample_rate = small(rate);
        (*context).time_base = ffi::AVRational {
            num: 1,
            den: small(rate),
        };
        (*context).bit_rate = bit_rate;
        (*context).flags |= ffi::AV_CODEC_FLAG_GLOBAL_HEADER as c_int;
        ffi::av_channel_layout_default(&raw mut (*context).ch_layout, small(channels));
    }
    encoder.open(&format!(
        "open the encoder {} at {rate} Hz, {channels} channels",
        to.codec
    ))?;
    Ok(encoder)
}

/// `wanted`, or the next rate above it that the encoder can do, or its highest.
fn nearest_rate(encoder: &Codec, wanted: u32) -> u32 {
    // SAFETY: codecs are static.
    let list = unsafe { (*encoder.codec()).supported_samplerates };
    if list.is_null() {
        return wanted;
    }
    let (mut above, mut highest) = (u32::MAX, 0);
    for i in 0.. {
        // SAFETY: the list ends with 0, and nothing behind that is read.
        let rate = small_back(unsafe { list.add(i).read() });
        if rate == 0 {
            break;
        }
        highest = highest.max(rate);
        if rate >= wanted {
            above = above.min(rate);
        }
    }
    if above == u32::MAX { highest } else { above }
}

fn most_channels(encoder: &str) -> u32 {
    if encoder == "libmp3lame" { 2 } else { 8 }
}

/// `ticks` in another number of ticks per second, rounded to nearest.
fn rescale(ticks: i64, from: u32, to: u32) -> i64 {
    let (from, to) = (i128::from(from.max(1)), i128::from(to));
    let value = (i128::from(ticks) * to * 2 + from).div_euclid(from * 2);
    i64::try_from(value).unwrap_or(if ticks < 0 { i64::MIN } else { i64::MAX })
}

fn small(value: u32) -> c_int {
    c_int::try_from(value).unwrap_or(c_int::MAX)
}

fn small_back(value: c_int) -> u32 {
    u32::try_from(value).unwrap_or(0)
}
