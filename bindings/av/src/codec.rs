//! Owned codec contexts and frames, shared by the audio and the picture side.

use std::ffi::{CStr, c_int};
use std::ptr::{NonNull, null, null_mut};

use ffmpeg_next::ffi;

use crate::error::{check, is_again};
use crate::input::to_c;
use crate::packet::Packet;
use crate::raw::{self, read_enum};
use crate::{Error, ErrorKind};

/// A decoder or an encoder.
pub(crate) struct Codec {
    context: NonNull<ffi::AVCodecContext>,
    codec: NonNull<ffi::AVCodec>,
}

// SAFETY: the context is owned and used by one thread at a time; it runs without threads of its own.
unsafe impl Send for Codec {}

impl Codec {
    /// A decoder for libav's codec number, not yet open.
    pub(crate) fn decoder(id: c_int) -> Result<Self, Error> {
        // SAFETY: any number may be asked for; the answer is static or null.
        let codec = unsafe { raw::avcodec_find_decoder(id) };
        Self::of(codec, || format!("no decoder for {}", codec_name(id)))
    }

    /// An encoder by its name, not yet open.
    pub(crate) fn encoder(name: &str) -> Result<Self, Error> {
        let name_c = to_c(name, "the encoder's name")?;
        // SAFETY: a string with a NUL at its end; the answer is static or null.
        let codec = unsafe { ffi::avcodec_find_encoder_by_name(name_c.as_ptr()) };
        Self::of(codec, || format!("no encoder is called {name}"))
    }

    fn of(codec: *const ffi::AVCodec, missing: impl Fn() -> String) -> Result<Self, Error> {
        let codec =
            NonNull::new(codec.cast_mut()).ok_or_else(|| Error::new(ErrorKind::Unsupported, missing()))?;
        // SAFETY: a valid codec; null means out of memory.
        let context = unsafe { ffi::avcodec_alloc_context3(codec.as_ptr()) };
        let context = NonNull::new(context).ok_or_else(no_memory)?;
        // SAFETY: a plain field of a fresh context.
        unsafe { (*context.as_ptr()).thread_count = 1 };
        Ok(Self { context, codec })
    }

    pub(crate) fn as_ptr(&self) -> *mut ffi::AVCodecContext {
        self.context.as_ptr()
    }

    pub(crate) fn codec(&self) -> *const ffi::AVCodec {
        self.codec.as_ptr()
    }

    pub(crate) fn id(&self) -> c_int {
        // SAFETY: codecs are static; the enum is read as an integer.
        unsafe { read_enum!((*self.codec.as_ptr()).id) }
    }

    pub(crate) fn open(&mut self, what: &str) -> Result<(), Error> {
        // SAFETY: a context that was made for this codec and is not open.
        let code = unsafe { ffi::avcodec_open2(self.as_ptr(), self.codec(), null_mut()) };
        check(code, what).map(|_| ())
    }

    /// Gives a decoder one packet, or the end.
    pub(crate) fn send_packet(&mut self, packet: Option<&Packet>) -> Result<(), Error> {
        let packet = packet.map_or(null(), |packet| packet.as_ptr().cast_const());
        // SAFETY: an open decoder, and a valid packet or null; libav takes its own reference.
        let code = unsafe { ffi::avcodec_send_packet(self.as_ptr(), packet) };
        check(code, "decode").map(|_| ())
    }

    /// The next decoded frame into `frame`; false when it wants more packets, or at the end.
    pub(crate) fn receive_frame(&mut self, frame: &mut Frame) -> Result<bool, Error> {
        // SAFETY: an open decoder and a frame that libav clears first.
        let code = unsafe { ffi::avcodec_receive_frame(self.as_ptr(), frame.as_ptr()) };
        answered(code, "decode")
    }

    /// Gives an encoder one frame, or the end.
    pub(crate) fn send_frame(&mut self, frame: Option<&Frame>) -> Result<(), Error> {
        let frame = frame.map_or(null(), |frame| frame.as_ptr().cast_const());
        // SAFETY: an open encoder, and a valid frame or null; libav takes its own reference.
        check(unsafe { ffi::avcodec_send_frame(self.as_ptr(), frame) }, "encode").map(|_| ())
    }

    /// The next encoded packet; `None` when it wants more frames, or at the end.
    pub(crate) fn receive_packet(&mut self) -> Result<Option<Packet>, Error> {
        let packet = Packet::alloc()?;
        // SAFETY: an open encoder and an empty packet.
        let code = unsafe { ffi::avcodec_receive_packet(self.as_ptr(), packet.as_ptr()) };
        Ok(answered(code, "encode")?.then_some(packet))
    }
}

impl Drop for Codec {
    fn drop(&mut self) {
        let mut context = self.context.as_ptr();
        // SAFETY: owned, freed once.
        unsafe { ffi::avcodec_free_context(&raw mut context) };
    }
}

/// Decoded sound or a decoded picture.
pub(crate) struct Frame(NonNull<ffi::AVFrame>);

// SAFETY: the frame is owned, and its buffers are counted atomically.
unsafe impl Send for Frame {}

impl Frame {
    pub(crate) fn new() -> Result<Self, Error> {
        // SAFETY: no arguments; null means out of memory.
        NonNull::new(unsafe { ffi::av_frame_alloc() })
            .map(Self)
            .ok_or_else(no_memory)
    }

    pub(crate) fn as_ptr(&self) -> *mut ffi::AVFrame {
        self.0.as_ptr()
    }

    /// A picture of this size with room for its pixels.
    pub(crate) fn picture(width: c_int, height: c_int, format: c_int) -> Result<Self, Error> {
        let frame = Self::new()?;
        // SAFETY: plain fields of a fresh frame.
        unsafe {
            (*frame.as_ptr()).width = width;
            (*frame.as_ptr()).height = height;
            (*frame.as_ptr()).format = format;
        }
        frame.with_buffer()
    }

    /// Room for so many samples, in the form of `encoder`.
    pub(crate) fn samples(count: c_int, encoder: &Codec) -> Result<Self, Error> {
        let (frame, context) = (Self::new()?, encoder.as_ptr());
        // SAFETY: plain fields of a fresh frame and of an open encoder; the layout is copied.
        let code = unsafe {
            (*frame.as_ptr()).nb_samples = count;
            (*frame.as_ptr()).format = read_enum!((*context).sample_fmt);
            (*frame.as_ptr()).sample_rate = (*context).sample_rate;
            ffi::av_channel_layout_copy(
                &raw mut (*frame.as_ptr()).ch_layout,
                &raw const (*context).ch_layout,
            )
        };
        check(code, "describe a frame")?;
        frame.with_buffer()
    }

    fn with_buffer(self) -> Result<Self, Error> {
        // SAFETY: the frame says what it needs room for and has none yet.
        let code = unsafe { ffi::av_frame_get_buffer(self.as_ptr(), 0) };
        check(code, "allocate a frame")?;
        Ok(self)
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        let mut frame = self.0.as_ptr();
        // SAFETY: owned, freed once.
        unsafe { ffi::av_frame_free(&raw mut frame) };
    }
}

/// libav's number for a codec's name.
pub(crate) fn codec_id(name: &str) -> Result<c_int, Error> {
    let name_c = to_c(name, "the codec's name")?;
    // SAFETY: a string with a NUL at its end; the answer is static or null.
    let descriptor = unsafe { ffi::avcodec_descriptor_get_by_name(name_c.as_ptr()) };
    if descriptor.is_null() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("no codec is called {name}"),
        ));
    }
    // SAFETY: a static descriptor; the enum is read as an integer.
    Ok(unsafe { read_enum!((*descriptor).id) })
}

/// libav's name for a codec's number.
pub(crate) fn codec_name(id: c_int) -> String {
    // SAFETY: any integer is answered with a static string.
    let name = unsafe { CStr::from_ptr(raw::avcodec_get_name(id)) };
    name.to_string_lossy().into_owned()
}

/// A copy of `bytes` as libav wants its extradata: allocated by it, followed by zeros. Null for no bytes.
pub(crate) fn padded(bytes: &[u8]) -> Result<(*mut u8, c_int), Error> {
    const PADDING: usize = ffi::AV_INPUT_BUFFER_PADDING_SIZE as usize;
    if bytes.is_empty() {
        return Ok((null_mut(), 0));
    }
    let size = c_int::try_from(bytes.len())
        .ok()
        .filter(|&size| size < 1 << 28)
        .ok_or_else(|| {
            Error::new(
                ErrorKind::LimitExceeded,
                "a decoder configuration of more than 256 MiB",
            )
        })?;
    // SAFETY: any size may be asked for; null means out of memory.
    let copy = unsafe { ffi::av_mallocz(bytes.len() + PADDING) }.cast::<u8>();
    if copy.is_null() {
        return Err(no_memory());
    }
    // SAFETY: at least as many bytes were allocated just now.
    unsafe { copy.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    Ok((copy, size))
}

fn answered(code: c_int, what: &str) -> Result<bool, Error> {
    if is_again(code) || code == ffi::AVERROR_EOF {
        return Ok(false);
    }
    check(code, what).map(|_| true)
}

pub(crate) fn no_memory() -> Error {
    Error::new(ErrorKind::LimitExceeded, "out of memory")
}
