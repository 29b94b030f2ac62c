//! Any sequence of calls of a timeline. Run with `make fuzz TARGET=timeline`.
#![no_main]

#[path = "../cases.rs"]
#[expect(dead_code, reason = "a target uses one case")]
mod cases;

libfuzzer_sys::fuzz_target!(|data: &[u8]| cases::timeline(data));
