//! Program association and program map: the two packets that every segment starts with (ISO/IEC 13818-1, 2.4.4).

use super::{FIRST_PID, PACKET, SYNC};
use crate::hls::Refusal;

/// PID of the program map.
const PMT_PID: u16 = 0xFFF;

/// Where the program says that it has timed ID3: `metadata_pointer_descriptor` (2.6.58).
const ID3_POINTER: &[u8] = b"\x25\x0f\xff\xffID3 \xffID3 \x00\x1f\x00\x01";

/// What the ID3 stream says of itself: `metadata_descriptor` (2.6.60).
const ID3_METADATA: &[u8] = b"\x26\x0d\xff\xffID3 \xffID3 \x00\x0f";

/// `stream_type` of metadata in PES packets.
const ID3_TYPE: u8 = 0x15;

/// One elementary stream in the program map.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Entry {
    /// `stream_type` (table 2-34).
    pub(super) kind: u8,
    /// Its descriptors, whole.
    pub(super) descriptors: Vec<u8>,
}

impl Entry {
    /// The entry of a stream of timed ID3.
    pub(super) fn id3() -> Self {
        Self {
            kind: ID3_TYPE,
            descriptors: ID3_METADATA.to_vec(),
        }
    }
}

/// Both packets. PIDs are given from 0x100 on in the order of `entries`; the first one carries the clock.
///
/// # Errors
/// `BadRequest` when the descriptors do not fit into one packet.
pub(super) fn head(number: u32, entries: &[Entry]) -> Result<[u8; 2 * PACKET], Refusal> {
    let counter = u8::try_from(number & 15).unwrap_or(0);
    let mut association = vec![0, 1, 0xC1, 0, 0, 0, 1];
    association.extend((0xE000 | PMT_PID).to_be_bytes());
    let association = section(0, &association);

    let id3 = entries.iter().any(|entry| entry.kind == ID3_TYPE);
    let pointer = if id3 { ID3_POINTER } else { &[] };
    let mut map = vec![0, 1, 0xC1, 0, 0];
    map.extend((0xE000 | FIRST_PID).to_be_bytes());
    map.extend(length(pointer));
    map.extend(pointer);
    for (pid, entry) in (FIRST_PID..).zip(entries) {
        map.push(entry.kind);
        map.extend((0xE000 | pid).to_be_bytes());
        map.extend(length(&entry.descriptors));
        map.extend(&entry.descriptors);
    }
    let map = section(2, &map);

    let mut out = [0xFF; 2 * PACKET];
    let (first, second) = out.split_at_mut(PACKET);
    for (packet, pid, section) in [(first, 0, association), (second, PMT_PID, map)] {
        let [high, low] = (0x4000 | pid).to_be_bytes();
        let head = [SYNC, high, low, 0x10 | counter, 0];
        let Some(rest) = packet.get_mut(..head.len() + section.len()) else {
            let text = format!(
                "a program map of {} bytes does not fit into a packet",
                section.len()
            );
            return Err(Refusal::bad_request(text));
        };
        let (start, rest) = rest.split_at_mut(head.len());
        start.copy_from_slice(&head);
        rest.copy_from_slice(&section);
    }
    Ok(out)
}

/// A 12-bit length of descriptors with its reserved bits.
fn length(descriptors: &[u8]) -> [u8; 2] {
    (0xF000 | u16::try_from(descriptors.len()).unwrap_or(0xFFF).min(0xFFF)).to_be_bytes()
}

/// A section of `table` around `body`, with its checksum.
fn section(table: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![table];
    let length = u16::try_from(body.len() + 4).unwrap_or(0xFFF).min(0xFFF);
    out.extend((0xB000 | length).to_be_bytes());
    out.extend(body);
    let checksum = crc(&out);
    out.extend(checksum.to_be_bytes());
    out
}

/// The checksum of sections (annex A): polynomial 0x04C11DB7, not reflected, starting at all ones.
fn crc(data: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in data {
        crc ^= u32::from(*byte) << 24;
        for _ in 0..8 {
            crc = if crc >> 31 == 1 {
                crc << 1 ^ 0x04C1_1DB7
            } else {
                crc << 1
            };
        }
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn entry(kind: u8) -> Entry {
        Entry {
            kind,
            descriptors: Vec::new(),
        }
    }

    #[test]
    fn both_tables_are_those_of_the_reference() {
        let entries = [entry(0x1B), entry(0x0F), Entry::id3()];
        let head = head(0, &entries).unwrap();
        assert!(hex(&head).starts_with("474000100000b00d0001c100000001efff3690e23dffff"));
        let map = hex(&head[PACKET..]);
        let expected = "474fff100002b03c0001c10000e100f011250fffff49443320ff49443320001f0001\
                        1be100f0000fe101f00015e102f00f260dffff49443320ff49443320000f22bb5b1affff";
        assert!(map.starts_with(expected), "{map}");
    }

    #[test]
    fn the_counter_is_the_number_of_the_segment_and_wraps() {
        let head = head(17, &[entry(0x1B)]).unwrap();
        assert_eq!((head[3], head[PACKET + 3]), (0x11, 0x11));
        assert!(!hex(&head).contains("49443320"), "no ID3 is announced");
    }

    #[test]
    fn descriptors_that_do_not_fit_are_refused() {
        let large = Entry {
            kind: 0xCF,
            descriptors: vec![0; 200],
        };
        assert_eq!(head(0, &[large]).unwrap_err().reason.status(), 400);
    }
}
