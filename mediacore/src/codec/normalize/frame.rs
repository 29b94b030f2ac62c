use bytes::{Bytes, BytesMut};

use super::{Change, Description, Stream, Unit, Units};
use crate::codec::av1::{self, SequenceHeader};
use crate::codec::vp9::{FrameHeader, KeyFrame};
use crate::codec::{MAX_SET, Media, limit, malformed, unsupported};
use crate::error::Result;

/// AV1 temporal units: what MP4 leaves out is taken out.
#[derive(Debug, Default)]
pub(super) struct Av1Stream {
    known: Option<(SequenceHeader, Description)>,
    /// The sequence header OBU in force, whole.
    sequence: Bytes,
    pending: Option<Change>,
}

impl Av1Stream {
    pub(super) fn new(extradata: &Bytes) -> Self {
        let mut stream = Self::default();
        // A broken configuration is no loss: key frames bring the sequence header.
        let _ = stream.configure(extradata);
        stream
    }

    /// Takes `av1C` or plain OBUs.
    fn configure(&mut self, extradata: &Bytes) -> Result<()> {
        let record = extradata.first() == Some(&0x81) && extradata.len() >= 4;
        let units = extradata.get(if record { 4 } else { 0 }..).unwrap_or_default();
        let fresh = self.known.is_none();
        for obu in av1::obus(units)
            .flatten()
            .filter(|obu| obu.kind == av1::OBU_SEQUENCE_HEADER)
        {
            self.take_sequence(&obu)?;
        }
        if fresh
            && record
            && let Some((_, description)) = &mut self.known
        {
            description.setup = extradata.clone();
        }
        Ok(())
    }

    fn take_sequence(&mut self, obu: &av1::Obu<'_>) -> Result<()> {
        if obu.whole == self.sequence {
            return Ok(());
        }
        if obu.whole.len() > MAX_SET {
            return Err(limit(format!("AV1 sequence header of {} bytes", obu.whole.len())));
        }
        let header = SequenceHeader::parse(obu.payload)?;
        let change = self.known.as_ref().map(|(before, _)| {
            let shape = |header: &SequenceHeader| {
                (
                    header.width,
                    header.height,
                    header.depth,
                    header.subsampling,
                    header.monochrome,
                )
            };
            if shape(before) == shape(&header) {
                Change::Parameters
            } else {
                Change::Picture
            }
        });
        if self.pending != Some(Change::Picture) {
            self.pending = change.or(self.pending);
        }
        let description = Description {
            setup: header.to_config(obu.whole).into(),
            media: Media::Video {
                width: header.width,
                height: header.height,
                pixel_aspect: (0, 0),
            },
            reorder: Some(0),
            frame_rate: header.frame_rate,
        };
        self.sequence = Bytes::copy_from_slice(obu.whole);
        self.known = Some((header, description));
        Ok(())
    }
}

impl Stream for Av1Stream {
    fn description(&self) -> Option<&Description> {
        self.known.as_ref().map(|(_, description)| description)
    }

    fn push(&mut self, data: Bytes, extradata: Option<Bytes>) -> Result<Units> {
        if let Some(extradata) = extradata {
            self.configure(&extradata)?;
        }
        // What is left out usually stands in front: then the rest is handed on without a copy.
        let mut kept_from = 0;
        let mut holes = false;
        let mut kept = false;
        let mut key = None;
        for obu in av1::obus(&data) {
            let obu = obu.ok_or_else(|| {
                malformed(format!(
                    "AV1 packet of {} bytes: an OBU leads beyond its end",
                    data.len()
                ))
            })?;
            if obu.is_left_out() {
                if kept {
                    holes = true;
                } else {
                    kept_from += obu.whole.len();
                }
                continue;
            }
            kept = true;
            match obu.kind {
                av1::OBU_SEQUENCE_HEADER => self.take_sequence(&obu)?,
                av1::OBU_FRAME | av1::OBU_FRAME_HEADER if key.is_none() => {
                    let still = self.known.as_ref().is_some_and(|(header, _)| header.still);
                    key = Some(still || av1::is_key_frame(obu.payload));
                }
                _ => {}
            }
        }
        if self.known.is_none() || !kept {
            return Ok(Units::default());
        }
        let sample = if holes {
            let mut out = BytesMut::with_capacity(data.len());
            for obu in av1::obus(&data).flatten().filter(|obu| !obu.is_left_out()) {
                out.extend_from_slice(obu.whole);
            }
            out.freeze()
        } else {
            data.slice(kept_from..)
        };
        Ok(Units::one(Unit {
            data: sample,
            sync: key,
            duration: None,
            changed: self.pending.take(),
        }))
    }
}

/// VP9 frames, as they are.
#[derive(Debug)]
pub(super) struct Vp9Stream {
    known: Option<(KeyFrame, Description)>,
    frame_rate: Option<(u32, u32)>,
}

impl Vp9Stream {
    pub(super) const fn new(frame_rate: Option<(u32, u32)>) -> Self {
        Self {
            known: None,
            frame_rate,
        }
    }

    fn take_key(&mut self, key: KeyFrame) -> Result<Option<Change>> {
        if key.subsampling == (false, true) {
            return Err(unsupported("VP9 with 4:4:0 chroma: vpcC can't tell it"));
        }
        let before = self.known.as_ref().map(|(before, _)| *before);
        if before == Some(key) {
            return Ok(None);
        }
        let description = Description {
            setup: key.to_config(self.frame_rate).into(),
            media: Media::Video {
                width: key.width,
                height: key.height,
                pixel_aspect: (0, 0),
            },
            reorder: Some(0),
            frame_rate: None,
        };
        self.known = Some((key, description));
        Ok(before.map(|before| {
            if before
                == (KeyFrame {
                    colour: before.colour,
                    ..key
                })
            {
                Change::Parameters
            } else {
                Change::Picture
            }
        }))
    }
}

impl Stream for Vp9Stream {
    fn description(&self) -> Option<&Description> {
        self.known.as_ref().map(|(_, description)| description)
    }

    fn push(&mut self, data: Bytes, _: Option<Bytes>) -> Result<Units> {
        let header = FrameHeader::parse(&data)?.ok_or_else(|| {
            malformed(format!(
                "VP9 packet of {} bytes does not begin with a frame",
                data.len()
            ))
        })?;
        let changed = match header {
            FrameHeader::Key(key) => self.take_key(key)?,
            FrameHeader::Other => None,
        };
        if self.known.is_none() {
            return Ok(Units::default());
        }
        Ok(Units::one(Unit {
            data,
            sync: Some(matches!(header, FrameHeader::Key(_))),
            duration: None,
            changed,
        }))
    }
}
