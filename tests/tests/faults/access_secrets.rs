//! The password in a source's address is for the source alone.

use std::path::Path;
use std::time::Duration;

use mediastack_tests::binary::{self, Run};
use mediastack_tests::faults::Fault;
use mediastack_tests::file_server::{Effect, FileServer};
use mediastack_tests::fixtures::media;
use mediastack_tests::recording::Target;

const SECRET: &str = "s3cr3t-hunter2";
const LIMIT: Duration = Duration::from_secs(30);

#[track_caller]
fn assert_silent(run: &Run, files: &[impl AsRef<Path>]) {
    assert!(
        !run.stdout.contains(SECRET) && !run.stderr.contains(SECRET),
        "{run:#?}"
    );
    for file in files {
        let bytes = std::fs::read(file).expect("readable");
        let found = bytes.windows(SECRET.len()).any(|w| w == SECRET.as_bytes());
        assert!(!found, "the password is in {}", file.as_ref().display());
    }
}

#[test]
fn a_good_recording_does_not_hold_it() {
    let mut fault = Fault::new(
        21,
        "credentials in a source's address",
        "never in logs, answers, errors, files or their metadata",
    );
    let dir = tempfile::tempdir().expect("a temporary directory");
    let server = FileServer::start(dir.path());
    server.live_flv("live.flv?token=s3cr3t-hunter2", &media("live_360p.flv"));
    let url = format!(
        "http://admin:{SECRET}@127.0.0.1:{}/live.flv?token={SECRET}",
        server.port()
    );
    let target = Target::default();
    let mut command = target.command(&url, &["--duration", "2s"]);
    command.env("RUST_LOG", "trace");
    let run = binary::spawn_command(&mut command).finish(LIMIT).success();
    assert_silent(&run, &target.entries());
    fault.seen("not in the log at its most talkative, nor in the file");
}

#[test]
fn no_error_holds_it() {
    let mut fault = Fault::new(
        21,
        "credentials in a source's address",
        "never in logs, answers, errors, files or their metadata",
    );
    let dir = tempfile::tempdir().expect("a temporary directory");
    let server = FileServer::start(dir.path());
    server.fault("denied", None, Effect::Status(401));
    let port = server.port();
    for url in [
        format!("http://admin:{SECRET}@127.0.0.1:{port}/denied.m3u8"),
        format!("http://admin:{SECRET}@127.0.0.1:{port}/missing.flv?key={SECRET}"),
        format!("rtmp://admin:{SECRET}@127.0.0.1:1/live/a"),
        format!("rtsp://admin:{SECRET}@127.0.0.1:1/live"),
        format!("rtsp://admin:{SECRET}@[::1/live"),
        format!("gopher://admin:{SECRET}@127.0.0.1/live"),
    ] {
        let target = Target::default();
        let mut command = target.command(&url, &["--duration", "2s", "--max-reconnect-time", "1s"]);
        command.env("RUST_LOG", "trace");
        let run = binary::spawn_command(&mut command).finish(LIMIT);
        assert_ne!(run.code, Some(0), "{run:#?}");
        assert_silent(&run, &target.entries());
    }
    fault.seen("nor in what is said when the source refuses, is missing, or has no valid address");
}
