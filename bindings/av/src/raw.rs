//! Functions of libav that the bindings give with Rust enums or with a `va_list` type, declared with plain integers.

use std::ffi::{c_char, c_int, c_void};

use ffmpeg_next::ffi;

// Each signature is the C one with `enum` as `int` (what the C ABI says for these enums) and `va_list` as the pointer
// that it is passed as on x86-64 and AArch64.
unsafe extern "C" {
    pub(crate) fn avcodec_get_name(id: c_int) -> *const c_char;
    pub(crate) fn avcodec_find_decoder(id: c_int) -> *const ffi::AVCodec;
    pub(crate) fn av_packet_get_side_data(
        packet: *const ffi::AVPacket,
        kind: c_int,
        size: *mut usize,
    ) -> *mut u8;
    pub(crate) fn av_packet_new_side_data(packet: *mut ffi::AVPacket, kind: c_int, size: usize) -> *mut u8;
    pub(crate) fn av_samples_set_silence(
        data: *const *mut u8,
        offset: c_int,
        samples: c_int,
        channels: c_int,
        format: c_int,
    ) -> c_int;
    pub(crate) fn av_audio_fifo_alloc(
        format: c_int,
        channels: c_int,
        samples: c_int,
    ) -> *mut ffi::AVAudioFifo;
    pub(crate) fn swr_alloc_set_opts2(
        context: *mut *mut ffi::SwrContext,
        out_layout: *const ffi::AVChannelLayout,
        out_format: c_int,
        out_rate: c_int,
        in_layout: *const ffi::AVChannelLayout,
        in_format: c_int,
        in_rate: c_int,
        log_offset: c_int,
        log_context: *mut c_void,
    ) -> c_int;
    pub(crate) fn sws_isSupportedInput(format: c_int) -> c_int;
    pub(crate) fn sws_getContext(
        width: c_int,
        height: c_int,
        format: c_int,
        out_width: c_int,
        out_height: c_int,
        out_format: c_int,
        flags: c_int,
        filter: *mut c_void,
        out_filter: *mut c_void,
        parameters: *const f64,
    ) -> *mut ffi::SwsContext;
    pub(crate) fn av_log_set_callback(
        callback: Option<unsafe extern "C" fn(*mut c_void, c_int, *const c_char, *mut c_void)>,
    );
    pub(crate) fn av_log_format_line2(
        class: *mut c_void,
        level: c_int,
        format: *const c_char,
        arguments: *mut c_void,
        line: *mut c_char,
        line_size: c_int,
        print_prefix: *mut c_int,
    ) -> c_int;
}

/// Reads a field of a Rust enum type as the integer that it is in C.
///
/// The place must be readable and hold a C enum.
macro_rules! read_enum {
    ($place:expr) => {
        (&raw const $place).cast::<std::ffi::c_int>().read()
    };
}

/// Writes an integer into a field of a Rust enum type.
macro_rules! write_enum {
    ($place:expr, $value:expr) => {
        (&raw mut $place).cast::<std::ffi::c_int>().write($value)
    };
}

pub(crate) use {read_enum, write_enum};
