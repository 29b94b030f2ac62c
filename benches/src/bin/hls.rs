//! `mediastack vod` under load beside nginx serving the same bytes as static files: `hls [--quick]`. Prints Markdown.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use mediastack_benches::cost::{median, memory};
use mediastack_benches::load::{Outcome, Server};
use mediastack_benches::media;
use mediastack_benches::table::{digits, head, megabytes, row, time};

/// Segments of ten seconds in ten minutes.
const SEGMENTS: u32 = 60;

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let seconds = if quick { 3 } else { 10 };
    let rounds = if quick { 1 } else { 3 };
    let program = media::mediastack()?;
    let ten_minutes = media::broadcast(20)?;
    let three_hours = media::broadcast(360)?;
    let root = media::folder()?;
    let ten = format!("/{}", name(&ten_minutes));
    let three = format!("/{}", name(&three_hours));

    println!("## HLS on the fly\n");
    println!(
        "One worker thread; `wrk` on the same machine over loopback; page cache warm. 1080p at 3.6 Mbit/s, segments of ten seconds. `static` is nginx with one worker, sending the same bytes as files through sendfile. CPU is the server's, medians of {rounds} round(s) of {seconds} s.\n"
    );
    segments(&program, &root, &ten, &three, seconds, rounds)?;
    playlists(&program, &root, &ten, &three, seconds)?;
    first_bytes(&program, &root, &three)?;
    long_files(&program, &root, seconds)?;
    idle_clients(&program, &root, &ten)?;
    Ok(())
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn numbered(file: &str, numbers: impl Iterator<Item = u32>, rest: &str) -> Vec<String> {
    numbers
        .map(|number| format!("{file}/seg-{number}{rest}"))
        .collect()
}

struct Load {
    name: &'static str,
    options: &'static [&'static str],
    paths: Vec<String>,
}

fn segments(
    program: &Path,
    root: &Path,
    ten: &str,
    three: &str,
    seconds: u32,
    rounds: u32,
) -> Result<(), Box<dyn Error>> {
    let all = || 1..=SEGMENTS;
    let spread = || (1..=1080).step_by(18);
    let encrypted: &[&str] = &[
        "--option",
        "vod_secret_key=bench",
        "--option",
        "vod_hls_encryption_method=aes-128",
    ];
    let loads = [
        Load {
            name: "TS, one segment",
            options: &[],
            paths: numbered(ten, 30..=30, "-v1-a1.ts"),
        },
        Load {
            name: "TS, 10 min",
            options: &[],
            paths: numbered(ten, all(), "-v1-a1.ts"),
        },
        Load {
            name: "TS, 3 h",
            options: &[],
            paths: numbered(three, spread(), "-v1-a1.ts"),
        },
        Load {
            name: "fMP4, 10 min",
            options: &[],
            paths: numbered(ten, all(), "-v1-a1.m4s"),
        },
        Load {
            name: "fMP4, video alone",
            options: &[],
            paths: numbered(ten, all(), "-v1.m4s"),
        },
        Load {
            name: "fMP4, 3 h",
            options: &[],
            paths: numbered(three, spread(), "-v1-a1.m4s"),
        },
        Load {
            name: "TS with AES-128, 10 min",
            options: encrypted,
            paths: numbered(ten, all(), "-v1-a1.ts"),
        },
    ];
    println!("### Segments\n");
    head(&[
        "load",
        "user s/GB",
        "all s/GB",
        "× static (CPU)",
        "GB/s",
        "static GB/s",
        "requests/s",
        "p50",
        "p99",
    ]);
    for load in loads {
        let ours = Server::mediastack(program, root, load.options)?;
        let folder = media::scratch()?;
        let mut names = Vec::new();
        for (number, path) in load.paths.iter().enumerate() {
            let (status, _, _, body) = ours.get(path)?;
            if status != 200 {
                return Err(format!("{path}: {status}").into());
            }
            fs::write(folder.path().join(number.to_string()), body)?;
            names.push(format!("/{number}"));
        }
        let peer = Server::nginx(folder.path())?;
        let mut found: Vec<(Outcome, Outcome)> = Vec::new();
        for _ in 0..rounds {
            found.push((
                ours.load(&load.paths, 8, seconds)?,
                peer.load(&names, 8, seconds)?,
            ));
        }
        let of = |value: fn(&Outcome) -> f64| median(found.iter().map(|(ours, _)| value(ours)));
        let ratio = median(
            found
                .iter()
                .map(|(ours, peer)| ours.per_gigabyte().1 / peer.per_gigabyte().1),
        );
        let peer = median(found.iter().map(|(_, peer)| peer.bytes / peer.seconds / 1e9));
        row(&[
            &load.name,
            &format!("{:.3}", of(|o| o.per_gigabyte().0)),
            &format!("{:.3}", of(|o| o.per_gigabyte().1)),
            &digits(ratio),
            &digits(of(|o| o.bytes / o.seconds / 1e9)),
            &digits(peer),
            &digits(of(|o| o.requests / o.seconds)),
            &time(Duration::from_secs_f64(of(|o| o.latency.0))),
            &time(Duration::from_secs_f64(of(|o| o.latency.1))),
        ]);
    }
    println!();
    Ok(())
}

fn playlists(
    program: &Path,
    root: &Path,
    ten: &str,
    three: &str,
    seconds: u32,
) -> Result<(), Box<dyn Error>> {
    let accurate: &[&str] = &[
        "--option",
        "vod_align_segments_to_key_frames=on",
        "--option",
        "vod_manifest_segment_durations_mode=accurate",
    ];
    println!("### Playlists, 16 connections\n");
    head(&["load", "bytes", "requests/s", "CPU of one", "p50", "p99"]);
    let loads: [(&str, &[&str], String); 5] = [
        ("media playlist, 10 min", &[], format!("{ten}/index.m3u8")),
        ("media playlist, 3 h", &[], format!("{three}/index.m3u8")),
        ("multivariant playlist, 3 h", &[], format!("{three}/master.m3u8")),
        (
            "media playlist, 3 h, aligned and accurate",
            accurate,
            format!("{three}/index.m3u8"),
        ),
        ("I-frame playlist, 3 h", &[], format!("{three}/iframes.m3u8")),
    ];
    for (what, options, path) in loads {
        let server = Server::mediastack(program, root, options)?;
        let (status, _, _, body) = server.get(&path)?;
        if status != 200 {
            return Err(format!("{path}: {status}").into());
        }
        let outcome = server.load(&[path], 16, seconds)?;
        let cpu = (outcome.spent.user + outcome.spent.system) / outcome.requests;
        row(&[
            &what,
            &body.len(),
            &digits(outcome.requests / outcome.seconds),
            &time(Duration::from_secs_f64(cpu)),
            &time(Duration::from_secs_f64(outcome.latency.0)),
            &time(Duration::from_secs_f64(outcome.latency.1)),
        ]);
    }
    println!();
    Ok(())
}

/// What a viewer waits for a file that the server has never seen, and for one that it knows.
fn first_bytes(program: &Path, root: &Path, three: &str) -> Result<(), Box<dyn Error>> {
    println!("### First bytes of a 3-hour file, one connection, medians of 5 (page cache warm)\n");
    head(&["request", "first byte", "all"]);
    let mut times: Vec<[f64; 8]> = Vec::new();
    for _ in 0..5 {
        let server = Server::mediastack(program, root, &[])?;
        let ask = |file: &str| {
            server
                .get(&format!("{three}/{file}"))
                .map(|(_, begun, done, _)| (begun, done))
        };
        let playlist = ask("index.m3u8")?;
        let segment = ask("seg-540-v1-a1.ts")?;
        let again = ask("seg-540-v1-a1.ts")?;
        let fresh = Server::mediastack(program, root, &[])?;
        let (_, begun, done, _) = fresh.get(&format!("{three}/seg-540-v1-a1.ts"))?;
        times.push([
            playlist.0, playlist.1, segment.0, segment.1, again.0, again.1, begun, done,
        ]);
    }
    let at = |place: usize| {
        Duration::from_secs_f64(median(times.iter().filter_map(|row| row.get(place).copied())))
    };
    for (place, what) in [
        "media playlist, never seen",
        "then a segment in the middle",
        "the same again",
        "a segment as the very first request",
    ]
    .iter()
    .enumerate()
    {
        row(&[what, &time(at(place * 2)), &time(at(place * 2 + 1))]);
    }
    println!("\nPlaylist and first media byte: {}.\n", time(at(1) + at(2)));
    Ok(())
}

fn long_files(program: &Path, root: &Path, seconds: u32) -> Result<(), Box<dyn Error>> {
    println!("### A segment in the middle, by length of the file (180p, 330 kbit/s)\n");
    head(&["file", "CPU of a request", "p50", "index memory"]);
    for loops in [20, 2880] {
        let file = name(&media::camera(loops)?);
        let middle = loops * 3 / 2;
        let server = Server::mediastack(program, root, &[])?;
        server.get(&format!("/{file}/index.m3u8"))?;
        let paths = numbered(&format!("/{file}"), middle..middle + 10, "-v1-a1.ts");
        let outcome = server.load(&paths, 8, seconds)?;
        let cpu = (outcome.spent.user + outcome.spent.system) / outcome.requests;
        let index = mediacore::mp4::SampleIndex::open(
            &fs::File::open(root.join(&file))?,
            fs::metadata(root.join(&file))?.len(),
        )?;
        let samples: u64 = index
            .tracks()
            .iter()
            .map(|track| u64::from(track.sample_count()))
            .sum();
        row(&[
            &format!("{} min", loops / 2),
            &time(Duration::from_secs_f64(cpu)),
            &time(Duration::from_secs_f64(outcome.latency.0)),
            &format!(
                "{}, {} bytes a sample",
                megabytes(index.heap_size() as u64),
                digits(index.heap_size() as f64 / samples as f64)
            ),
        ]);
    }
    println!();
    Ok(())
}

/// What clients cost that ask for a segment and do not read.
fn idle_clients(program: &Path, root: &Path, ten: &str) -> Result<(), Box<dyn Error>> {
    println!("### Clients that do not read\n");
    head(&["clients", "memory (PSS)", "of one"]);
    for kind in ["ts", "m4s"] {
        let server = Server::mediastack(program, root, &[])?;
        server.get(&format!("{ten}/seg-1-v1-a1.{kind}"))?;
        let before = memory(server.child()).pss;
        let mut clients = Vec::new();
        for number in 0..1000_u32 {
            let mut stream = TcpStream::connect(("127.0.0.1", server.port))?;
            write!(
                stream,
                "GET {ten}/seg-{}-v1-a1.{kind} HTTP/1.1\r\nHost: h\r\n\r\n",
                number % SEGMENTS + 1
            )?;
            clients.push(stream);
        }
        let start = Instant::now();
        let mut held = 0;
        while start.elapsed() < Duration::from_secs(5) {
            held = held.max(memory(server.child()).pss);
            thread::sleep(Duration::from_millis(100));
        }
        let more = held.saturating_sub(before);
        row(&[
            &format!("{} of a {} segment", clients.len(), kind.to_uppercase()),
            &megabytes(held),
            &format!("{} kB", digits(more as f64 / 1000.0 / clients.len() as f64)),
        ]);
    }
    println!();
    Ok(())
}
