//! Makes sure that the folder of the built pages exists (they are embedded as it is) and that a new build of them is taken; and links the
//! allocator so that it starts beside a preloaded library that replaces clocks (`bindings/allocator/src/preloaded.rs`).

use std::path::Path;

fn main() {
    let root = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let dist = Path::new(&root).join("ui/dist");
    if let Err(error) = std::fs::create_dir_all(&dist) {
        println!(
            "cargo::warning=no folder for the pages: {}: {error}",
            dist.display()
        );
    }
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo::rustc-link-arg-bins=-Wl,--wrap=clock_gettime,--wrap=pthread_cond_init");
    }
    println!("cargo::rerun-if-changed={}", dist.display());
    println!("cargo::rerun-if-changed=build.rs");
}
