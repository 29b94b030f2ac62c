//! Row 26: the server is told to stop while everything records, and told once more.

use std::time::{Duration, Instant};

use mediastack_tests::faults::lab::Lab;
use mediastack_tests::faults::{Fault, patience, pick};
use mediastack_tests::fixtures::media;
use mediastack_tests::nginx_rtmp::{NginxRtmp, WhenPublisherLeaves};
use mediastack_tests::publish::{Content, Publisher};
use serde_json::Value;

const TITLE: &str = "SIGTERM with 64 active recordings, and a second SIGTERM";
const EXPECTED: &str = "all finished in the grace time; never a rewrite that a kill could break; they go on";

/// Records so many sources until each has some seconds on the disk.
fn record_many(lab: &mut Lab, url: &str, count: usize) -> Vec<i64> {
    let sources: Vec<i64> = (0..count).map(|_| lab.source(url)).collect();
    for source in &sources {
        lab.record(*source);
    }
    let all = |live: &Value| {
        let live = live.as_array().map(Vec::as_slice).unwrap_or_default();
        live.len() == count && live.iter().all(|one| one["durable_s"].as_f64() > Some(2.0))
    };
    lab.admin.until("/api/tasks/live", Duration::from_secs(90), all);
    sources
}

/// How many seconds each task shows as durable now.
fn durable(lab: &mut Lab) -> Vec<(i64, f64)> {
    let live = lab.admin.get("/api/tasks/live").json(200);
    let live = live.as_array().cloned().unwrap_or_default();
    live.iter()
        .map(|one| {
            let seconds = one["durable_s"].as_f64().unwrap_or(0.0);
            (one["task_id"].as_i64().expect("a number"), seconds)
        })
        .collect()
}

fn journals(lab: &Lab) -> usize {
    let entries = std::fs::read_dir(lab.server.storage()).expect("a folder");
    let names = entries.flatten().map(|entry| entry.file_name());
    names
        .filter(|name| name.to_string_lossy().ends_with(".journal"))
        .count()
}

/// Asserts that every task of before has an item with at least what was shown as durable, and that all record again.
#[track_caller]
fn all_there_and_going_on(lab: &mut Lab, shown: &[(i64, f64)]) -> Duration {
    let began = Instant::now();
    let all = |live: &Value| {
        let live = live.as_array().map(Vec::as_slice).unwrap_or_default();
        live.len() == shown.len() && live.iter().all(|one| one["durable_s"].as_f64() > Some(0.0))
    };
    lab.admin.until("/api/tasks/live", Duration::from_secs(90), all);
    let recovered = began.elapsed();
    for (task, seconds) in shown {
        let ended = lab.task(*task);
        assert_eq!(ended["status"], "interrupted", "{ended:#}");
        assert!(
            ended["duration"].as_f64() >= Some(seconds.floor()),
            "{seconds} s were shown as durable: {ended:#}"
        );
        let video = lab
            .admin
            .get(&format!("/api/videos/{}", ended["video_id"]))
            .json(200);
        lab.finished(&video);
    }
    recovered
}

#[test]
fn everything_is_finished_in_time_and_goes_on_at_the_next_start() {
    let mut fault = Fault::new(26, TITLE, EXPECTED);
    let count = pick(12, 64);
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let _publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_180p.flv")));
    let mut lab = Lab::default();
    record_many(&mut lab, &nginx.url("a"), count);
    let shown = durable(&mut lab);
    let began = Instant::now();
    let run = lab.server.stop();
    let took = began.elapsed();
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(journals(&lab), 0, "all are finished");
    // A service manager sends SIGKILL after ninety seconds, a container after ten.
    assert!(took < patience(Duration::from_secs(10)), "{took:?}");
    lab.server.restart();
    lab.sign_in();
    let recovered = all_there_and_going_on(&mut lab, &shown);
    fault
        .seen(format!(
            "{count} recordings finished in {:.1} s, all go on",
            took.as_secs_f64()
        ))
        .recovered_in(recovered)
        .lost(0.0);
}

#[test]
fn a_second_signal_ends_at_once_and_nothing_is_lost() {
    let mut fault = Fault::new(26, TITLE, EXPECTED);
    let count = pick(12, 64);
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let _publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_180p.flv")));
    let mut lab = Lab::default();
    record_many(&mut lab, &nginx.url("a"), count);
    let shown = durable(&mut lab);
    let began = Instant::now();
    let run = lab.server.stop_twice(Duration::from_millis(20));
    let took = began.elapsed();
    assert!(took < patience(Duration::from_secs(2)), "{took:?}");
    let unfinished = journals(&lab);
    lab.server.restart();
    lab.sign_in();
    let recovered = all_there_and_going_on(&mut lab, &shown);
    assert_eq!(journals(&lab), count, "those that run now");
    fault
        .seen(format!(
            "twice within 20 ms: ended after {:.1} s ({}), {unfinished} of {count} left to the next start, which finished them and went on",
            took.as_secs_f64(),
            run.code.map_or("by the signal".to_owned(), |code| format!("exit code {code}"))
        ))
        .recovered_in(recovered)
        .lost(0.0);
}
