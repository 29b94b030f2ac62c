//! Row 30: many schedules at one second, and what happens around their runs.

use std::collections::HashMap;
use std::net::TcpListener;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mediastack_tests::faults::lab::Lab;
use mediastack_tests::faults::{Fault, pick};
use mediastack_tests::fixtures::media;
use mediastack_tests::nginx_rtmp::{NginxRtmp, WhenPublisherLeaves};
use mediastack_tests::ports;
use mediastack_tests::publish::{Content, Publisher};
use serde_json::{Value, json};

const TITLE: &str =
    "schedules: 500 in the same second, overlap with a manual run, deleted while running, server down";
const EXPECTED: &str = "exactly one recording per source; late start; entry in the ledger";

fn into_the_minute() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    Duration::from_nanos((now.as_nanos() % 60_000_000_000) as u64)
}

/// Accepts and says nothing: a recording of it connects for a while.
fn silent() -> u16 {
    let port = ports::free();
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port was free a moment ago");
    std::thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok((client, _)) = listener.accept() {
            held.push(client);
        }
    });
    port
}

#[test]
fn five_hundred_at_one_second_start_once_each() {
    let mut fault = Fault::new(30, TITLE, EXPECTED);
    let count = pick(80, 500);
    let port = silent();
    let mut lab = Lab::default();
    // Not in the minute that ends while they are made.
    let most = Duration::from_secs(pick(40, 15));
    if into_the_minute() > most {
        std::thread::sleep(Duration::from_secs(61) - into_the_minute());
    }
    let mut schedules = HashMap::new();
    for number in 0..count {
        let source = lab.source(&format!("rtmp://127.0.0.1:{port}/live/{number}"));
        let new = json!({"source_id": source, "cron_expr": "* * * * *", "duration_s": 600});
        let schedule = lab.admin.post("/api/schedules", &new).json(201);
        schedules.insert(source, schedule["id"].as_i64().expect("a number"));
    }
    let running = |live: &Value| live.as_array().is_some_and(|live| live.len() == count);
    let live = lab
        .admin
        .until("/api/tasks/live", Duration::from_secs(80), running);
    let late = into_the_minute();
    let mut sources: Vec<i64> = live
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["source_id"].as_i64())
        .collect();
    sources.sort_unstable();
    sources.dedup();
    assert_eq!(sources.len(), count, "one recording of each source");
    assert!(
        late < Duration::from_secs(20),
        "the last began at second {late:?}"
    );
    // The ledger is written when all have begun.
    let started = |runs: &Value| {
        let runs = runs.as_array().map(Vec::as_slice).unwrap_or_default();
        let mut started: HashMap<i64, usize> = HashMap::new();
        for run in runs.iter().filter(|run| run["outcome"] == "started") {
            *started
                .entry(run["schedule_id"].as_i64().expect("a number"))
                .or_default() += 1;
        }
        started
    };
    let ledger = "/api/schedules/runs?limit=1000";
    let runs = lab.admin.until(ledger, Duration::from_secs(20), |runs| {
        started(runs).len() == count
    });
    let started = started(&runs);
    for schedule in schedules.values() {
        assert_eq!(started.get(schedule), Some(&1), "schedule {schedule}");
    }
    fault
        .seen(format!(
            "{count} in one second: one recording each, all begun after {:.1} s",
            late.as_secs_f64()
        ))
        .recovered_in(late);
    lab.server.kill();
}

#[test]
fn a_run_does_not_care_for_a_person_nor_for_the_end_of_its_schedule() {
    let mut fault = Fault::new(30, TITLE, EXPECTED);
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let _publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_180p.flv")));
    let mut lab = Lab::default();
    let (taken, by_hand) = lab.recording(&nginx.url("a"));
    let planned = lab.source(&nginx.url("a"));
    let down = lab.source(&nginx.url("a"));
    let schedule = |lab: &mut Lab, source: i64, seconds: u32| {
        let new = json!({"source_id": source, "cron_expr": "* * * * *", "duration_s": seconds});
        lab.admin.post("/api/schedules", &new).json(201)["id"].clone()
    };
    let overlapping = schedule(&mut lab, taken, 20);
    let deleted = schedule(&mut lab, planned, 25);
    lab.until_durable(planned, 2.0, Duration::from_secs(90));

    // A person's recording stays what it is; the ledger says why nothing began.
    let runs = lab
        .admin
        .get(&format!("/api/schedules/{overlapping}/runs"))
        .json(200);
    assert_eq!(runs[0]["outcome"], "already_recording", "{runs:#}");
    assert_eq!(lab.live(taken)["task_id"], by_hand);

    // A schedule that is deleted while its run records: the run ends when it was to end, once.
    lab.admin.delete(&format!("/api/schedules/{deleted}")).empty(204);
    lab.admin
        .delete(&format!("/api/schedules/{overlapping}"))
        .empty(204);
    let task = lab.live(planned)["task_id"].as_i64().expect("it goes on");

    // The server is away when the next minute begins, and comes back inside the window.
    let late = schedule(&mut lab, down, 50);
    let ended = lab.until_ended(task, Duration::from_secs(40));
    assert_eq!(ended["status"], "completed", "{ended:#}");
    let seconds = ended["duration"].as_f64().expect("a number");
    assert!((18.0..28.0).contains(&seconds), "its window was 25 s: {ended:#}");
    lab.stop(taken);
    if into_the_minute() > Duration::from_secs(50) {
        // Its run may begin while the server is being stopped.
        std::thread::sleep(Duration::from_secs(15));
    }
    lab.server.stop();
    std::thread::sleep(Duration::from_secs(66) - into_the_minute());
    lab.server.restart();
    lab.sign_in();
    let back = std::time::Instant::now();
    lab.until_durable(down, 1.0, Duration::from_secs(40));
    let recovered = back.elapsed();
    let runs = lab.admin.get(&format!("/api/schedules/{late}/runs")).json(200);
    assert_eq!(runs[0]["outcome"], "started", "{runs:#}");
    let task = lab.task(runs[0]["task_id"].as_i64().expect("a number"));
    let end = task["window_end"].as_str().expect("an end");
    assert!(end.ends_with(":50Z"), "to the end of its window: {end}");
    assert_eq!(
        lab.live(planned),
        Value::Null,
        "a deleted schedule starts nothing"
    );
    fault
        .seen("a manual run stays, the ledger says so; a deleted schedule's run ends in time; a start that was missed begins late")
        .recovered_in(recovered);
}
