//! Any bytes, read as a journal. Run with `make fuzz TARGET=journal`.
#![no_main]

#[path = "../cases.rs"]
#[expect(dead_code, reason = "a target uses one case")]
mod cases;

libfuzzer_sys::fuzz_target!(|data: &[u8]| cases::journal(data));
