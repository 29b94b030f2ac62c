//! AC-3 and E-AC-3: frame headers, `dac3` and `dec3` (ETSI TS 102 366, clause 4, annexes E and F).

use super::BitWriter;
use super::bits::BitReader;

const RATES: [u32; 3] = [48_000, 44_100, 32_000];
/// Loudspeakers by `acmod`.
const CHANNELS: [u32; 8] = [2, 1, 2, 3, 3, 4, 4, 5];

/// What one packet of either codec says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame {
    /// Samples per second.
    pub sample_rate: u32,
    /// Loudspeakers, LFE and dependent substreams included.
    pub channels: u32,
    /// Samples per channel.
    pub samples: u32,
    /// Payload of `dac3` or `dec3`.
    pub setup: Vec<u8>,
}

impl Frame {
    /// Reads an AC-3 frame's header; `None` when there is none.
    pub fn parse_ac3(data: &[u8]) -> Option<Self> {
        let mut reader = BitReader::new(data);
        if reader.bits(16)? != 0x0B77 {
            return None;
        }
        reader.skip(16)?;
        let rate_code = reader.bits(2)?;
        let size_code = reader.bits(6).filter(|&code| code < 38)?;
        let version = reader.bits(5).filter(|&version| version <= 10)?;
        let mode = reader.bits(3)?;
        let layout = reader.bits(3)?;
        if layout & 1 != 0 && layout != 1 {
            reader.skip(2)?;
        }
        if layout & 4 != 0 {
            reader.skip(2)?;
        }
        if layout == 2 {
            reader.skip(2)?;
        }
        let lfe = reader.bits(1)?;
        let mut writer = BitWriter::default();
        for (value, count) in [
            (rate_code, 2),
            (version, 5),
            (mode, 3),
            (layout, 3),
            (lfe, 1),
            (size_code >> 1, 5),
            (0, 5),
        ] {
            writer.put(value, count);
        }
        Some(Self {
            sample_rate: rate(rate_code)? >> version.saturating_sub(8),
            channels: channels(layout, lfe)?,
            samples: 1536,
            setup: writer.finish(),
        })
    }

    /// Reads a packet of E-AC-3: an independent substream's frame with its dependent ones behind it, then perhaps
    /// further independent ones. Further frames of substream 0 count as more time.
    pub fn parse_eac3(packet: &[u8]) -> Option<Self> {
        let mut substreams: Vec<Substream> = Vec::new();
        let mut samples = 0;
        let mut bytes = 0_u64;
        let mut rest = packet;
        while !rest.is_empty() {
            let Some(frame) = Syncframe::parse(rest) else {
                break;
            };
            if frame.dependent {
                let parent = substreams.last_mut()?;
                if samples == frame.samples {
                    parent.dependents = (parent.dependents + 1).min(15);
                    parent.locations |= frame.locations;
                }
            } else if frame.id == 0 {
                samples += frame.samples;
            }
            if !frame.dependent && (substreams.is_empty() || frame.id != 0) && substreams.len() < 8 {
                substreams.push(Substream {
                    frame,
                    dependents: 0,
                    locations: 0,
                });
            }
            bytes += u64::try_from(frame.size).ok()?;
            rest = rest.get(frame.size..).unwrap_or_default();
        }
        let first = substreams.first()?;
        let sample_rate = first.frame.sample_rate;
        let total = bytes * 8 * u64::from(sample_rate) / u64::from(samples.max(256)) / 1000;
        let mut writer = BitWriter::default();
        writer.put(u32::try_from(total).unwrap_or(u32::MAX).min(8191), 13);
        writer.put(u32::try_from(substreams.len()).ok()?.saturating_sub(1), 3);
        for substream in &substreams {
            substream.write(&mut writer);
        }
        Some(Self {
            sample_rate,
            channels: channels(first.frame.layout, first.frame.lfe)? + speakers(first.locations),
            samples,
            setup: writer.finish(),
        })
    }
}

/// Sample rate (`None` when `dec3` can't tell) and loudspeakers of a `dac3` or `dec3` payload.
pub(crate) fn read_setup(setup: &[u8], enhanced: bool) -> Option<(Option<u32>, u32)> {
    let mut reader = BitReader::new(setup);
    if enhanced {
        reader.skip(16)?;
    }
    let rate_code = reader.bits(2)?;
    let version = reader.bits(5)?;
    reader.skip(if enhanced { 2 } else { 0 })?;
    reader.skip(3)?;
    let layout = reader.bits(3)?;
    let lfe = reader.bits(1)?;
    let mut extra = 0;
    if enhanced {
        reader.skip(3)?;
        if reader.bits(4)? > 0 {
            extra = speakers(reader.bits(9)?);
        }
    }
    let shift = if enhanced {
        0
    } else {
        version.saturating_sub(8).min(2)
    };
    Some((
        rate(rate_code).map(|rate| rate >> shift),
        channels(layout, lfe)? + extra,
    ))
}

#[derive(Clone, Copy, Debug)]
struct Syncframe {
    dependent: bool,
    id: u32,
    size: usize,
    rate_code: u32,
    sample_rate: u32,
    samples: u32,
    layout: u32,
    lfe: u32,
    version: u32,
    /// As `chan_loc` of `dec3`.
    locations: u32,
}

impl Syncframe {
    fn parse(data: &[u8]) -> Option<Self> {
        let mut reader = BitReader::new(data);
        if reader.bits(16)? != 0x0B77 {
            return None;
        }
        let kind = reader.bits(2).filter(|&kind| kind < 3)?;
        let id = reader.bits(3)?;
        let size = (usize::try_from(reader.bits(11)?).ok()? + 1) * 2;
        let rate_code = reader.bits(2)?;
        let (sample_rate, blocks) = if rate_code == 3 {
            (rate(reader.bits(2)?)? / 2, 6)
        } else {
            let blocks = [1, 2, 3, 6]
                .get(usize::try_from(reader.bits(2)?).ok()?)
                .copied()?;
            (rate(rate_code)?, blocks)
        };
        let layout = reader.bits(3)?;
        let lfe = reader.bits(1)?;
        let version = reader.bits(5).filter(|version| (11..=16).contains(version))?;
        for _ in 0..if layout == 0 { 2 } else { 1 } {
            reader.skip(5)?;
            if reader.bit()? {
                reader.skip(8)?;
            }
        }
        let locations = if kind == 1 && reader.bit()? {
            locations(reader.bits(16)?)
        } else {
            0
        };
        Some(Self {
            dependent: kind == 1,
            id,
            size,
            rate_code,
            sample_rate,
            samples: 256 * blocks,
            layout,
            lfe,
            version,
            locations,
        })
    }
}

#[derive(Clone, Copy, Debug)]
struct Substream {
    frame: Syncframe,
    dependents: u32,
    locations: u32,
}

impl Substream {
    fn write(&self, writer: &mut BitWriter) {
        writer.put(self.frame.rate_code, 2);
        writer.put(self.frame.version, 5);
        writer.put(0, 5); // reserved, asvc, bsmod: complete main
        writer.put(self.frame.layout, 3);
        writer.put(self.frame.lfe, 1);
        writer.put(0, 3);
        writer.put(self.dependents, 4);
        if self.dependents > 0 {
            writer.put(self.locations, 9);
        } else {
            writer.put(0, 1);
        }
    }
}

fn rate(code: u32) -> Option<u32> {
    RATES.get(usize::try_from(code).ok()?).copied()
}

fn channels(layout: u32, lfe: u32) -> Option<u32> {
    Some(CHANNELS.get(usize::try_from(layout).ok()?)? + lfe)
}

/// `chan_loc` (table F.6.1, lowest bit first) from `chanmap` (table E.1.14, highest bit first).
fn locations(chanmap: u32) -> u32 {
    // Lc/Rc, Lrs/Rrs, Cs, Ts, Lsd/Rsd, Lw/Rw, Lvh/Rvh, Cvh, LFE2
    [5, 6, 7, 8, 9, 10, 11, 12, 14]
        .iter()
        .enumerate()
        .filter(|&(_, &from)| chanmap >> (15 - from) & 1 == 1)
        .fold(0, |all, (to, _)| all | 1 << to)
}

fn speakers(locations: u32) -> u32 {
    [2, 2, 1, 1, 2, 2, 2, 1, 1]
        .iter()
        .enumerate()
        .filter(|&(bit, _)| locations >> bit & 1 == 1)
        .map(|(_, &count)| count)
        .sum()
}
