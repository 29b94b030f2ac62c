use std::fmt;

use bytes::Bytes;

use super::Description;
use crate::codec::h264::{self, AvcConfig};
use crate::codec::hevc::{self, HevcConfig};
use crate::codec::{Media, malformed};
use crate::error::Result;

/// Which standard the NAL units are of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in super::super) enum Family {
    H264,
    Hevc,
}

/// What a decoder must be set up anew for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Shape {
    width: u32,
    height: u32,
    chroma_format: u8,
    depths: (u8, u8),
}

/// A decoder configuration record, read.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) length_size: usize,
    pub(super) sets: Vec<Bytes>,
    /// The record as our sample entry has it.
    pub(super) setup: Bytes,
}

impl Family {
    /// Which list of [`ParameterSets`] a NAL unit belongs to.
    pub(super) fn set_slot(self, nal: &[u8]) -> Option<usize> {
        match self {
            Self::H264 => match h264::nal_type(nal) {
                h264::NAL_SPS => Some(ParameterSets::SPS),
                h264::NAL_PPS => Some(ParameterSets::PPS),
                _ => None,
            },
            Self::Hevc => match hevc::nal_type(nal) {
                hevc::NAL_VPS => Some(ParameterSets::VPS),
                hevc::NAL_SPS => Some(ParameterSets::SPS),
                hevc::NAL_PPS => Some(ParameterSets::PPS),
                _ => None,
            },
        }
    }

    pub(super) fn is_picture(self, nal: &[u8]) -> bool {
        match self {
            Self::H264 => (h264::NAL_SLICE..=h264::NAL_IDR).contains(&h264::nal_type(nal)),
            Self::Hevc => hevc::nal_type(nal) < 32,
        }
    }

    pub(super) fn is_random_access(self, nal: &[u8]) -> bool {
        match self {
            Self::H264 => h264::nal_type(nal) == h264::NAL_IDR,
            Self::Hevc => (16..=23).contains(&hevc::nal_type(nal)),
        }
    }

    pub(super) fn is_delimiter(self, nal: &[u8]) -> bool {
        match self {
            Self::H264 => h264::nal_type(nal) == h264::NAL_AUD,
            Self::Hevc => hevc::nal_type(nal) == hevc::NAL_AUD,
        }
    }

    /// Whether a NAL unit tells about the picture behind it (H.264 7.4.1.2.3, HEVC 7.4.2.4.4): parameter sets and SEI.
    pub(super) fn goes_in_front(self, nal: &[u8]) -> bool {
        match self {
            Self::H264 => matches!(
                h264::nal_type(nal),
                h264::NAL_SEI
                    | h264::NAL_SPS
                    | h264::NAL_PPS
                    | h264::NAL_SPS_EXTENSION
                    | h264::NAL_SUBSET_SPS
            ),
            Self::Hevc => matches!(
                hevc::nal_type(nal),
                hevc::NAL_VPS | hevc::NAL_SPS | hevc::NAL_PPS | hevc::NAL_PREFIX_SEI
            ),
        }
    }

    fn set_id(self, nal: &[u8]) -> Option<u32> {
        match self {
            Self::H264 => h264::set_id(nal),
            Self::Hevc => hevc::set_id(nal),
        }
    }

    pub(super) fn read_record(self, extradata: &Bytes) -> Result<Record> {
        match self {
            Self::H264 => {
                let config = AvcConfig::parse(extradata)?;
                Ok(Record {
                    length_size: config.length_size,
                    sets: [config.sps, config.pps].concat(),
                    setup: extradata.clone(),
                })
            }
            Self::Hevc => {
                let config = HevcConfig::parse(extradata)?;
                Ok(Record {
                    length_size: config.length_size,
                    sets: [config.vps, config.sps, config.pps].concat(),
                    setup: HevcConfig::completed(extradata)?,
                })
            }
        }
    }

    pub(super) fn shape(self, sps: &[u8]) -> Result<Shape> {
        match self {
            Self::H264 => h264::Sps::parse(sps).map(|sps| Shape {
                width: sps.width,
                height: sps.height,
                chroma_format: sps.chroma_format,
                depths: (sps.luma_depth, sps.chroma_depth),
            }),
            Self::Hevc => hevc::Sps::parse(sps).map(|sps| Shape {
                width: sps.width,
                height: sps.height,
                chroma_format: sps.chroma_format,
                depths: (sps.luma_depth, sps.chroma_depth),
            }),
        }
    }

    /// What the sets tell; `None` while one is missing.
    pub(super) fn describe(
        self,
        sets: &ParameterSets,
        length_size: usize,
    ) -> Result<Option<(Description, Shape)>> {
        let Some(first) = sets.sps().first().filter(|_| sets.is_complete(self)) else {
            return Ok(None);
        };
        let shape = self.shape(first)?;
        let (pixel_aspect, reorder, frame_rate, setup) = match self {
            Self::H264 => {
                let sps = h264::Sps::parse(first)?;
                let config = AvcConfig {
                    length_size,
                    sps: sets.lists[ParameterSets::SPS].clone(),
                    pps: sets.lists[ParameterSets::PPS].clone(),
                };
                (sps.pixel_aspect, sps.reorder, sps.frame_rate, config.to_bytes()?)
            }
            Self::Hevc => {
                let sps = hevc::Sps::parse(first)?;
                let config = HevcConfig {
                    length_size,
                    vps: sets.lists[ParameterSets::VPS].clone(),
                    sps: sets.lists[ParameterSets::SPS].clone(),
                    pps: sets.lists[ParameterSets::PPS].clone(),
                };
                (
                    sps.pixel_aspect,
                    Some(sps.reorder),
                    sps.frame_rate,
                    config.to_bytes()?,
                )
            }
        };
        let description = Description {
            setup,
            media: Media::Video {
                width: shape.width,
                height: shape.height,
                pixel_aspect: pixel_aspect.unwrap_or((0, 0)),
            },
            reorder,
            frame_rate,
        };
        Ok(Some((description, shape)))
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::H264 => "H.264",
            Self::Hevc => "HEVC",
        })
    }
}

/// The parameter sets in force, each list with one set per id.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(in super::super) struct ParameterSets {
    lists: [Vec<Bytes>; 3],
}

impl ParameterSets {
    const VPS: usize = 0;
    pub(super) const SPS: usize = 1;
    const PPS: usize = 2;

    pub(super) fn sps(&self) -> &[Bytes] {
        &self.lists[Self::SPS]
    }

    /// All sets in the order in which a decoder wants them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.lists.iter().flatten()
    }

    pub(super) fn contains(&self, family: Family, nal: &[u8]) -> bool {
        family
            .set_slot(nal)
            .is_some_and(|slot| self.lists[slot].iter().any(|set| set == nal))
    }

    /// Adds a set, in the place of the one with the same id.
    pub(super) fn put(&mut self, family: Family, nal: &[u8]) -> Result<()> {
        let slot = family.set_slot(nal);
        let (Some(slot), Some(id)) = (slot, family.set_id(nal)) else {
            return Err(malformed(format!(
                "{family} parameter set of {} bytes without a valid id",
                nal.len()
            )));
        };
        let list = &mut self.lists[slot];
        match list.iter_mut().find(|set| family.set_id(set) == Some(id)) {
            Some(set) => *set = Bytes::copy_from_slice(nal),
            None => list.push(Bytes::copy_from_slice(nal)),
        }
        Ok(())
    }

    /// Whether there is one of each kind.
    pub(super) fn is_complete(&self, family: Family) -> bool {
        let needed = match family {
            Family::H264 => &self.lists[Self::SPS..],
            Family::Hevc => &self.lists[..],
        };
        needed.iter().all(|list| !list.is_empty())
    }

    /// These sets with the SPS of `other` instead of its own.
    pub(super) fn with_sps_of(mut self, other: Self) -> Self {
        let [vps, sps, _] = other.lists;
        if !vps.is_empty() {
            self.lists[Self::VPS] = vps;
        }
        if !sps.is_empty() {
            self.lists[Self::SPS] = sps;
        }
        self
    }
}
