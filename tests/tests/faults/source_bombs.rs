//! Rows 18 and 19: playlists that are made to hurt, and redirects that lead astray.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mediastack_tests::faults::lab::Lab;
use mediastack_tests::faults::{Fault, patience, pick};
use mediastack_tests::origin::{Asked, Origin, Reply};
use mediastack_tests::{binary, ports};
use serde_json::json;

use crate::hostile::{forget_peak, peak};

/// Seconds of processor time that a process has used.
fn cpu(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    // The name in brackets may hold spaces; the times are the 14th and 15th field.
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 = after
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    ticks / 100.0
}

fn segments(lines: &str) -> String {
    format!("#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:1\n{lines}")
}

/// `n` deflated bytes that are a megabyte each.
fn gzip_bomb() -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("bomb.gz");
    let script = format!(
        "(printf '#EXTM3U\\n'; head -c 200000000 /dev/zero | tr '\\0' '\\n') | gzip -9 > {}",
        path.display()
    );
    mediastack_tests::process::output_of(std::process::Command::new("sh").args(["-c", &script]));
    std::fs::read(path).expect("just made")
}

/// An answer, made anew for each request.
type Answer = Box<dyn Fn() -> Reply + Send + Sync>;

/// Names, what the refusal says, and answers.
fn bombs() -> Vec<(&'static str, &'static str, Answer)> {
    let text = |text: String| -> Answer {
        let body: Arc<[u8]> = text.into_bytes().into();
        Box::new(move || Reply::ok("application/vnd.apple.mpegurl", Arc::clone(&body)))
    };
    let bomb: Arc<[u8]> = gzip_bomb().into();
    vec![
        (
            "100_mb",
            "larger than 4194304 bytes",
            Box::new(|| {
                Reply::stream("application/vnd.apple.mpegurl", |out| {
                    out.write_all(segments("").as_bytes())?;
                    let line = "#EXTINF:4,\nsegment.ts\n".repeat(4096);
                    (0..1200).try_for_each(|_| out.write_all(line.as_bytes()))
                })
            }),
        ),
        (
            "gzip_bomb",
            "compressed",
            Box::new(move || {
                Reply::ok("application/vnd.apple.mpegurl", Arc::clone(&bomb)).with("Content-Encoding: gzip")
            }),
        ),
        (
            "a_million_entries",
            "larger than 4194304 bytes",
            text(segments(&"#EXTINF:1,\na\n".repeat(1_000_000))),
        ),
        (
            "many_short_entries",
            "more than 20000 segments",
            text(segments(&"#EXTINF:1,\na\n".repeat(300_000))),
        ),
        (
            "a_master_that_names_itself",
            "inside another",
            text("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlive.m3u8\n".to_owned()),
        ),
        (
            "a_chain_of_masters",
            "inside another",
            text("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nmore/live.m3u8\n".to_owned()),
        ),
        (
            "byte_range_of_2_to_63",
            "a byte range",
            text(segments(
                "#EXTINF:4,\n#EXT-X-BYTERANGE:9223372036854775808@0\na.ts\n",
            )),
        ),
        (
            "byte_range_past_the_end_of_numbers",
            "beyond 2^64",
            text(segments(
                "#EXTINF:4,\n#EXT-X-BYTERANGE:100@18446744073709551615\na.ts\n",
            )),
        ),
        (
            "negative_length",
            "no time",
            text(segments("#EXTINF:-4,\na.ts\n")),
        ),
        (
            "length_that_is_no_number",
            "no time",
            text(segments("#EXTINF:nan,\na.ts\n")),
        ),
        (
            "endless_length",
            "no time",
            text(segments("#EXTINF:1e300,\na.ts\n")),
        ),
        (
            "a_thousand_variants",
            "more than 256 variants",
            text(format!(
                "#EXTM3U\n{}",
                "#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n".repeat(1000)
            )),
        ),
        (
            "a_line_of_four_megabytes",
            "status 404",
            text(format!(
                "#EXTM3U\n#EXT-X-STREAM-INF:{}\na\n",
                "A=1,".repeat(1_000_000)
            )),
        ),
    ]
}

#[test]
fn a_playlist_bomb_is_told_from_a_playlist_in_a_moment() {
    let mut fault = Fault::new(
        18,
        "playlist bombs: 100 MB, a million entries, itself, gzip bomb, byte range of 2^63, negative length",
        "hard caps on size, depth, entries, ratio; source marked bad in less than 1 s of processor time",
    );
    let mut lab = Lab::default();
    let process = lab.server.id();
    let (mut most, mut told) = (0.0_f64, Vec::new());
    // Signing in takes some to make guessing of passwords slow.
    forget_peak(process);
    let before = peak(process);
    for (name, words, reply) in bombs() {
        let origin = Origin::start(move |asked: &Asked| match asked.path.ends_with(".m3u8") {
            true => reply(),
            false => Reply::status(404),
        });
        let used = cpu(process);
        let began = Instant::now();
        let url = json!({"url": origin.url("live.m3u8")});
        let tested = lab.admin.post("/api/sources/test", &url).json(200);
        let (used, took) = (cpu(process) - used, began.elapsed());
        assert_eq!(tested["ok"], false, "{name}: {tested}");
        let reason = tested["error"].as_str().expect("a reason");
        assert!(reason.contains(words) && reason.len() < 500, "{name}: {reason}");
        assert!(used < 1.0, "{name}: {used} s of processor time");
        assert!(took < patience(Duration::from_secs(14)), "{name}: {took:?}");
        assert!(
            origin.asked().len() < 40,
            "{name}: {} requests",
            origin.asked().len()
        );
        most = most.max(used);
        told.push(name);
        eprintln!("{name}: {used:.2} s, {took:?}: {reason}");
    }
    let grown = peak(process) - before;
    assert!(grown < 64.0, "{grown} MiB more");
    fault.seen(format!(
        "{}: each refused in words, at most {most:.2} s of processor time, {grown:.0} MiB in all",
        told.join(", ")
    ));
}

#[test]
fn a_playlist_that_turns_into_a_bomb_stops_at_the_patience() {
    let mut fault = Fault::new(
        18,
        "playlist bombs: 100 MB, a million entries, itself, gzip bomb, byte range of 2^63, negative length",
        "hard caps on size, depth, entries, ratio; source marked bad in less than 1 s of processor time",
    );
    let origin = mediastack_tests::hls_window::LiveWindow::start(mediastack_tests::hls_window::cut(
        &mediastack_tests::fixtures::media("live_360p.flv"),
        100,
    ));
    let mut lab = Lab::default();
    let (source, _) = lab.recording(&origin.url());
    let bomb: Arc<[u8]> = segments(&"#EXTINF:1,\na\n".repeat(1_000_000)).into_bytes().into();
    origin.script(move |asked, _| {
        let playlist = asked.path == "index.m3u8";
        playlist.then(|| Reply::ok("application/vnd.apple.mpegurl", Arc::clone(&bomb)))
    });
    let process = lab.server.id();
    let (used, seconds) = (cpu(process), pick(6, 20));
    std::thread::sleep(Duration::from_secs(seconds));
    let share = (cpu(process) - used) / seconds as f64;
    assert!(share < 0.5, "{share} of a processor");
    origin.heal();
    let back = Instant::now();
    lab.until_more(source, 2.0, mediastack_tests::faults::lab::SOON);
    fault
        .seen(format!(
            "a live playlist that becomes one: {:.0} % of a processor, then goes on",
            share * 1e2
        ))
        .recovered_in(back.elapsed());
    lab.stop(source);
}

#[test]
fn redirects_are_few_and_stay_within_the_rules() {
    let mut fault = Fault::new(
        19,
        "redirect loop, 20 hops, https to http to file",
        "at most 5; the same filter at each hop; an error",
    );
    let elsewhere = ports::free();
    let origin = Origin::start(move |asked| {
        let (name, number) = asked.path.split_once('/').unwrap_or((&asked.path, "0"));
        let number: u32 = number.parse().unwrap_or(0);
        match name {
            "loop" => Reply::redirect("/loop/0"),
            "hops" if number < 20 => Reply::redirect(&format!("/hops/{}", number + 1)),
            "file" => Reply::redirect("file:///etc/passwd"),
            "rtsp" => Reply::redirect(&format!("rtsp://127.0.0.1:{elsewhere}/x")),
            "data" => Reply::redirect("data:text/plain,%23EXTM3U"),
            "metadata" => Reply::redirect("http://169.254.169.254/latest/meta-data/"),
            "mapped" => Reply::redirect("http://[::ffff:169.254.169.254]/"),
            "decimal" => Reply::redirect("http://2852039166/"),
            "nowhere" => Reply::redirect(""),
            "playlist" => Reply::playlist(&segments(
                "#EXTINF:4,\n/file\n#EXTINF:4,\n/metadata\n#EXTINF:4,\n/loop/0\n#EXT-X-ENDLIST\n",
            )),
            "keyed" => Reply::playlist(&segments(
                "#EXT-X-KEY:METHOD=AES-128,URI=\"/file\"\n#EXTINF:4,\na.ts\n#EXT-X-ENDLIST\n",
            )),
            _ => Reply::status(404),
        }
    });
    let mut lab = Lab::default();
    let mut reasons = Vec::new();
    for name in [
        "loop/0", "hops/0", "file", "rtsp", "data", "metadata", "mapped", "decimal", "nowhere", "playlist",
        "keyed",
    ] {
        let before = origin.asked().len();
        let began = Instant::now();
        let url = json!({"url": origin.url(name)});
        let tested = lab.admin.post("/api/sources/test", &url).json(200);
        let asked = origin.asked().len() - before;
        assert_eq!(tested["ok"], false, "{name}: {tested}");
        let reason = tested["error"].as_str().expect("a reason");
        assert!(!reason.contains("root:"), "{name}: {reason}");
        let endless = ["loop/0", "hops/0"].contains(&name);
        assert!(
            !endless || reason.ends_with("more than 5 redirects"),
            "{name}: {reason}"
        );
        assert!(
            asked <= if name == "playlist" { 30 } else { 12 },
            "{name}: {asked} requests, {reason}"
        );
        assert!(
            began.elapsed() < Duration::from_secs(14),
            "{name}: {:?}",
            began.elapsed()
        );
        eprintln!("{name}: {asked} requests: {reason}");
        reasons.push(format!("{name} ({asked})"));
    }
    // A recording is refused as clearly, and leaves nothing behind.
    let dir = tempfile::tempdir().expect("a temporary directory");
    let out = dir.path().join("out.mp4");
    let run = binary::run(
        &[
            "record".as_ref(),
            origin.url("file").as_ref(),
            out.as_os_str(),
            "--max-reconnect-time".as_ref(),
            "1s".as_ref(),
        ],
        Duration::from_secs(20),
    )
    .clear_error();
    assert!(!out.exists(), "{run:?}");
    fault.seen(format!("refused, requests in brackets: {}", reasons.join(", ")));
}
