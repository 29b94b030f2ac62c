//! Changes the times of an MPEG-TS: every PTS, DTS and PCR of the bytes is replaced by what a function makes of it.

/// Which time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Which {
    /// Of a PES packet, of the stream with this id: 0xe0 and on is video, 0xc0 and on is sound.
    Pes(u8),
    /// The program clock.
    Clock,
}

/// Times have 33 bits at 90 kHz.
pub const WRAP: i64 = 1 << 33;

/// Rewrites `bytes`, whole packets of 188 bytes. What the function gives is taken modulo 2^33.
///
/// # Panics
/// When these are no transport packets.
pub fn rewrite(bytes: &mut [u8], mut change: impl FnMut(Which, i64) -> i64) {
    for packet in bytes.chunks_exact_mut(188) {
        assert_eq!(packet[0], 0x47, "a transport packet");
        let starts = packet[1] & 0x40 != 0;
        let (adapted, loaded) = (packet[3] & 0x20 != 0, packet[3] & 0x10 != 0);
        let mut at = 4;
        if adapted {
            let length = packet[4] as usize;
            if length >= 7 && packet[5] & 0x10 != 0 {
                let clock = &mut packet[6..11];
                let base = clock[..4]
                    .iter()
                    .fold(0_i64, |all, byte| all << 8 | i64::from(*byte))
                    << 1
                    | i64::from(clock[4] >> 7);
                let base = change(Which::Clock, base).rem_euclid(WRAP);
                clock[..4].copy_from_slice(&((base >> 1) as u32).to_be_bytes());
                clock[4] = clock[4] & 0x7f | ((base & 1) as u8) << 7;
            }
            at += 1 + length;
        }
        if !starts || !loaded {
            continue;
        }
        let Some(pes) = packet
            .get_mut(at..)
            .filter(|pes| pes.len() > 19 && pes.starts_with(&[0, 0, 1]))
        else {
            continue;
        };
        let id = pes[3];
        if !(0xc0..0xf0).contains(&id) && id != 0xbd {
            continue;
        }
        let flags = pes[7] >> 6;
        for place in [(flags >= 2).then_some(9), (flags == 3).then_some(14)]
            .into_iter()
            .flatten()
        {
            let field = &mut pes[place..place + 5];
            let time = change(Which::Pes(id), get(field)).rem_euclid(WRAP);
            set(field, time);
        }
    }
}

fn get(field: &[u8]) -> i64 {
    let part = |index: usize| i64::from(field[index]);
    (part(0) >> 1 & 7) << 30 | part(1) << 22 | (part(2) >> 1) << 15 | part(3) << 7 | part(4) >> 1
}

fn set(field: &mut [u8], time: i64) {
    field[0] = field[0] & 0xf1 | ((time >> 30 & 7) as u8) << 1;
    field[1] = (time >> 22) as u8;
    field[2] = ((time >> 15) as u8) << 1 | 1;
    field[3] = (time >> 7) as u8;
    field[4] = (time as u8) << 1 | 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_it_was_written() {
        for time in [0, 1, WRAP - 1, 0x1_5555_5555, 0x0_aaaa_aaaa, 1 << 30, 1 << 15] {
            let mut field = [0x21, 0, 0, 0, 0];
            set(&mut field, time);
            assert_eq!((get(&field), field[0] >> 4), (time, 2));
        }
    }
}
