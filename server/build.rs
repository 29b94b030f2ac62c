//! Makes sure that the folder of the built pages exists (they are embedded as it is) and that a new build of them is taken.

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
    println!("cargo::rerun-if-changed={}", dist.display());
    println!("cargo::rerun-if-changed=build.rs");
}
