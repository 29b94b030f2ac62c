//! Any packets of any codec, and any sample entry. Run with `make fuzz TARGET=codec`.
#![no_main]

#[path = "../cases.rs"]
#[expect(dead_code, reason = "a target uses one case")]
mod cases;

libfuzzer_sys::fuzz_target!(|data: &[u8]| cases::codec(data));
