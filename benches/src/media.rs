//! The media that is measured: made once by ffmpeg into `target/bench-media`, used again when it is there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::cost::run;

/// A container that can be remuxed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Container {
    /// Progressive MP4, `moov` at the end.
    Mp4,
    /// FLV.
    Flv,
    /// Matroska.
    Mkv,
    /// MPEG-TS.
    Ts,
}

impl Container {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Mp4, Self::Flv, Self::Mkv, Self::Ts];

    /// The file name's ending.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Mp4 => "mp4",
            Self::Flv => "flv",
            Self::Mkv => "mkv",
            Self::Ts => "ts",
        }
    }
}

/// 720p H.264 with B-frames at 30 frames and 8 Mbit/s, and AAC at 48 kHz, `loops` times 30 s.
///
/// # Errors
/// ffmpeg is missing or fails.
pub fn film(container: Container, loops: u32) -> io::Result<PathBuf> {
    let source = folder()?.join("film-30s.mp4");
    if !source.exists() {
        eprintln!("making {}", source.display());
        made(&source, |part| {
            let mut ffmpeg = ffmpeg();
            ffmpeg
                .args([
                    "-f",
                    "lavfi",
                    "-i",
                    "testsrc2=size=1280x720:rate=30,noise=alls=12:allf=t",
                ])
                .args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"])
                .args([
                    "-t",
                    "30",
                    "-c:v",
                    "libx264",
                    "-preset",
                    "ultrafast",
                    "-bf",
                    "2",
                    "-g",
                    "60",
                ])
                .args([
                    "-b:v", "8M", "-maxrate", "8M", "-bufsize", "8M", "-pix_fmt", "yuv420p",
                ])
                .args(["-c:a", "aac", "-b:a", "128k", "-f", "mp4"])
                .arg(part);
            ffmpeg
        })?;
    }
    let path = folder()?.join(format!("film-{}s.{}", loops * 30, container.extension()));
    if !path.exists() {
        eprintln!("making {}", path.display());
        made(&path, |part| {
            let mut ffmpeg = ffmpeg();
            ffmpeg
                .args(["-stream_loop", &loops.saturating_sub(1).to_string(), "-i"])
                .arg(&source)
                .args(["-c", "copy", "-f"])
                .arg(match container {
                    Container::Mp4 => "mp4",
                    Container::Flv => "flv",
                    Container::Mkv => "matroska",
                    Container::Ts => "mpegts",
                })
                .arg(part);
            ffmpeg
        })?;
    }
    Ok(path)
}

/// A small live picture, 30 s: 360p H.264 at 30 frames and 800 kbit/s, and AAC at 48 kHz.
///
/// # Errors
/// ffmpeg is missing or fails.
pub fn live() -> io::Result<PathBuf> {
    let path = folder()?.join("live-360p.flv");
    if !path.exists() {
        made(&path, |part| {
            let mut ffmpeg = ffmpeg();
            ffmpeg
                .args([
                    "-f",
                    "lavfi",
                    "-i",
                    "testsrc2=size=640x360:rate=30,noise=alls=8:allf=t",
                ])
                .args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"])
                .args([
                    "-t",
                    "30",
                    "-c:v",
                    "libx264",
                    "-preset",
                    "veryfast",
                    "-g",
                    "60",
                    "-sc_threshold",
                    "0",
                ])
                .args([
                    "-b:v", "800k", "-maxrate", "800k", "-bufsize", "800k", "-pix_fmt", "yuv420p",
                ])
                .args(["-c:a", "aac", "-b:a", "96k", "-f", "flv"])
                .arg(part);
            ffmpeg
        })?;
    }
    Ok(path)
}

/// 1080p H.264 at 30 frames and 3.5 Mbit/s with a key frame every two seconds, and AAC at 48 kHz, as faststart MP4: `loops`
/// times 30 s.
///
/// # Errors
/// ffmpeg is missing or fails.
pub fn broadcast(loops: u32) -> io::Result<PathBuf> {
    looped("broadcast", "1920x1080", "3500k", 10, loops)
}

/// 180p H.264 at 30 frames and 200 kbit/s, and AAC, as faststart MP4: `loops` times 30 s.
///
/// # Errors
/// ffmpeg is missing or fails.
pub fn camera(loops: u32) -> io::Result<PathBuf> {
    looped("camera", "320x180", "200k", 2, loops)
}

fn looped(name: &str, size: &str, rate: &str, noise: u32, loops: u32) -> io::Result<PathBuf> {
    let source = folder()?.join(format!("{name}-30s.mp4"));
    if !source.exists() {
        eprintln!("making {}", source.display());
        made(&source, |part| {
            let mut ffmpeg = ffmpeg();
            ffmpeg.args([
                "-f",
                "lavfi",
                "-i",
                &format!("testsrc2=size={size}:rate=30,noise=alls={noise}:allf=t"),
            ]);
            ffmpeg.args([
                "-f",
                "lavfi",
                "-i",
                "sine=frequency=440:sample_rate=48000",
                "-t",
                "30",
            ]);
            ffmpeg.args([
                "-c:v",
                "libx264",
                "-preset",
                "ultrafast",
                "-g",
                "60",
                "-sc_threshold",
                "0",
            ]);
            ffmpeg.args([
                "-b:v", rate, "-maxrate", rate, "-bufsize", rate, "-pix_fmt", "yuv420p",
            ]);
            ffmpeg
                .args(["-c:a", "aac", "-b:a", "128k", "-f", "mp4"])
                .arg(part);
            ffmpeg
        })?;
    }
    let path = folder()?.join(format!("{name}-{}s.mp4", loops * 30));
    if !path.exists() {
        eprintln!("making {}", path.display());
        made(&path, |part| {
            let mut ffmpeg = ffmpeg();
            ffmpeg
                .args(["-stream_loop", &loops.saturating_sub(1).to_string(), "-i"])
                .arg(&source);
            ffmpeg
                .args(["-c", "copy", "-movflags", "+faststart", "-f", "mp4"])
                .arg(part);
            ffmpeg
        })?;
    }
    Ok(path)
}

/// A folder for outputs on the disk where the media is; gone when dropped.
///
/// # Errors
/// What the operating system says.
pub fn scratch() -> io::Result<TempDir> {
    tempfile::Builder::new().prefix("out-").tempdir_in(folder()?)
}

/// Where the media is.
///
/// # Errors
/// It can't be made.
pub fn folder() -> io::Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
        PathBuf::from,
    );
    let folder = target.join("bench-media");
    fs::create_dir_all(&folder)?;
    folder.canonicalize()
}

/// ffmpeg, quiet, overwriting.
pub fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-y"]);
    command
}

/// The peer of `mediastack remux`.
pub fn ffmpeg_copy(input: &Path, output: &Path, faststart: bool) -> Command {
    let mut command = ffmpeg();
    command.arg("-i").arg(input).args(["-c", "copy"]);
    if faststart {
        command.args(["-movflags", "+faststart"]);
    }
    command.arg(output);
    command
}

/// The `mediastack` beside this program, or the one that `MEDIASTACK_BIN` names.
///
/// # Errors
/// There is none.
pub fn mediastack() -> io::Result<PathBuf> {
    let path = match std::env::var_os("MEDIASTACK_BIN") {
        Some(path) => PathBuf::from(path),
        None => beside("mediastack")?,
    };
    if path.exists() {
        return Ok(path);
    }
    Err(io::Error::other(format!(
        "{} is not there: cargo build --release -p mediastack",
        path.display()
    )))
}

/// A program in the folder of this one.
///
/// # Errors
/// The operating system doesn't say where this program is.
pub fn beside(name: &str) -> io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}

/// Makes a file under another name first, so that a half made one is never used.
fn made(path: &Path, command: impl FnOnce(&Path) -> Command) -> io::Result<()> {
    let part = path.with_extension("part");
    run(&mut command(&part))?;
    fs::rename(part, path)
}
