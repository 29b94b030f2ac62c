//! Row 29: the database is locked, fails, is lost, or is one of yesterday, while the server records.

use std::time::{Duration, Instant};

use mediastack_tests::database::Lock;
use mediastack_tests::fail::{Call, Failing, How};
use mediastack_tests::faults::lab::{Lab, SOON, gaps};
use mediastack_tests::faults::{Fault, patience};
use mediastack_tests::fixtures::media;
use mediastack_tests::nginx_rtmp::{NginxRtmp, WhenPublisherLeaves};
use mediastack_tests::publish::{Content, Publisher};
use mediastack_tests::server::Server;
use serde_json::json;

const EXPECTED: &str = "the recording goes on, its row is right afterwards, no media is deleted, what has no row is offered for import";

fn on_air() -> (NginxRtmp, Publisher) {
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_360p.flv")));
    (nginx, publisher)
}

#[test]
fn a_lock_of_half_a_minute_does_not_touch_a_recording() {
    let mut fault = Fault::new(29, "the database is locked for 30 s by another program", EXPECTED);
    let (nginx, _publisher) = on_air();
    let mut lab = Lab::default();
    let running = lab.recording(&nginx.url("a"));
    let starting = lab.source(&nginx.url("a"));
    let task = lab.record(starting);
    let lock = Lock::take(&lab.server.database());
    let locked = Instant::now();
    // One that needs the database is refused in time, and may come again.
    let refused = lab.admin.post("/api/tags", &json!({"name": "x"}));
    let waited = locked.elapsed();
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.header("retry-after").is_some());
    assert!(waited < patience(Duration::from_secs(22)), "{waited:?}");
    let stop = lab.admin.push(&format!("/api/sources/{}/record/stop", running.0));
    assert_eq!(stop.status, 503, "{}", stop.text());
    // What is on the disk grows meanwhile, of both.
    let held = Duration::from_secs(30);
    let before = lab.live(running.0)["durable_s"].as_f64().expect("it runs");
    std::thread::sleep(held.saturating_sub(locked.elapsed()).max(Duration::from_secs(2)));
    let after = lab.live(running.0)["durable_s"].as_f64().expect("it runs");
    assert!(after > before + 1.0, "{before} {after}");
    drop(lock);
    let free = Instant::now();
    lab.admin.until(&format!("/api/tasks/{task}"), SOON, |task| {
        task["status"] == "recording"
    });
    lab.admin.post("/api/tags", &json!({"name": "x"})).json(201);
    fault.recovered_in(free.elapsed());
    let mut lost = 0.0;
    for (source, task) in [running, (starting, task)] {
        lab.stop(source);
        let ended = lab.task(task);
        assert!(ended["duration"].as_f64() >= Some(25.0), "{ended:#}");
        lost += gaps(&ended).iter().sum::<f64>();
        assert!(
            lab.events(task)
                .iter()
                .any(|event| event.starts_with("connected")),
            "what happened is told"
        );
    }
    assert_eq!(lost, 0.0);
    for video in lab.videos() {
        lab.finished(&video);
    }
    fault
        .seen(format!(
            "recordings untouched; requests refused with 503 after {:.0} s",
            waited.as_secs_f64()
        ))
        .lost(lost);
    lab.server.stop();
    lab.server.assert_agrees();
}

#[test]
fn a_recording_that_ends_while_the_database_is_locked_is_told_later() {
    let mut fault = Fault::new(29, "the server is stopped while the database is locked", EXPECTED);
    let (nginx, _publisher) = on_air();
    let mut lab = Lab::default();
    let (source, task) = lab.recording(&nginx.url("a"));
    let lock = Lock::take(&lab.server.database());
    let shown = lab.live(source)["durable_s"].as_f64().expect("it runs");
    // What lies beside the file knows how it ended, and the database does not.
    lab.server.stop();
    drop(lock);
    let free = Instant::now();
    lab.server.restart();
    lab.sign_in();
    let ended = lab.until_ended(task, SOON);
    fault.recovered_in(free.elapsed());
    assert!(
        ended["duration"].as_f64() >= Some(shown.floor()),
        "{shown}: {ended:#}"
    );
    lab.until_durable(source, 1.0, SOON);
    lab.stop(source);
    let video = lab.only_video();
    lab.finished(&video);
    fault
        .seen(format!(
            "the next start told it as {} and went on",
            ended["status"]
        ))
        .lost(0.0);
    lab.server.stop();
    lab.server.assert_agrees();
}

#[test]
fn a_database_that_is_locked_at_the_start_is_waited_for() {
    let mut fault = Fault::new(29, "the database is locked when the server starts", EXPECTED);
    let (nginx, _publisher) = on_air();
    let mut lab = Lab::default();
    let (source, _) = lab.recording(&nginx.url("a"));
    lab.server.kill();
    let lock = Lock::take(&lab.server.database());
    let held = Duration::from_secs(4);
    let freed = std::thread::spawn(move || {
        std::thread::sleep(held);
        drop(lock);
        Instant::now()
    });
    lab.server.restart();
    let free = freed.join().expect("it does not panic");
    lab.sign_in();
    // What was cut off goes on.
    lab.until_durable(source, 1.0, SOON);
    fault
        .recovered_in(free.elapsed())
        .seen("started, and went on with what was cut off");
    lab.stop(source);
    let video = lab.only_video();
    lab.finished(&video);
    lab.server.stop();
    lab.server.assert_agrees();
}

#[test]
fn a_database_whose_disk_is_full_does_not_touch_a_recording() {
    let mut fault = Fault::new(
        29,
        "the database's disk is full, or fails, under a recording",
        EXPECTED,
    );
    let (nginx, _publisher) = on_air();
    for how in [How::NoSpace, How::Broken] {
        let failing = Failing::default();
        let mut server = Server::prepare(&[]);
        let folder = server.data().join("db");
        for (name, value) in failing.environment(&[&folder]) {
            server.set(name, &value);
        }
        server.restart();
        let admin = server.admin();
        let mut lab = Lab { server, admin };
        let (source, task) = lab.recording(&nginx.url("a"));
        let calls = [Call::Write, Call::Sync, Call::Allocate];
        failing.fail_from(&calls, 1, how);
        let refused = lab.admin.post("/api/tags", &json!({"name": "x"}));
        assert!(matches!(refused.status, 503 | 507), "{how:?}: {}", refused.text());
        lab.until_more(source, 2.0, SOON);
        failing.heal();
        let healed = Instant::now();
        let ended = lab.stop(source);
        fault.recovered_in(healed.elapsed());
        assert_eq!(lab.task(task)["duration"], ended["duration"]);
        assert!(gaps(&ended).is_empty(), "{ended:#}");
        let video = lab.only_video();
        lab.finished(&video);
        lab.server.stop();
        lab.server.assert_agrees();
    }
    fault
        .seen("recordings untouched; requests refused with 503 or 507")
        .lost(0.0);
}

#[test]
fn with_the_database_of_yesterday_nothing_is_lost_and_nothing_begins_by_itself() {
    let mut fault = Fault::new(29, "the database is restored from an older copy", EXPECTED);
    let (nginx, _publisher) = on_air();
    let mut lab = Lab::default();
    // The copy is made while one records.
    let (first, _) = lab.recording(&nginx.url("a"));
    let copy = tempfile::tempdir().expect("a temporary directory");
    let kept = copy.path().join("copy.db");
    let made = format!("VACUUM INTO '{}'", kept.display());
    mediastack_tests::database::sql(&lab.server.database(), &made);
    lab.until_more(first, 2.0, SOON);
    lab.stop(first);
    let (second, _) = lab.recording(&nginx.url("a"));
    lab.stop(second);
    let had = lab.videos();
    lab.server.stop();
    let db = lab.server.data().join("db");
    std::fs::remove_dir_all(&db).expect("it is there");
    std::fs::create_dir(&db).expect("writable");
    std::fs::copy(&kept, lab.server.database()).expect("writable");

    let started = Instant::now();
    lab.server.restart();
    lab.sign_in();
    let videos = lab.admin.until("/api/videos", SOON, |videos| {
        videos.as_array().is_some_and(|all| all.len() == 1)
    });
    assert_eq!(
        videos[0]["duration"], had[1]["duration"],
        "the one that ran then is whole"
    );
    let orphans = lab.admin.until("/api/system/orphans", SOON, |all| {
        all.as_array().is_some_and(|all| all.len() == 1)
    });
    assert_eq!(orphans[0]["source_name"], "Hall", "{orphans}");
    std::thread::sleep(Duration::from_secs(2));
    assert!(
        lab.live(first).is_null(),
        "it ended after the copy was made: it does not go on"
    );
    lab.admin.push("/api/system/orphans/import").json(200);
    fault.recovered_in(started.elapsed());
    let now = lab.videos();
    for (now, had) in now.iter().zip(&had) {
        for key in ["title", "duration", "file_size", "file_path"] {
            assert_eq!(now[key], had[key], "{key}");
        }
    }
    assert_eq!(now.len(), 2);
    fault.seen("the recording of then was ended as it had ended, the later one was offered and imported with its name").lost(0.0);
    lab.server.stop();
    lab.server.assert_agrees();
}

#[test]
fn without_its_database_the_server_starts_and_deletes_nothing() {
    let mut fault = Fault::new(29, "the database's file is missing at the start", EXPECTED);
    let (nginx, _publisher) = on_air();
    let mut lab = Lab::default();
    let (first, _) = lab.recording(&nginx.url("a"));
    lab.stop(first);
    let had = lab.only_video();
    // Another one is cut off in the middle.
    let (_, _) = lab.recording(&nginx.url("a"));
    lab.server.kill();
    std::fs::remove_dir_all(lab.server.data().join("db")).expect("it is there");
    let media_before = media_files(&lab);
    let started = Instant::now();
    lab.server.restart();
    lab.sign_in();
    // What was cut off is finished and taken in at once; what was finished is offered.
    let adopted = lab.admin.until("/api/videos", SOON, |videos| {
        videos.as_array().is_some_and(|all| all.len() == 1)
    });
    assert!(
        adopted[0]["title"]
            .as_str()
            .is_some_and(|title| title.starts_with("Hall ")),
        "{adopted}"
    );
    lab.admin.push("/api/system/orphans/import").json(200);
    fault.recovered_in(started.elapsed());
    let videos = lab.videos();
    assert!(
        videos
            .iter()
            .any(|video| video["title"] == had["title"] && video["duration"] == had["duration"]),
        "{videos:#?}"
    );
    assert_eq!(videos.len(), 2);
    for video in &videos {
        lab.finished(video);
    }
    assert_eq!(media_files(&lab), media_before, "no media is gone");
    fault.seen("what was cut off was finished and taken in, what was finished was offered and imported, both with their names").lost(0.0);
    lab.server.stop();
    lab.server.assert_agrees();
}

fn media_files(lab: &Lab) -> Vec<String> {
    let entries = std::fs::read_dir(lab.server.storage())
        .expect("a folder")
        .flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".mp4"))
        .collect();
    names.sort();
    names
}
