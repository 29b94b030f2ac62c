//! Small media made by the `ffmpeg` command in a directory of their own.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory that goes away with the test.
pub(crate) struct Media(tempfile::TempDir);

impl Media {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `ffmpeg` with `arguments` and the path of `name` as output.
    pub(crate) fn make(&self, name: &str, arguments: &str) -> PathBuf {
        let path = self.path(name);
        let done = Command::new("ffmpeg")
            .args(["-v", "error", "-nostdin", "-y"])
            .args(arguments.split_whitespace())
            .arg(&path)
            .status()
            .expect("ffmpeg is installed");
        assert!(done.success(), "ffmpeg {arguments}");
        path
    }

    /// Two seconds of H.264 (160x90, 25 fps, key frame each second) and AAC.
    pub(crate) fn video(&self, name: &str, more: &str) -> PathBuf {
        self.make(
            name,
            &format!(
                "-f lavfi -i testsrc2=s=160x90:r=25:d=2 -f lavfi -i sine=r=48000:d=2 -map 0 -map 1 \
                 -c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p -c:a aac {more}"
            ),
        )
    }
}

/// A path as text.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}
