//! Opus: `OpusHead`, `dOps`, and the length of a packet (RFC 7845, 5.1; Opus in ISO-BMFF 4.3.2; RFC 6716, 3.1).

use bytes::Bytes;

/// What `OpusHead` and `dOps` say first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OpusConfig {
    /// Loudspeakers.
    pub channels: u8,
    /// Samples at 48 kHz that a player leaves out at the start.
    pub pre_skip: u16,
}

impl OpusConfig {
    /// Reads the payload of a `dOps` box; `None` when it breaks off.
    pub fn parse(dops: &[u8]) -> Option<Self> {
        let head = dops.get(..11)?;
        if head[10] != 0 {
            dops.get(13..13 + usize::from(head[1]))?;
        }
        Some(Self {
            channels: head[1],
            pre_skip: u16::from_be_bytes([head[2], head[3]]),
        })
    }
}

/// `dOps` from `OpusHead`; `None` when it is none.
pub fn to_dops(head: &[u8]) -> Option<Bytes> {
    let fields = head.strip_prefix(b"OpusHead")?.get(..11)?;
    let channels = fields[1];
    if channels == 0 {
        return None;
    }
    let mut out = vec![0, channels, fields[3], fields[2]];
    out.extend([
        fields[7], fields[6], fields[5], fields[4], fields[9], fields[8], fields[10],
    ]);
    if fields[10] != 0 {
        out.extend(head.get(19..21 + usize::from(channels))?);
    }
    Some(out.into())
}

/// `dOps` for one or two channels of which nothing else is known.
pub fn plain_dops(channels: u8) -> Bytes {
    Bytes::from(vec![0, channels.clamp(1, 2), 0, 0, 0, 0, 0xBB, 0x80, 0, 0, 0])
}

/// The length of a packet in samples at 48 kHz, at most 5760; `None` when it is malformed.
pub fn packet_samples(packet: &[u8]) -> Option<u32> {
    let table = *packet.first()?;
    let config = table >> 3;
    let frame: u32 = match config {
        0..=11 => [480, 960, 1920, 2880][usize::from(config & 3)],
        12..=15 => [480, 960][usize::from(config & 1)],
        _ => [120, 240, 480, 960][usize::from(config & 3)],
    };
    let count = match table & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 63),
    };
    Some(frame * count).filter(|samples| (1..=5760).contains(samples))
}
