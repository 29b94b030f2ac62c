//! A demultiplexer that believes nothing.

use std::collections::BTreeMap;

/// One PES packet as it was sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Sent {
    pub(super) clock: Option<u64>,
    pub(super) id: u8,
    /// As the header tells it; 0 for video without.
    pub(super) length: usize,
    pub(super) aligned: bool,
    pub(super) pts: u64,
    pub(super) dts: Option<u64>,
    pub(super) payload: Vec<u8>,
}

/// The PES packets of each PID, and what its last counter is. Counters must go on from 0, or from that of the tables.
pub(super) fn demux(data: &[u8]) -> BTreeMap<u16, Vec<Sent>> {
    assert_eq!(data.len() % 188, 0);
    let mut out: BTreeMap<u16, Vec<Sent>> = BTreeMap::new();
    let mut counters: BTreeMap<u16, u8> = BTreeMap::new();
    for (number, packet) in data.chunks_exact(188).enumerate() {
        assert_eq!(packet[0], 0x47, "packet {number}");
        let pid = u16::from_be_bytes([packet[1] & 31, packet[2]]);
        let start = packet[1] & 0x40 != 0;
        assert_eq!(packet[1] & 0xA0, 0);
        let counter = packet[3] & 15;
        let expected = counters.insert(pid, counter).map(|before| (before + 1) & 15);
        if number < 2 || out.get(&pid).is_none_or(Vec::is_empty) && pid == 0x102 {
            assert!(number >= 2 || start);
            if number < 2 {
                continue;
            }
        } else {
            assert_eq!(counter, expected.unwrap_or(0), "packet {number} of PID {pid:#x}");
        }
        let mut rest = &packet[4..];
        let mut clock = None;
        if packet[3] & 0x20 != 0 {
            let (field, after) = rest[1..].split_at(usize::from(rest[0]));
            rest = after;
            if field.first().is_some_and(|flags| flags & 0x10 != 0) {
                let mut base = [0; 8];
                base[2..].copy_from_slice(&field[1..7]);
                clock = Some(u64::from_be_bytes(base) >> 15);
            }
            let stuffing = field
                .get(if clock.is_some() { 7.. } else { 1.. })
                .unwrap_or_default();
            assert!(stuffing.iter().all(|byte| *byte == 0xFF), "packet {number}");
        }
        assert_ne!(packet[3] & 0x10, 0);
        if start {
            assert_eq!(rest[..3], [0, 0, 1], "packet {number}");
            let both = rest[7] == 0xC0;
            let header = 9 + usize::from(rest[8]);
            assert_eq!(header, if both { 19 } else { 14 });
            let time = |at: usize| {
                let b = |n: usize| u64::from(rest[at + n]);
                (b(0) >> 1 & 7) << 30 | b(1) << 22 | (b(2) >> 1) << 15 | b(3) << 7 | b(4) >> 1
            };
            out.entry(pid).or_default().push(Sent {
                clock,
                id: rest[3],
                length: usize::from(rest[4]) << 8 | usize::from(rest[5]),
                aligned: rest[6] == 0x84,
                pts: time(9),
                dts: both.then(|| time(14)),
                payload: rest[header..].to_vec(),
            });
        } else {
            assert_eq!(clock, None);
            out.get_mut(&pid)
                .unwrap()
                .last_mut()
                .unwrap()
                .payload
                .extend_from_slice(rest);
        }
    }
    for (pid, counter) in counters {
        if pid == 0x100 || pid == 0x101 && out[&pid][0].id != 0xBD {
            assert_eq!(counter, 15, "PID {pid:#x} goes on at 0 in the next segment");
        }
    }
    for sent in out.values().flatten() {
        let told = sent.length;
        let header = if sent.dts.is_some() { 13 } else { 8 };
        assert!(
            told == sent.payload.len() + header || told == 0 && sent.id == 0xE0,
            "{told} {sent:?}"
        );
    }
    out
}
