//! Any timeline, cut into segments. Run with `make fuzz TARGET=hls_plan`.
#![no_main]

#[path = "../cases.rs"]
#[expect(dead_code, reason = "a target uses one case")]
mod cases;

libfuzzer_sys::fuzz_target!(|data: &[u8]| cases::hls_plan(data));
