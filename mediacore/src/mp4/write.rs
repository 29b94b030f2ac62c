//! Boxes into bytes.

/// Appends a box whose payload `fill` writes; the size is put in afterwards.
///
/// A payload is at most 4 GiB long here: everything that may be longer is `mdat`, whose header is [`mdat_header`].
pub fn boxed(out: &mut Vec<u8>, kind: &[u8; 4], fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(kind);
    fill(out);
    let size = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
}

/// Appends a full box (ISO/IEC 14496-12, 4.2): `version` and 24 bits of `flags` before the payload.
pub fn full_boxed(
    out: &mut Vec<u8>,
    kind: &[u8; 4],
    version: u8,
    flags: u32,
    fill: impl FnOnce(&mut Vec<u8>),
) {
    boxed(out, kind, |out| {
        put_u32(out, u32::from(version) << 24 | flags & 0x00ff_ffff);
        fill(out);
    });
}

/// The header of an `mdat` with a 64-bit size, whose payload is `payload` bytes long.
pub fn mdat_header(payload: u64) -> [u8; MDAT_HEADER_LEN] {
    let mut header = [0; MDAT_HEADER_LEN];
    header[..4].copy_from_slice(&1u32.to_be_bytes());
    header[4..8].copy_from_slice(b"mdat");
    header[8..].copy_from_slice(&payload.saturating_add(MDAT_HEADER_LEN as u64).to_be_bytes());
    header
}

/// Length of [`mdat_header`].
pub const MDAT_HEADER_LEN: usize = 16;

pub(crate) fn put_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

pub(crate) fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

pub(crate) fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_be_bytes());
}

pub(crate) fn put_i32(out: &mut Vec<u8>, value: i32) {
    out.extend_from_slice(&value.to_be_bytes());
}

pub(crate) fn put_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_be_bytes());
}
