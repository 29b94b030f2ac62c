//! Libraries that are preloaded into the program under test.

use std::path::PathBuf;
use std::process::Command;

use crate::fixtures::repository;
use crate::process::output_of;

/// Compiles `tests/shim/NAME.c` beside this program; the library's path.
///
/// # Panics
/// When the C compiler is missing.
pub fn preloaded(name: &str) -> PathBuf {
    let me = std::env::current_exe().expect("the test's own path");
    let made = me.with_file_name(format!("{name}-shim-{}.so", std::process::id()));
    let mut compiler = Command::new("cc");
    compiler
        .args(["-std=c11", "-O1", "-Wall", "-shared", "-fPIC", "-o"])
        .arg(&made)
        .arg(repository().join(format!("tests/shim/{name}.c")))
        .args(["-ldl", "-lpthread"]);
    output_of(&mut compiler);
    // Two programs may do this at once: each puts a whole library in place.
    let place = me.with_file_name(format!("{name}-shim.so"));
    std::fs::rename(&made, &place).expect("the target directory is writable");
    place
}
