//! Any bytes, opened as an MP4 file. Run with `make fuzz TARGET=mp4_index`.
#![no_main]

#[path = "../cases.rs"]
#[expect(dead_code, reason = "a target uses one case")]
mod cases;

libfuzzer_sys::fuzz_target!(|data: &[u8]| cases::mp4_index(data));
