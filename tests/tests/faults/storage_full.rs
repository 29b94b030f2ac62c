//! Rows 22, 23 and 29 as a user of the server sees them: the disk is full for a while, or fails, under recordings that run.

use std::time::{Duration, Instant};

use mediastack_tests::fail::{Call, Failing, How};
use mediastack_tests::faults::lab::{Lab, SOON, gaps};
use mediastack_tests::faults::{Fault, pick};
use mediastack_tests::fixtures::media;
use mediastack_tests::nginx_rtmp::{NginxRtmp, WhenPublisherLeaves};
use mediastack_tests::publish::{Content, Publisher};
use mediastack_tests::server::Server;

/// Everything that a file system without room refuses.
const WRITING: [Call; 5] = [Call::Write, Call::Sync, Call::Allocate, Call::Create, Call::Copy];

/// A server whose calls on a folder can be made to fail.
fn lab(failing: &Failing, folder: impl Fn(&Server) -> std::path::PathBuf) -> Lab {
    let mut server = Server::prepare(&[]);
    let folder = folder(&server);
    for (name, value) in failing.environment(&[&folder]) {
        server.set(name, &value);
    }
    server.restart();
    let admin = server.admin();
    Lab { server, admin }
}

fn on_air() -> (NginxRtmp, Publisher) {
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_360p.flv")));
    (nginx, publisher)
}

#[test]
fn a_full_disk_is_waited_for_and_costs_nothing() {
    let mut fault = Fault::new(
        22,
        "the disk is full for a while under a recording",
        "it waits, says so, and goes on by itself in the same file",
    );
    let (nginx, _publisher) = on_air();
    let failing = Failing::default();
    let mut lab = lab(&failing, Server::storage);
    let (source, task) = lab.recording(&nginx.url("a"));
    failing.fail_from(&WRITING, 1, How::NoSpace);
    let noticed = lab.until_state(source, "disk_full", SOON);
    let shown = lab.live(source)["durable_s"].as_f64().expect("a number");
    std::thread::sleep(pick(Duration::from_secs(2), Duration::from_secs(6)));
    let later = lab.live(source)["durable_s"].as_f64().expect("a number");
    assert!(
        later == shown,
        "nothing that is not on the disk is shown: {shown} {later}"
    );
    failing.heal();
    let healed = Instant::now();
    lab.until_durable(source, later + 1.0, SOON);
    let recovered = healed.elapsed();
    lab.until_more(source, 2.0, SOON);
    assert!(
        lab.events(task)
            .iter()
            .any(|event| event.starts_with("disk_full")),
        "{:?}",
        lab.events(task)
    );
    let ended = lab.stop(source);
    let video = lab.only_video();
    let lost = gaps(&ended).iter().fold(0.0, |sum, gap| sum + gap);
    assert_eq!(lost, 0.0, "{ended:#}");
    lab.finished(&video);
    fault
        .seen(format!(
            "shown as full after {:.1} s, went on in the same file",
            noticed.as_secs_f64()
        ))
        .recovered_in(recovered)
        .lost(lost);
    lab.server.stop();
    lab.server.assert_agrees();
}

#[test]
fn a_recording_that_starts_on_a_full_disk_begins_with_the_room() {
    let mut fault = Fault::new(
        22,
        "a recording is started on a full disk",
        "it begins by itself when there is room",
    );
    let (nginx, _publisher) = on_air();
    let failing = Failing::default();
    let mut lab = lab(&failing, Server::storage);
    let source = lab.source(&nginx.url("a"));
    failing.fail_from(&WRITING, 1, How::NoSpace);
    let task = lab.record(source);
    lab.until_state(source, "disk_full", SOON);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(lab.task(task)["status"], "pending", "nothing is recorded yet");
    failing.heal();
    let healed = Instant::now();
    lab.until_durable(source, 1.0, SOON);
    let recovered = healed.elapsed();
    lab.until_more(source, 2.0, SOON);
    lab.stop(source);
    let video = lab.only_video();
    let files = lab.finished(&video);
    assert!(
        files[0].first("video").packets[0].key,
        "it can be played from its start"
    );
    fault
        .seen("it waited, and began with a key frame")
        .recovered_in(recovered);
    lab.server.stop();
    lab.server.assert_agrees();
}

#[test]
fn a_recording_that_ends_on_a_full_disk_is_finished_later() {
    let mut fault = Fault::new(
        22,
        "a recording is stopped on a full disk",
        "what was recorded is there and in the library; it is finished by itself when there is room",
    );
    let (nginx, _publisher) = on_air();
    let failing = Failing::default();
    let mut lab = lab(&failing, Server::storage);
    let (source, _) = lab.recording(&nginx.url("a"));
    let shown = lab.live(source)["durable_s"].as_f64().expect("a number");
    failing.fail_from(&WRITING, 1, How::NoSpace);
    let ended = lab.stop(source);
    assert_eq!(ended["status"], "interrupted", "{ended:#}");
    assert!(
        ended["error_message"].as_str().is_some_and(|why| !why.is_empty()),
        "{ended:#}"
    );
    let video = lab.only_video();
    assert!(
        video["duration"].as_f64() >= Some(shown.floor()),
        "{shown}: {video:#}"
    );
    let file = lab.files(&video).remove(0);
    let journal = file.with_extension("mp4.journal");
    assert!(journal.exists(), "not finished");
    failing.heal();
    let healed = Instant::now();
    mediastack_tests::ports::wait_for("the finished file", Duration::from_secs(45), || !journal.exists());
    fault.recovered_in(healed.elapsed());
    lab.finished(&video);
    fault
        .seen("in the library at once, finished within half a minute of room")
        .lost(0.0);
    lab.server.stop();
    lab.server.assert_agrees();
}

#[test]
fn a_disk_that_fails_ends_the_recording_and_says_so() {
    let mut fault = Fault::new(
        23,
        "every write and sync fails with EIO under a recording",
        "it ends with an event; only what was synced was shown; the source can be recorded again",
    );
    let (nginx, _publisher) = on_air();
    for calls in [&[Call::Sync][..], &[Call::Write]].into_iter().take(pick(1, 2)) {
        for how in [How::Broken, How::ReadOnly].into_iter().take(pick(1, 2)) {
            let failing = Failing::default();
            let mut lab = lab(&failing, Server::storage);
            let (source, task) = lab.recording(&nginx.url("a"));
            failing.fail_from(calls, 1, how);
            let before = lab.live(source)["durable_s"].as_f64().unwrap_or(0.0);
            let ended = lab.until_ended(task, SOON);
            assert_eq!(ended["status"], "interrupted", "{ended:#}");
            let events = lab.events(task);
            assert!(
                events
                    .iter()
                    .any(|event| event.starts_with("storage: the disk failed")),
                "{events:#?}"
            );
            failing.heal();
            let healed = Instant::now();
            let video = lab.only_video();
            let length = video["duration"].as_f64().expect("a number");
            assert!(length >= before.floor(), "{before} s were shown: {video:#}");
            // A sync that failed once fails for ever, for what it covered: no more is said to be there than was synced.
            let journal = lab.files(&video).remove(0).with_extension("mp4.journal");
            mediastack_tests::ports::wait_for("the finished file", Duration::from_secs(75), || {
                !journal.exists()
            });
            let files = lab.finished(&video);
            assert!(
                files[0].duration >= before - 0.05,
                "{before} {}",
                files[0].duration
            );
            lab.record(source);
            lab.until_durable(source, 1.0, SOON);
            fault.recovered_in(healed.elapsed());
            lab.stop(source);
            lab.server.stop();
            lab.server.assert_agrees();
        }
    }
    fault.seen("ended with an event, finished when the disk took writes again, recorded again at once");
}
