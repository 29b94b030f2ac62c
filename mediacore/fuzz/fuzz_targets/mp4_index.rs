//! Any bytes, opened as an MP4 file. Run with
//! `cargo +nightly fuzz run mp4_index fuzz/corpus/mp4_index ../fixtures/corpus/mp4_index` in `mediacore`.
#![no_main]

#[path = "../cases.rs"]
mod cases;

libfuzzer_sys::fuzz_target!(|data: &[u8]| cases::mp4_index(data));
