//! Any MP4 file, packaged in one of many ways. Run with `make fuzz TARGET=hls_package`.
#![no_main]

#[path = "../cases.rs"]
#[expect(dead_code, reason = "a target uses one case")]
mod cases;

libfuzzer_sys::fuzz_target!(|data: &[u8]| cases::hls_package_once(data));
