//! AAC: `AudioSpecificConfig` and ADTS headers (ISO/IEC 14496-3, 1.6.2 and 1.A.2).

use bytes::Bytes;

use super::bits::BitReader;
use super::{BitWriter, malformed, unsupported};
use crate::error::Result;

/// Sample rates by `samplingFrequencyIndex` (ISO/IEC 14496-3, table 1.18).
const RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
];

/// What an `AudioSpecificConfig` says.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct AudioConfig {
    /// `audioObjectType` as RFC 6381 prints it: 2 for AAC-LC, 5 for HE-AAC, 29 for HE-AAC v2.
    pub object_type: u8,
    /// Samples per second of the core coder.
    pub core_rate: u32,
    /// Samples per second at the decoder's output; twice the core's where SBR is signalled.
    ///
    /// HE-AAC that does not signal SBR counts as its core, as libav's MP4 writer treats it.
    pub sample_rate: u32,
    /// Loudspeakers; 2 for parametric stereo over a mono core.
    pub channels: u32,
    /// Samples at the output for one packet: 1024 or 960 (LD: 512 or 480), times two for SBR.
    pub packet: u32,
}

impl AudioConfig {
    /// Reads an `AudioSpecificConfig`, with SBR and PS told either way (hierarchical or after the sync extension).
    ///
    /// # Errors
    ///
    /// `Malformed` when it breaks off or its sample rate is zero, `Unsupported` for object types that are no AAC.
    pub fn parse(asc: &[u8]) -> Result<Self> {
        let mut reader = BitReader::new(asc);
        let object_type = read_object_type(&mut reader);
        if let Some(kind) = object_type
            && !matches!(kind, 1..=6 | 17 | 19 | 20 | 22 | 23 | 29 | 39 | 42)
        {
            return Err(unsupported(format!("MPEG-4 audio object type {kind}")));
        }
        let mut reader = BitReader::new(asc);
        Self::read(&mut reader).ok_or_else(|| {
            malformed(format!(
                "AudioSpecificConfig of {} bytes breaks off or has no sample rate",
                asc.len()
            ))
        })
    }

    fn read(reader: &mut BitReader<'_>) -> Option<Self> {
        let told = read_object_type(reader)?;
        let core_rate = read_rate(reader)?;
        let layout = reader.bits(4)?;
        let (mut core, mut sample_rate) = (told, core_rate);
        if matches!(told, 5 | 29) {
            sample_rate = read_rate(reader)?;
            core = read_object_type(reader)?;
            if core == 22 {
                reader.skip(4)?;
            }
        }
        let mut channels = channels_of(layout);
        let mut packet = if matches!(core, 23 | 39) { 512 } else { 1024 };
        let mut object_type = told;
        if core == 42 {
            // UsacConfig (ISO/IEC 23003-3) is not read; its usual frame is 1024, or 2048 with SBR at the told rate.
        } else if reader.bit()? {
            packet = packet / 16 * 15;
        }
        if matches!(core, 1..=4 | 6 | 17 | 19..=23) {
            if reader.bit()? {
                reader.skip(14)?;
            }
            let extension = reader.bit()?;
            if layout == 0 {
                channels = read_program(reader)?;
            }
            if matches!(core, 6 | 20) {
                reader.skip(3)?;
            }
            if extension {
                match core {
                    22 => reader.skip(16)?,
                    17 | 19 | 20 | 23 => reader.skip(3)?,
                    _ => {}
                }
                reader.skip(1)?;
            }
            if told == core && matches!(core, 1..=4) {
                // Anything that does not match is padding.
                if let Some((kind, rate)) = read_sync_extension(reader) {
                    object_type = kind;
                    sample_rate = rate;
                }
            }
        }
        if object_type == 29 && channels == 1 {
            channels = 2;
        }
        if core != 42 && core_rate.checked_mul(2) == Some(sample_rate) {
            packet *= 2;
        } else {
            // Downsampled SBR: the output has the core's rate whatever is told.
            sample_rate = if core == 42 { sample_rate } else { core_rate };
        }
        (channels > 0).then_some(Self {
            object_type,
            core_rate,
            sample_rate,
            channels,
            packet,
        })
    }
}

/// One ADTS header: seven bytes, or nine with its checksum.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AdtsHeader {
    /// `audioObjectType`: 1 to 4.
    pub object_type: u8,
    /// `samplingFrequencyIndex`, 0 to 12.
    pub rate_index: u8,
    /// `channelConfiguration`; 0 when the frame tells it itself.
    pub layout: u8,
    /// Bytes of header.
    pub header: usize,
    /// Bytes of the whole frame, header included; never below [`AdtsHeader::header`].
    pub frame: usize,
    /// Raw data blocks in this frame, 1 to 4.
    pub blocks: u8,
}

impl AdtsHeader {
    /// Reads the header at the start of `data`; `None` when there is none.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let head = data.get(..7)?;
        if head[0] != 0xFF || head[1] & 0xF6 != 0xF0 {
            return None;
        }
        let header = if head[1] & 1 == 1 { 7 } else { 9 };
        let frame = usize::from(head[3] & 3) << 11 | usize::from(head[4]) << 3 | usize::from(head[5]) >> 5;
        let rate_index = head[2] >> 2 & 15;
        if rate_index > 12 || frame < header {
            return None;
        }
        Some(Self {
            object_type: (head[2] >> 6) + 1,
            rate_index,
            layout: (head[2] & 1) << 2 | head[3] >> 6,
            header,
            frame,
            blocks: (head[6] & 3) + 1,
        })
    }

    /// Whether both describe the same decoder setup.
    pub(super) fn same_setup(&self, other: &Self) -> bool {
        (self.object_type, self.rate_index, self.layout)
            == (other.object_type, other.rate_index, other.layout)
    }

    /// The `AudioSpecificConfig` that says the same; `frame` is the raw frame after the header, which holds the
    /// loudspeaker layout when the header does not.
    ///
    /// # Errors
    ///
    /// `Malformed` when neither tells the layout.
    pub fn to_config(&self, frame: &[u8]) -> Result<Bytes> {
        let mut writer = BitWriter::default();
        writer.put(u32::from(self.object_type), 5);
        writer.put(u32::from(self.rate_index), 4);
        writer.put(u32::from(self.layout), 4);
        writer.put(0, 3);
        if self.layout == 0 {
            copy_program(frame, &mut writer).ok_or_else(|| {
                malformed("AAC frame with neither a channel configuration nor a program config".to_owned())
            })?;
        }
        Ok(writer.finish().into())
    }
}

fn read_object_type(reader: &mut BitReader<'_>) -> Option<u8> {
    match reader.byte(5)? {
        31 => Some(reader.byte(6)? + 32),
        kind => Some(kind),
    }
}

fn read_rate(reader: &mut BitReader<'_>) -> Option<u32> {
    match reader.bits(4)? {
        15 => reader.bits(24).filter(|&rate| rate > 0),
        index => RATES.get(usize::try_from(index).ok()?).copied(),
    }
}

/// The `samplingFrequencyIndex` of a sample rate that has one.
pub(crate) fn rate_index(rate: u32) -> Option<u8> {
    let index = RATES.iter().position(|known| *known == rate)?;
    u8::try_from(index).ok()
}

const fn channels_of(layout: u32) -> u32 {
    match layout {
        1..=6 => layout,
        7 | 12 | 14 => 8,
        11 => 7,
        13 => 24,
        _ => 0,
    }
}

/// The backward compatible signalling of SBR and PS (ISO/IEC 14496-3, 1.6.5.3): object type and output rate.
fn read_sync_extension(reader: &mut BitReader<'_>) -> Option<(u8, u32)> {
    if reader.bits(11)? != 0x2B7 || read_object_type(reader)? != 5 || !reader.bit()? {
        return None;
    }
    let rate = read_rate(reader)?;
    let stereo = reader.bits(11) == Some(0x548) && reader.bit() == Some(true);
    Some((if stereo { 29 } else { 5 }, rate))
}

/// Passes over a `program_config_element` (ISO/IEC 14496-3, 4.4.1.1) and counts its loudspeakers.
fn read_program(reader: &mut BitReader<'_>) -> Option<u32> {
    reader.skip(10)?;
    let counts = [
        reader.bits(4)?,
        reader.bits(4)?,
        reader.bits(4)?,
        reader.bits(2)?,
        reader.bits(3)?,
        reader.bits(4)?,
    ];
    let [front, side, back, lfe, data, coupling] = counts;
    for width in [4, 4, 3] {
        if reader.bit()? {
            reader.skip(width)?;
        }
    }
    let mut channels = lfe;
    for _ in 0..front + side + back {
        channels += if reader.bit()? { 2 } else { 1 };
        reader.skip(4)?;
    }
    let rest = 4 * lfe + 4 * data + 5 * coupling;
    reader.skip(usize::try_from(rest).ok()?)?;
    reader.align();
    let comment = usize::try_from(reader.bits(8)?).ok()?;
    reader.skip(comment * 8)?;
    Some(channels)
}

/// Copies the `program_config_element` that a raw frame begins with; its byte alignment is relative to its own start.
fn copy_program(frame: &[u8], writer: &mut BitWriter) -> Option<()> {
    let mut reader = BitReader::new(frame);
    if reader.bits(3)? != 5 {
        return None;
    }
    let mut probe = reader.clone();
    read_program(&mut probe)?;
    let end = probe.position();
    // Everything up to the alignment, then the comment, which begins with its length.
    let mut scan = reader.clone();
    let fields = program_bits(&mut scan)?;
    for _ in 0..fields {
        writer.put(u32::from(reader.bit()?), 1);
    }
    writer.align();
    reader.align();
    while reader.position() < end {
        writer.put(reader.bits(8)?, 8);
    }
    Some(())
}

/// The bits of a `program_config_element` before its byte alignment.
fn program_bits(reader: &mut BitReader<'_>) -> Option<usize> {
    let start = reader.position();
    reader.skip(10)?;
    let elements = reader.bits(4)? + reader.bits(4)? + reader.bits(4)?;
    let rest = 4 * reader.bits(2)? + 4 * reader.bits(3)? + 5 * reader.bits(4)?;
    for width in [4, 4, 3] {
        if reader.bit()? {
            reader.skip(width)?;
        }
    }
    reader.skip(usize::try_from(elements * 5 + rest).ok()?)?;
    Some(reader.position() - start)
}
