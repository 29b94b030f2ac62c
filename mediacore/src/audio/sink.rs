//! Where encoded sound goes: a file of libav's muxers, or an MP4 of our own.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::time::Duration;

use crate::codec::{Codec, Language, Media, Rotation, Track};
use crate::error::{Error, ErrorKind, Result};
use crate::mp4::moov::{MovieTrack, SampleTables, TrackTables};
use crate::mp4::{Run, SampleRow, sample_entry};
use crate::record::finish::{Preference, Unfinished, block_size};
use crate::record::place::Room;
use crate::remux::target::Target;
use crate::source::libav;
use crate::time::{Ticks, Timescale};

use super::Format;

/// Samples in one chunk of an MP4: about a second.
const CHUNK: usize = 48;
/// Room for the `moov` of a few minutes; more is made when it does not fit.
const ROOM: u64 = 16 << 10;

/// An audio file that is being written.
pub(super) struct Sink {
    inner: Inner,
    rate: u32,
    /// Where the last packet ends, in ticks of `rate`.
    end: i64,
}

enum Inner {
    Muxed(av::Output),
    Movie(Box<Movie>),
}

impl Sink {
    /// For packets as `stream` has them.
    pub(super) fn copy(target: &Target, format: Format, stream: &av::StreamInfo) -> Result<Self> {
        let is_opus = format == Format::Opus;
        let rate = if is_opus { 48_000 } else { stream.sample_rate };
        // `OpusHead` (RFC 7845, 5.1): the pre-skip in its bytes 10 and 11.
        let pre_skip = match stream.extradata.get(10..12) {
            Some(&[low, high]) if is_opus => u32::from(u16::from_le_bytes([low, high])),
            _ => 0,
        };
        let track = av::OutputTrack {
            codec: stream.codec.clone(),
            extradata: stream.extradata.clone(),
            sample_rate: rate,
            channels: stream.channels,
            bit_rate: stream.bit_rate,
            initial_padding: pre_skip,
            frame_size: 0,
        };
        Self::muxed(target, format, track)
    }

    /// For what `transcoder` gives.
    pub(super) fn encoded(
        target: &Target,
        format: Format,
        transcoder: &av::Transcoder,
        stream: &av::StreamInfo,
    ) -> Result<Self> {
        if format != Format::M4a {
            return Self::muxed(target, format, transcoder.output_track());
        }
        let language = stream.language.as_deref().map(Language::new).unwrap_or_default();
        Ok(Self {
            rate: transcoder.sample_rate(),
            inner: Inner::Movie(Box::new(Movie::new(target, transcoder, language)?)),
            end: 0,
        })
    }

    fn muxed(target: &Target, format: Format, track: av::OutputTrack) -> Result<Self> {
        let name = match format {
            Format::Opus => "ogg",
            Format::Flac => "flac",
            Format::Wav => "wav",
            Format::Mp3 | Format::M4a => "mp3",
        };
        let rate = track.sample_rate;
        let output = av::Output::create(target.temporary(), name, &[track]).map_err(libav::error)?;
        Ok(Self {
            inner: Inner::Muxed(output),
            rate,
            end: 0,
        })
    }

    /// Where the last packet ends, in ticks of the sink.
    pub(super) fn end(&self) -> i64 {
        self.end
    }

    /// Length of what was written, from zero on.
    pub(super) fn duration(&self) -> Duration {
        let base = Timescale::new(self.rate).unwrap_or(Timescale::MPEG).base();
        Ticks(self.end).to_duration(base)
    }

    pub(super) fn write(&mut self, packet: &av::EncodedPacket) -> Result<()> {
        if !packet.data.is_empty() {
            self.end = packet.pts.saturating_add(packet.duration.max(0));
        }
        match &mut self.inner {
            Inner::Muxed(output) => output.write(0, packet).map_err(libav::error),
            Inner::Movie(movie) => movie.write(packet),
        }
    }

    pub(super) fn finish(self, target: &Target) -> Result<()> {
        match self.inner {
            Inner::Muxed(output) => output.finish().map_err(libav::error),
            Inner::Movie(movie) => movie.finish(target),
        }
    }
}

/// An MP4 with one AAC track.
struct Movie {
    track: MovieTrack,
    out: BufWriter<File>,
    room: Room,
    end: u64,
    /// Samples that the encoder put in front; decoding times begin with them.
    priming: i64,
    tables: SampleTables,
    run: Run,
    run_start: u64,
}

impl Movie {
    fn new(target: &Target, transcoder: &av::Transcoder, language: Language) -> Result<Self> {
        let track = Track {
            codec: Codec::Aac,
            setup: transcoder.extradata(),
            media: Media::Audio {
                sample_rate: transcoder.sample_rate(),
                channels: transcoder.channels(),
                packet: transcoder.frame_size(),
            },
            language,
            rotation: Rotation::None,
        };
        let mut file = target.file().try_clone().map_err(|e| target.failed(e))?;
        let room = Room::new(ROOM, block_size(&file));
        file.write_all(&room.header())
            .and_then(|()| file.seek(SeekFrom::Start(room.end)))
            .map_err(|e| target.failed(e))?;
        Ok(Self {
            track: MovieTrack::new(1, &track, sample_entry::write(&track)),
            out: BufWriter::with_capacity(1 << 20, file),
            room,
            end: room.end,
            priming: i64::from(transcoder.initial_padding()),
            tables: SampleTables::default(),
            run: Run {
                track: 1,
                dts: 0,
                rows: Vec::new(),
            },
            run_start: room.end,
        })
    }

    fn write(&mut self, packet: &av::EncodedPacket) -> Result<()> {
        if packet.data.is_empty() {
            return Ok(());
        }
        let dts = u64::try_from(packet.pts.saturating_add(self.priming)).unwrap_or(0);
        let next = self.run.dts.saturating_add(self.run.duration());
        // A hole ends the chunk: the last sample before it becomes longer.
        if self.run.rows.len() >= CHUNK || (!self.run.rows.is_empty() && dts != next) {
            self.end_run();
        }
        if self.run.rows.is_empty() {
            (self.run.dts, self.run_start) = (dts, self.end);
        }
        self.run.rows.push(SampleRow {
            size: u32::try_from(packet.data.len()).unwrap_or(u32::MAX),
            duration: u32::try_from(packet.duration).unwrap_or(0),
            composition: 0,
            sync: true,
        });
        self.end += packet.data.len() as u64;
        let written = self.out.write_all(&packet.data);
        written.map_err(|e| Error::storage("write the sound", e))
    }

    fn end_run(&mut self) {
        self.tables.push(self.run_start, &self.run);
        self.run.rows.clear();
    }

    fn finish(mut self, target: &Target) -> Result<()> {
        self.end_run();
        let file = self.out.into_inner().map_err(|e| target.failed(e.into_error()))?;
        let tables = [TrackTables {
            track: self.track,
            start: self.priming,
            first: None,
            end: None,
            tables: self.tables,
        }];
        let unfinished = Unfinished {
            path: target.temporary(),
            file: &file,
            room: self.room,
            media_end: self.end,
            tracks: &tables,
        };
        let finished = unfinished.finish(Preference::Auto, &mut |_| Ok(()), &|_, _| ());
        finished.map(drop).map_err(|error| match error.kind() {
            ErrorKind::Cancelled => error,
            _ => error.context("finish the sound"),
        })
    }
}
