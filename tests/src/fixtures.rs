//! The media that `fixtures/make.sh` makes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The repository's root.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate lies in the repository")
}

/// The path of a fixture such as `av_h264_aac.ts` or `corrupt/empty.mp4`. The first call makes what is missing.
pub fn media(name: &str) -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    let dir = MADE.get_or_init(|| {
        crate::process::output_of(&mut Command::new(repository().join("fixtures/make.sh")));
        repository().join("fixtures/media")
    });
    let path = dir.join(name);
    assert!(path.exists(), "no fixture {name}: see fixtures/make.sh");
    path
}

/// Every hostile file, sorted by name.
pub fn corrupt() -> Vec<PathBuf> {
    let dir = media("corrupt");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(dir)
        .expect("the directory was just made")
        .map(|e| e.expect("readable").path())
        .collect();
    paths.sort();
    paths
}
