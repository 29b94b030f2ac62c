//! Any path of a request. Run with `make fuzz TARGET=hls_name`.
#![no_main]

#[path = "../cases.rs"]
#[expect(dead_code, reason = "a target uses one case")]
mod cases;

libfuzzer_sys::fuzz_target!(|data: &[u8]| cases::hls_name(data));
