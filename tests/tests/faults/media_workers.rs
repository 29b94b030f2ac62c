//! libav in a process of its own: what holds it, and what its crash costs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use mediastack_tests::faults::lab::Lab;
use mediastack_tests::faults::{Fault, Size, size};
use mediastack_tests::fixtures::media;
use mediastack_tests::hls_origin::{LiveHls, Segments};
use mediastack_tests::process::output_of;
use mediastack_tests::server::{Api, Server};
use mediastack_tests::workers;
use rustix::process::Signal;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);

const TITLE: &str =
    "Uploads that are cut off, sent twice, empty, too large, or not what they say; MP4 in every form";
const EXPECTED: &str = "goes on; known by its bytes; read in a limited process; plays, or a clear reason";

/// A fixture so many times one after the other, in the folder.
fn repeated(name: &str, times: u32, folder: &Path) -> PathBuf {
    let path = folder.join(name);
    let mut command = Command::new("ffmpeg");
    command.args([
        "-nostdin",
        "-v",
        "error",
        "-stream_loop",
        &(times - 1).to_string(),
        "-i",
    ]);
    output_of(command.arg(media(name)).args(["-c", "copy"]).arg(&path));
    path
}

/// The newest job of a kind.
fn job(admin: &mut Api, kind: &str) -> Value {
    let jobs = admin.get("/api/jobs").json(200);
    let jobs = jobs.as_array().expect("a list");
    jobs.iter()
        .find(|job| job["kind"] == kind)
        .cloned()
        .unwrap_or_default()
}

/// Waits until the newest job of a kind is in a status.
#[track_caller]
fn until(admin: &mut Api, kind: &str, status: &str) -> Value {
    let end = Instant::now() + SOON;
    loop {
        let job = job(admin, kind);
        if job["status"] == status {
            return job;
        }
        assert!(Instant::now() < end, "not {status}: {job}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What is in the storage folder and must not stay.
fn leftovers(server: &Server) -> Vec<String> {
    fn look(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".work") || name.ends_with(".part") {
                found.push(name);
            } else if entry.file_type().expect("a kind").is_dir() {
                look(&entry.path(), found);
            }
        }
    }
    let mut found = Vec::new();
    look(&server.storage(), &mut found);
    found
}

/// Uploads a film that an import takes some time for, and catches the worker that makes an MP4 of it.
fn importing(server: &Server, admin: &mut Api, folder: &Path) -> workers::Worker {
    let file = repeated("av_h264_aac.mkv", 30, folder);
    admin.upload(&file, &json!({}));
    let end = Instant::now() + SOON;
    loop {
        // Not the one that takes a picture: this one may write.
        let worker = workers::caught(server.id(), SOON);
        if worker.limit("Max file size") != "0" {
            return worker;
        }
        worker.signal(Signal::CONT);
        worker.gone(SOON);
        assert!(Instant::now() < end, "nobody imports");
    }
}

/// Ends a worker as a fault of its own would. The first signal of a fault that never was is taken for one on the stack's border, and
/// then Rust leaves the next to the system.
fn crash(worker: workers::Worker, signal: Signal) {
    worker.signal(signal);
    worker.signal(Signal::CONT);
    while worker.is_there() {
        std::thread::sleep(Duration::from_millis(1));
        worker.signal(signal);
    }
}

#[test]
fn a_worker_has_what_it_needs_and_nothing_else() {
    let mut fault = Fault::new(31, TITLE, EXPECTED);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start_with(&[("SECRET_KEY", "the-key-of-this-server-is-a-secret")]);
    let mut admin = server.admin();
    let worker = importing(&server, &mut admin, folder.path());
    for (name, value) in [("Seccomp", "2"), ("Seccomp_filters", "2"), ("NoNewPrivs", "1")] {
        assert_eq!(worker.status(name), value, "{name}: {}", worker.read("status"));
    }
    for (name, value) in [
        ("Max data size", (2_u64 << 30).to_string()),
        ("Max address space", (10_u64 << 30).to_string()),
        ("Max core file size", "0".to_owned()),
        ("Max open files", "32".to_owned()),
    ] {
        assert_eq!(worker.limit(name), value, "{name}: {}", worker.read("limits"));
    }
    let (file, processor) = (worker.limit("Max file size"), worker.limit("Max cpu time"));
    let input = fs::metadata(folder.path().join("av_h264_aac.mkv"))
        .expect("a file")
        .len();
    assert_eq!(file, (2 * input + (1 << 30)).to_string());
    assert_eq!(processor, (600 + input / 1_000_000).to_string());
    // Where libraries lie is told; cargo sets it for tests.
    let environment = worker.read("environ");
    let more: Vec<&str> = environment
        .split('\0')
        .filter(|one| !one.is_empty() && !one.starts_with("LD_LIBRARY_PATH="))
        .collect();
    assert_eq!(more, [""; 0], "the server's environment has secrets");
    let storage = server.storage().canonicalize().expect("a folder");
    for file in worker.files() {
        let own = file.starts_with("pipe:") || file.starts_with(&*storage.to_string_lossy());
        assert!(own, "{file} of {:?}", worker.files());
    }
    let before = worker.read("oom_score_adj");
    assert_eq!(
        before.trim(),
        "500",
        "memory that runs out ends it before the server"
    );
    worker.signal(Signal::CONT);
    until(&mut admin, "import", "completed");
    worker.gone(SOON);
    assert_eq!(leftovers(&server), [""; 0]);
    fault.seen("the kernel says of a process that reads an upload: seccomp, no new privileges, limits, no secrets, no other files");
}

#[test]
fn a_crash_of_libav_is_an_error_of_one_job() {
    let mut fault = Fault::new(31, TITLE, EXPECTED);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start();
    let mut admin = server.admin();
    for (signal, word) in [
        (Signal::SEGV, "crash (signal 11)"),
        (Signal::ABORT, "crash (signal 6)"),
    ] {
        let worker = importing(&server, &mut admin, folder.path());
        crash(worker, signal);
        let job = until(&mut admin, "import", "failed");
        let why = job["error_message"].as_str().expect("a reason");
        assert!(why.contains(word), "{why}");
        assert_eq!(job["attempts"], 1, "what crashes a reader does it again: {job}");
        assert_eq!(leftovers(&server), [""; 0]);
        // A person can ask for another try.
        admin.push(&format!("/api/jobs/{}/retry", job["id"])).json(200);
        until(&mut admin, "import", "completed");
        fs::remove_file(folder.path().join("av_h264_aac.mkv")).expect("a file");
    }
    let log = server.log();
    assert!(
        log.contains("made the reader crash") && !log.contains("panicked"),
        "{log}"
    );
    fault.seen("a crash of libav is an error of one job, and a try later it is done");
}

#[test]
fn a_worker_that_nobody_waits_for_ends() {
    let mut fault = Fault::new(31, TITLE, EXPECTED);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let mut server = Server::start();
    let mut admin = server.admin();
    // Taken back by a person, although it does not listen.
    let worker = importing(&server, &mut admin, folder.path());
    let id = job(&mut admin, "import")["id"].clone();
    admin.push(&format!("/api/jobs/{id}/cancel")).json(200);
    worker.gone(Duration::from_secs(5));
    assert_eq!(job(&mut admin, "import")["status"], "cancelled");
    let end = Instant::now() + SOON;
    while !leftovers(&server).is_empty() {
        assert!(Instant::now() < end, "{:?}", leftovers(&server));
        std::thread::sleep(Duration::from_millis(20));
    }
    admin.push(&format!("/api/jobs/{id}/retry")).json(200);
    let worker = loop {
        let worker = workers::caught(server.id(), SOON);
        if worker.limit("Max file size") != "0" {
            break worker;
        }
        worker.signal(Signal::CONT);
        worker.gone(SOON);
    };
    // The server is killed: the worker goes with it, and the work is done by the next one.
    drop(admin);
    server.kill();
    worker.gone(Duration::from_secs(5));
    assert!(!leftovers(&server).is_empty(), "it was in the middle of it");
    server.restart();
    let mut admin = server.admin();
    until(&mut admin, "import", "completed");
    assert_eq!(leftovers(&server), [""; 0]);
    fault.seen("a reader ends when its job is taken back, and when the server is killed; the next server does its work");
}

#[test]
fn a_worker_that_gets_no_further_is_ended_and_tried_once_more() {
    if size() == Size::Sample {
        // It is given a minute.
        return;
    }
    let mut fault = Fault::new(31, TITLE, EXPECTED);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start();
    let mut admin = server.admin();
    let worker = importing(&server, &mut admin, folder.path());
    let caught = Instant::now();
    worker.gone(Duration::from_secs(75));
    let after = caught.elapsed().as_secs();
    assert!((60..75).contains(&after), "{after} s");
    let job = until(&mut admin, "import", "completed");
    assert_eq!(job["attempts"], 2, "{job}");
    assert!(server.log().contains("no progress for 60 s"), "{}", server.log());
    fault
        .seen(format!(
            "a reader that gets no further is ended after {after} s, and the work is done by the next one"
        ))
        .recovered_in(caught.elapsed());
}

#[test]
fn pictures_of_recordings_come_from_one_process_and_its_crash_costs_none() {
    let mut fault = Fault::new(31, TITLE, EXPECTED);
    let origin = LiveHls::start(&media("live_360p.flv"), Segments::Ts);
    let mut lab = Lab::default();
    let (_, task) = lab.recording(&origin.url());
    let target = format!("/api/tasks/{task}/picture");
    let mut tags = Vec::new();
    let mut seen = Vec::new();
    let end = Instant::now() + SOON;
    while tags.len() < 6 {
        let picture = lab.admin.get(&target);
        // There is none before the first key frame is on the disk, and always one after that.
        if picture.status == 204 && tags.is_empty() {
            std::thread::sleep(Duration::from_millis(200));
            continue;
        }
        assert_eq!(picture.status, 200, "after {tags:?}");
        assert!(picture.body.starts_with(&[0xFF, 0xD8, 0xFF]));
        let tag = picture.header("etag").map(str::to_owned);
        if tags.last() != tag.as_ref() {
            tags.extend(tag);
            let workers = workers::of(lab.server.id());
            assert_eq!(workers.len(), 1, "{workers:?}");
            seen.push(workers[0]);
            if tags.len() == 3 {
                crash(workers[0], Signal::SEGV);
            }
        }
        assert!(Instant::now() < end, "{tags:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
    seen.dedup();
    assert_eq!(seen.len(), 2, "one before the crash, one after it: {seen:?}");
    for (name, value) in [("Seccomp", "2"), ("NoNewPrivs", "1")] {
        assert_eq!(seen[1].status(name), value, "{name}");
    }
    fault.seen("pictures of a running recording: one process makes them, and when it crashes another does");
}

#[test]
fn a_system_that_can_hold_workers_may_be_required() {
    let required = Server::start_with(&[("WORKER_SANDBOX", "required")]);
    let video = required.admin().upload(&media("av_h264_aac.ts"), &json!({}));
    assert!(video["video_id"].is_number(), "{video}");
    let off = Server::start_with(&[("WORKER_SANDBOX", "off")]);
    let mut admin = off.admin();
    admin.upload(&media("av_h264_aac.ts"), &json!({}));
    until(&mut admin, "import", "completed");
    until(&mut admin, "thumbnail", "completed");
}
