//! [`Packet`]: one compressed unit, owned.

use std::ffi::c_int;
use std::ptr::NonNull;
use std::slice;

use bytes::Bytes;
use ffmpeg_next::ffi;

use crate::{Error, ErrorKind, raw};

/// One compressed unit from a demuxer, in its stream's time base.
#[derive(Debug)]
pub struct Packet(NonNull<ffi::AVPacket>);

// SAFETY: the packet owns its structure, and the buffers it refers to are counted atomically.
unsafe impl Send for Packet {}

/// A buffer this much larger than its payload is copied out of rather than kept alive (demuxers of MPEG-TS hand out
/// 200 KiB buffers for packets of some hundred bytes).
const WASTE: usize = 4096;

/// `AV_PKT_DATA_NEW_EXTRADATA` of `enum AVPacketSideDataType`.
const NEW_EXTRADATA: c_int = 1;

impl Packet {
    pub(crate) fn alloc() -> Result<Self, Error> {
        // SAFETY: no arguments; null means out of memory.
        let packet = unsafe { ffi::av_packet_alloc() };
        match NonNull::new(packet) {
            Some(packet) => Ok(Self(packet)),
            None => Err(Error::new(ErrorKind::LimitExceeded, "out of memory for a packet")),
        }
    }

    /// A packet with a copy of `data`.
    pub(crate) fn copy_of(data: &[u8]) -> Result<Self, Error> {
        let packet = Self::alloc()?;
        let size = c_int::try_from(data.len())
            .map_err(|_| Error::new(ErrorKind::LimitExceeded, "a packet of more than 2 GiB"))?;
        // SAFETY: the packet is allocated and empty.
        let code = unsafe { ffi::av_new_packet(packet.as_ptr(), size) };
        crate::error::check(code, "allocate a packet")?;
        // SAFETY: `av_new_packet` made `data` point to `size` writable bytes that overlap nothing.
        unsafe {
            (*packet.as_ptr())
                .data
                .copy_from_nonoverlapping(data.as_ptr(), data.len())
        };
        Ok(packet)
    }

    /// Attaches a decoder configuration.
    pub(crate) fn set_new_extradata(&self, bytes: &[u8]) -> Result<(), Error> {
        // SAFETY: an allocated packet; null means out of memory.
        let data = unsafe { raw::av_packet_new_side_data(self.as_ptr(), NEW_EXTRADATA, bytes.len()) };
        if data.is_null() {
            return Err(Error::new(ErrorKind::LimitExceeded, "out of memory for a packet"));
        }
        // SAFETY: as many bytes were allocated just now.
        unsafe { data.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Ok(())
    }

    pub(crate) fn as_ptr(&self) -> *mut ffi::AVPacket {
        self.0.as_ptr()
    }

    /// Index of the stream it belongs to.
    pub fn stream(&self) -> usize {
        // SAFETY: the structure is alive as long as `self`; so in every method below.
        usize::try_from(unsafe { (*self.as_ptr()).stream_index }).unwrap_or(usize::MAX)
    }

    /// When to show it, in ticks of the stream's time base.
    pub fn pts(&self) -> Option<i64> {
        // SAFETY: see `stream`.
        some_time(unsafe { (*self.as_ptr()).pts })
    }

    /// When to decode it, in ticks of the stream's time base.
    pub fn dts(&self) -> Option<i64> {
        // SAFETY: see `stream`.
        some_time(unsafe { (*self.as_ptr()).dts })
    }

    /// How long it lasts in ticks; 0 when unknown.
    pub fn duration(&self) -> i64 {
        // SAFETY: see `stream`.
        unsafe { (*self.as_ptr()).duration }
    }

    /// Whether decoding can start here, as the demuxer says.
    pub fn is_key(&self) -> bool {
        self.has_flag(ffi::AV_PKT_FLAG_KEY as c_int)
    }

    /// Whether the demuxer saw that it is damaged.
    pub fn is_corrupt(&self) -> bool {
        self.has_flag(ffi::AV_PKT_FLAG_CORRUPT as c_int)
    }

    /// A decoder configuration in force from this packet on.
    pub fn new_extradata(&self) -> Option<Bytes> {
        // SAFETY: see `stream`. Most packets have no side data: no call for them.
        if unsafe { (*self.as_ptr()).side_data_elems } == 0 {
            return None;
        }
        let mut size = 0_usize;
        // SAFETY: the packet is alive and `size` is writable.
        let data = unsafe { raw::av_packet_get_side_data(self.as_ptr(), NEW_EXTRADATA, &raw mut size) };
        if data.is_null() {
            return None;
        }
        // SAFETY: libav says that `size` bytes are there; they are copied before anything can free them.
        Some(Bytes::copy_from_slice(unsafe {
            slice::from_raw_parts(data, size)
        }))
    }

    /// The unit's bytes.
    pub fn data(&self) -> &[u8] {
        // SAFETY: see `stream`.
        let (data, size) = unsafe { ((*self.as_ptr()).data, (*self.as_ptr()).size) };
        match usize::try_from(size) {
            // SAFETY: `data` points to `size` bytes that the packet keeps alive and nobody writes to.
            Ok(size) if size > 0 && !data.is_null() => unsafe { slice::from_raw_parts(data, size) },
            _ => &[],
        }
    }

    /// The unit's bytes without a copy, unless they sit in a buffer that is much larger than they are.
    pub fn into_bytes(self) -> Bytes {
        let length = self.data().len();
        if length == 0 {
            return Bytes::new();
        }
        let packet = self.as_ptr();
        // SAFETY: see `stream`.
        let buffer = unsafe { (*packet).buf };
        let Some(buffer) = NonNull::new(buffer) else {
            return Bytes::copy_from_slice(self.data());
        };
        // SAFETY: a packet's buffer reference is valid while the packet is.
        let capacity = unsafe { (*buffer.as_ptr()).size };
        if capacity > length.saturating_mul(2).saturating_add(WASTE) {
            return Bytes::copy_from_slice(self.data());
        }
        // SAFETY: `data` is not null (its length is not 0); the reference is moved out of the packet, so that it is
        // released exactly once, by `Buffer`.
        let buffer = unsafe {
            (*packet).buf = std::ptr::null_mut();
            Buffer {
                buffer,
                data: NonNull::new_unchecked((*packet).data),
                length,
            }
        };
        Bytes::from_owner(buffer)
    }

    fn has_flag(&self, flag: c_int) -> bool {
        // SAFETY: see `stream`.
        unsafe { (*self.as_ptr()).flags & flag != 0 }
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        let mut packet = self.as_ptr();
        // SAFETY: the structure came from `av_packet_alloc` and nobody else has it.
        unsafe { ffi::av_packet_free(&raw mut packet) };
    }
}

/// One reference to a counted buffer, and the part of it that is the payload.
struct Buffer {
    buffer: NonNull<ffi::AVBufferRef>,
    data: NonNull<u8>,
    length: usize,
}

// SAFETY: reference counts of libav's buffers are atomic, and the bytes are only read.
unsafe impl Send for Buffer {}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the payload lies in the buffer that `self` keeps alive; libav writes only to buffers with one owner.
        unsafe { slice::from_raw_parts(self.data.as_ptr(), self.length) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut buffer = self.buffer.as_ptr();
        // SAFETY: this reference is ours alone and is released once.
        unsafe { ffi::av_buffer_unref(&raw mut buffer) };
    }
}

pub(crate) fn some_time(ticks: i64) -> Option<i64> {
    (ticks != ffi::AV_NOPTS_VALUE).then_some(ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_outlive_the_packet_and_are_not_copied() {
        let packet = Packet::copy_of(b"payload").expect("memory");
        assert_eq!(packet.data(), b"payload");
        assert_eq!((packet.pts(), packet.dts(), packet.duration()), (None, None, 0));
        let address = packet.data().as_ptr();
        let bytes = packet.into_bytes();
        assert_eq!(&bytes[..], b"payload");
        assert_eq!(bytes.as_ptr(), address);
        std::thread::spawn(move || drop(bytes))
            .join()
            .expect("the thread ends");
        assert!(Packet::copy_of(b"").expect("memory").into_bytes().is_empty());
    }

    #[test]
    fn a_small_payload_does_not_keep_a_large_buffer() {
        let packet = Packet::copy_of(&[7; 100_000]).expect("memory");
        // SAFETY: a smaller payload in the same buffer.
        unsafe { (*packet.as_ptr()).size = 10 };
        let address = packet.data().as_ptr();
        let bytes = packet.into_bytes();
        assert_eq!(&bytes[..], [7; 10]);
        assert_ne!(bytes.as_ptr(), address);
    }
}
