//! MPEG-TS that no muxer would write.

/// Bytes of a packet.
const PACKET: usize = 188;

/// A video track of H.264.
pub const H264: u8 = 0x1b;
/// A video track of HEVC.
pub const HEVC: u8 = 0x24;
/// A sound track of AAC.
pub const AAC: u8 = 0x0f;

/// A stream in the making.
#[derive(Debug)]
pub struct Ts {
    bytes: Vec<u8>,
    /// The next counter of each packet identifier.
    counters: Vec<u8>,
}

/// The packet identifier of the programme's table.
const TABLE: u16 = 0x1000;

/// The packet identifier of a track.
fn pid(track: usize) -> u16 {
    u16::try_from(0x100 + track).expect("some hundred tracks")
}

impl Ts {
    /// A stream whose programme has tracks of these types.
    pub fn new(types: &[u8]) -> Ts {
        let mut ts = Ts {
            bytes: Vec::new(),
            counters: vec![0; 8192],
        };
        let [high, low] = (0xe000 | TABLE).to_be_bytes();
        ts.section(0, 0, &[0, 1, high, low]);
        let [high, low] = (0xe000 | pid(0)).to_be_bytes();
        let mut table = vec![high, low, 0xf0, 0];
        for (track, kind) in types.iter().enumerate() {
            let [high, low] = (0xe000 | pid(track)).to_be_bytes();
            table.extend([*kind, high, low, 0xf0, 0]);
        }
        ts.section(TABLE, 2, &table);
        ts
    }

    /// One frame of a track, at a time in 90 kHz.
    pub fn frame(&mut self, track: usize, time: u64, data: &[u8]) {
        let sound = data.starts_with(&[0xff, 0xf1]);
        let mut pes = vec![0, 0, 1, if sound { 0xc0 } else { 0xe0 }, 0, 0, 0x80, 0x80, 5];
        let bits = |shift: u64| u8::try_from((time >> shift) & 0xff).expect("a byte");
        pes.push(0x21 | (bits(29) & 0x0e));
        pes.push(bits(22));
        pes.push(bits(14) | 1);
        pes.push(bits(7));
        pes.push((bits(0) << 1) | 1);
        pes.extend_from_slice(data);
        self.packets(pid(track), &pes, Some(time));
    }

    /// All of it.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn section(&mut self, pid: u16, table: u8, body: &[u8]) {
        let length = u16::try_from(body.len() + 9).expect("a table").to_be_bytes();
        let mut section = vec![table, 0xb0 | length[0], length[1], 0, 1, 0xc1, 0, 0];
        section.extend_from_slice(body);
        section.extend(crc(&section).to_be_bytes());
        let pointed = [&[0], section.as_slice()].concat();
        self.packets(pid, &pointed, None);
    }

    fn packets(&mut self, pid: u16, mut data: &[u8], clock: Option<u64>) {
        let mut first = true;
        while !data.is_empty() {
            let [high, low] = pid.to_be_bytes();
            let mut extra = Vec::new();
            if let Some(clock) = clock.filter(|_| first) {
                // The programme's clock, a tenth of a second before.
                let base = clock.saturating_sub(9000) << 15;
                extra = vec![0x50];
                extra.extend_from_slice(&base.to_be_bytes()[2..]);
            }
            let room = PACKET - 4 - if extra.is_empty() { 0 } else { extra.len() + 1 };
            let taken = data.len().min(room);
            let missing = room - taken;
            if missing > 0 {
                // Stuffing; its length byte and flags count.
                if extra.is_empty() {
                    if missing > 1 {
                        extra = vec![0];
                        extra.resize(missing - 1, 0xff);
                    }
                } else {
                    extra.resize(extra.len() + missing, 0xff);
                }
            }
            let adapted = !extra.is_empty() || missing > 0;
            let counter = &mut self.counters[usize::from(pid)];
            let start = if first { 0x40 } else { 0 };
            self.bytes.extend([
                0x47,
                start | high,
                low,
                if adapted { 0x30 } else { 0x10 } | *counter,
            ]);
            *counter = (*counter + 1) & 15;
            if adapted {
                self.bytes
                    .push(u8::try_from(extra.len()).expect("less than a packet"));
                self.bytes.extend_from_slice(&extra);
            }
            self.bytes.extend_from_slice(&data[..taken]);
            data = &data[taken..];
            first = false;
        }
    }
}

/// CRC-32/MPEG-2.
fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << 24), |crc, _| {
            if crc & 0x8000_0000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x04c1_1db7
            }
        })
    })
}

/// Writes bits into a parameter set.
#[derive(Debug, Default)]
pub struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    /// The lowest `count` bits.
    pub fn bits(mut self, value: u32, count: u32) -> Bits {
        for shift in (0..count).rev() {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let bit = u8::from((value >> shift) & 1 == 1);
            if let Some(last) = self.bytes.last_mut() {
                *last |= bit << (7 - self.used % 8);
            }
            self.used += 1;
        }
        self
    }

    /// An Exp-Golomb number.
    pub fn golomb(self, value: u32) -> Bits {
        let length = (value + 1).ilog2();
        self.bits(0, length).bits(value + 1, length + 1)
    }

    /// The bytes, ended as a parameter set ends, with emulation prevention.
    pub fn finish(self) -> Vec<u8> {
        let mut out = Vec::new();
        for byte in self.bits(1, 1).bytes {
            if byte <= 3 && out.ends_with(&[0, 0]) {
                out.push(3);
            }
            out.push(byte);
        }
        out
    }
}

/// The sequence parameter set of an H.264 stream with pictures of so many macroblocks.
pub fn h264_sps(width: u32, height: u32) -> Vec<u8> {
    let set = Bits::default().bits(66, 8).bits(0, 8).bits(51, 8);
    let set = set.golomb(0).golomb(0).golomb(2).golomb(1).bits(0, 1);
    let set = set.golomb(width - 1).golomb(height - 1);
    let set = set.bits(1, 1).bits(1, 1).bits(0, 1).bits(0, 1);
    [vec![0x67], set.finish()].concat()
}

/// The NAL units of an Annex B stream, without their start codes.
pub fn nals(stream: &[u8]) -> Vec<&[u8]> {
    let mut starts: Vec<usize> = Vec::new();
    for at in 2..stream.len() {
        if stream[at - 2..=at] == [0, 0, 1] {
            starts.push(at + 1);
        }
    }
    let ends = starts.iter().skip(1).map(|next| next - 3).chain([stream.len()]);
    let units = starts.iter().zip(ends).map(|(from, to)| &stream[*from..to]);
    units
        .map(|unit| unit.strip_suffix(&[0]).unwrap_or(unit))
        .collect()
}

/// NAL units as an Annex B frame.
pub fn annex_b<'a>(units: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let coded = units.into_iter().flat_map(|unit| [&[0, 0, 0, 1], unit]);
    coded.collect::<Vec<_>>().concat()
}
