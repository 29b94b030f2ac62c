use bytes::Bytes;

use super::{Change, Description, Stream, Unit, Units};
use crate::codec::aac::{AdtsHeader, AudioConfig};
use crate::codec::{Media, malformed, unsupported};
use crate::error::Result;

/// AAC with ADTS headers (MPEG-TS) or raw with an `AudioSpecificConfig` aside.
#[derive(Debug)]
pub(super) struct AacStream {
    known: Option<(AudioConfig, Description)>,
    header: Option<AdtsHeader>,
}

impl AacStream {
    pub(super) fn new(extradata: &Bytes) -> Result<Self> {
        let mut stream = Self {
            known: None,
            header: None,
        };
        if !extradata.is_empty() {
            stream.configure(extradata.clone())?;
        }
        Ok(stream)
    }

    fn configure(&mut self, setup: Bytes) -> Result<Option<Change>> {
        let config = AudioConfig::parse(&setup)?;
        let before = self.known.as_ref().map(|(config, _)| *config);
        if before == Some(config) {
            return Ok(None);
        }
        let media = Media::Audio {
            sample_rate: config.sample_rate,
            channels: config.channels,
            packet: config.packet,
        };
        let description = Description {
            setup,
            media,
            reorder: None,
            frame_rate: None,
        };
        self.known = Some((config, description));
        Ok(before.map(|_| Change::Sound))
    }

    fn unit(&self, data: Bytes, changed: Option<Change>) -> Option<Unit> {
        let (config, _) = self.known.as_ref()?;
        Some(Unit {
            data,
            sync: None,
            duration: Some(config.packet),
            changed,
        })
    }

    fn frame(&mut self, header: AdtsHeader, frame: Bytes) -> Result<Option<Unit>> {
        if header.blocks > 1 {
            return Err(unsupported(format!(
                "ADTS frame of {} raw data blocks",
                header.blocks
            )));
        }
        let mut changed = None;
        if self.header.is_none_or(|before| !before.same_setup(&header)) {
            // A configuration that came aside may say more than the header can (SBR): the header must contradict it.
            if self.known.is_none() || self.header.is_some() {
                changed = self.configure(header.to_config(&frame)?)?;
            }
            self.header = Some(header);
        }
        Ok(self.unit(frame, changed))
    }
}

impl Stream for AacStream {
    fn description(&self) -> Option<&Description> {
        self.known.as_ref().map(|(_, description)| description)
    }

    fn push(&mut self, data: Bytes, extradata: Option<Bytes>) -> Result<Units> {
        let mut changed = match extradata {
            Some(setup) if !setup.is_empty() => self.configure(setup)?,
            _ => None,
        };
        let Some(header) = AdtsHeader::parse(&data) else {
            if self.known.is_none() {
                return Err(malformed(
                    "AAC without an ADTS header and without an AudioSpecificConfig",
                ));
            }
            return Ok(self.unit(data, changed).map_or_else(Units::default, Units::one));
        };
        if header.frame == data.len() {
            let unit = self.frame(header, data.slice(header.header..))?;
            return Ok(unit
                .map(|unit| Unit {
                    changed: unit.changed.or(changed),
                    ..unit
                })
                .map_or_else(Units::default, Units::one));
        }
        let mut units = Vec::new();
        let mut rest = data;
        while !rest.is_empty() {
            let header = AdtsHeader::parse(&rest)
                .filter(|header| header.frame <= rest.len())
                .ok_or_else(|| {
                    malformed(format!(
                        "ADTS frame breaks off {} bytes before the packet's end",
                        rest.len()
                    ))
                })?;
            let frame = rest.split_to(header.frame);
            if let Some(mut unit) = self.frame(header, frame.slice(header.header..))? {
                unit.changed = unit.changed.or(changed.take());
                units.push(unit);
            }
        }
        Ok(Units::many(units))
    }
}
