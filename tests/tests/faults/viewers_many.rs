//! Row 38: viewers by the hundred beside recordings, and one whose item is deleted under his eyes.

use std::process::Command;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use mediastack_tests::faults::lab::{Lab, SOON};
use mediastack_tests::faults::{Fault, patience, pick};
use mediastack_tests::file_server::FileServer;
use mediastack_tests::fixtures::media;
use mediastack_tests::http::Client;
use mediastack_tests::process::output_of;
use mediastack_tests::raw::Raw;
use serde_json::json;

/// The row of crowds.
pub(crate) const CROWD: (&str, &str) = (
    "a thousand viewers on one cold, long item while 64 recordings run; an item that is deleted while it plays; corrupt files",
    "the index is built once; no recording is late by a second; deletion cuts cleanly; corrupt files are 4xx with a reason",
);

/// How long a segment is.
const SEGMENT: Duration = Duration::from_secs(6);

#[test]
fn a_crowd_on_a_cold_item_makes_no_recording_late() {
    let mut fault = Fault::new(38, CROWD.0, CROWD.1);
    let (viewers, recordings) = (pick(100, 1000), pick(8, 64));
    let (length, watched) = (
        pick("600", "7200"),
        pick(Duration::from_secs(8), Duration::from_secs(60)),
    );
    let folder = tempfile::tempdir().expect("a temporary directory");
    let film = folder.path().join("long.mp4");
    output_of(
        Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-stream_loop", "-1", "-i"])
            .arg(media("live_360p.flv"))
            .args(["-t", length, "-c", "copy", "-movflags", "+faststart"])
            .arg(&film),
    );
    let cameras = FileServer::start(folder.path());
    let mut lab = Lab::default();
    let video = lab.admin.published(&film, &json!({"title": "Long"}));
    for number in 0..recordings {
        let path = format!("camera{number}.flv");
        cameras.live_flv(&path, &media("live_360p.flv"));
        let source = lab.source(&cameras.url(&path));
        lab.record(source);
    }
    lab.admin.until("/api/tasks/live", SOON * 2, |live| {
        let all = live.as_array().map(Vec::as_slice).unwrap_or_default();
        all.len() == recordings && all.iter().all(|one| one["durable_s"].as_f64() > Some(2.0))
    });
    let play = lab.admin.get(&format!("{video}/play")).json(200);
    let path = play["hls_url"].as_str().expect("a path").to_owned();

    // A fragment of two seconds is written when it is whole, so that much is always behind.
    let quiet = Instant::now() + pick(Duration::from_secs(4), Duration::from_secs(20));
    let alone = most_behind(&mut lab, || Instant::now() < quiet);

    // All of them ask for the playlist in one instant; then each takes a segment when it has played the one before.
    let together = Barrier::new(viewers);
    let (port, end) = (lab.server.port(), Instant::now() + watched);
    let slowest = std::sync::Mutex::new(Duration::ZERO);
    let behind = std::thread::scope(|scope| {
        let crowd: Vec<_> = (0..viewers)
            .map(|number| {
                let (together, path, slowest) = (&together, &path, &slowest);
                let watch = move || {
                    let mut client = Client::new(port, "h");
                    together.wait();
                    let began = Instant::now();
                    let playlist = client.get(path);
                    assert_eq!(playlist.status, 200, "{}", playlist.text());
                    let mut longest = slowest.lock().expect("no holder panics");
                    *longest = longest.max(began.elapsed());
                    drop(longest);
                    let text = playlist.text();
                    let names: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
                    let base = path.rsplit_once('/').expect("a folder").0;
                    let mut at = number * 7 % names.len();
                    while Instant::now() < end {
                        let segment = client.get(&format!("{base}/{}", names[at % names.len()]));
                        assert!(segment.status == 200 && segment.complete, "{}", segment.status);
                        at += 1;
                        let pause = SEGMENT.min(end.saturating_duration_since(Instant::now()));
                        std::thread::sleep(pause.mul_f64(0.9 + (number % 10) as f64 / 50.0));
                    }
                };
                std::thread::Builder::new()
                    .stack_size(256 << 10)
                    .spawn_scoped(scope, watch)
                    .expect("a thread")
            })
            .collect();
        most_behind(&mut lab, || crowd.iter().any(|viewer| !viewer.is_finished()))
    });
    // In a sample the cameras, the viewers, other tests and a program that isn't optimized share the processors.
    assert!(behind < 6.0, "a recording is {behind:.1} s behind");
    let late = behind - alone;
    assert!(
        late < pick(4.0, 1.0),
        "{behind:.1} s behind, {alone:.1} s without viewers"
    );
    let slowest = slowest.into_inner().expect("no holder panics");
    assert!(
        slowest < patience(Duration::from_secs(5)),
        "a playlist took {slowest:?}"
    );
    let live = lab.admin.get("/api/tasks/live").json(200);
    for one in live.as_array().expect("a list") {
        assert_eq!(
            (&one["gaps"], &one["reconnects"]),
            (&json!(0), &json!(0)),
            "{one:#}"
        );
    }
    fault.seen(format!(
        "{viewers} viewers at once on {length} s of film beside {recordings} recordings: the slowest playlist after {} ms, recordings {behind:.1} s \
         behind at most, {alone:.1} s without viewers; no gap",
        slowest.as_millis()
    ));
}

/// How many seconds that came were not durable yet, in the recording where they were most, while `going` says so.
fn most_behind(lab: &mut Lab, going: impl Fn() -> bool) -> f64 {
    let mut behind = 0.0_f64;
    while going() {
        let live = lab.admin.get("/api/tasks/live").json(200);
        for one in live.as_array().expect("a list") {
            let of = |key: &str| one[key].as_f64().unwrap_or(0.0);
            behind = behind.max(of("received_s") - of("durable_s"));
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    behind
}

#[test]
fn an_item_that_is_deleted_while_it_plays_is_cut_cleanly() {
    let mut fault = Fault::new(38, CROWD.0, CROWD.1);
    let mut lab = Lab::default();
    let file = media("av_h264_aac_faststart.mp4");
    let bytes = std::fs::read(&file).expect("a fixture");
    let video = lab.admin.published(&file, &json!({"title": "Gone soon"}));
    let play = lab.admin.get(&format!("{video}/play")).json(200);
    let playlist = play["hls_url"].as_str().expect("a path").to_owned();
    let segment = playlist.replace("index.m3u8", "seg-1-v1-a1.ts");
    let mut visitor = lab.server.visitor();
    assert_eq!(visitor.get(&segment).status, 200);
    // One who has the head of the file, and not yet its body.
    let mut viewer = Raw::connect(lab.server.port());
    viewer.send(format!("GET {video}/stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes());
    std::thread::sleep(Duration::from_millis(300));
    lab.admin.delete(&video).empty(204);
    for path in [
        &playlist,
        &segment,
        &format!("{video}/stream"),
        &format!("{video}/play"),
    ] {
        assert_eq!(visitor.get(path).status, 404, "{path}");
    }
    // What was promised to him comes to its end: the file is still there, in the trash.
    let (said, _) = viewer.rest(Duration::from_secs(20));
    let body = said.split_once("\r\n\r\n").expect("an answer").1;
    assert!(
        body.len() >= bytes.len() / 2,
        "{} characters of {} bytes",
        body.len(),
        bytes.len()
    );
    assert!(!lab.server.log().contains("panicked"), "{}", lab.server.log());
    fault
        .seen("an item in the trash is 404 at once on every path; an answer that had begun comes to its end");
}
