//! A schedule records by itself, for as long as it says, and its ledger tells how each run ended.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mediastack_tests::fixtures::media;
use mediastack_tests::nginx_rtmp::{NginxRtmp, WhenPublisherLeaves};
use mediastack_tests::publish::{Content, Publisher};
use mediastack_tests::server::Server;
use serde_json::{Value, json};

#[test]
fn a_schedule_of_each_minute_records_ten_seconds() {
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let _publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_360p.flv")));
    let mut server = Server::start();
    let mut admin = server.admin();
    let new = json!({"name": "Hall", "protocol": "rtmp", "url": nginx.url("a")});
    let source = admin.post("/api/sources", &new).json(201)["id"].clone();
    assert_eq!(
        admin
            .post(
                "/api/schedules",
                &json!({"source_id": 99, "cron_expr": "* * * * *"})
            )
            .detail(404),
        "Source not found"
    );
    for wrong in ["@daily", "0 0 8 * * *", "61 * * * *", ""] {
        let refused = admin
            .post(
                "/api/schedules",
                &json!({"source_id": source, "cron_expr": wrong}),
            )
            .detail(400);
        assert!(
            refused.starts_with("Invalid cron expression"),
            "{wrong}: {refused}"
        );
    }
    let saturday = admin
        .post(
            "/api/schedules",
            &json!({"source_id": source, "cron_expr": "0 8 * * 6", "is_active": false}),
        )
        .json(201);
    assert!(
        saturday["next_runs"][0]
            .as_str()
            .is_none_or(|at| at.ends_with("T08:00:00+08:00")),
        "{saturday}"
    );
    let new = json!({"source_id": source, "cron_expr": "* * * * *", "duration_s": 10});
    let schedule = admin.post("/api/schedules", &new).json(201);
    let next = schedule["next_run_at"].as_str().expect("a time");
    assert!(next.ends_with(":00+08:00"), "in the server's zone: {next}");
    assert_eq!(schedule["next_runs"].as_array().map(Vec::len), Some(5));
    // What is planned survives the server.
    server.kill();
    server.restart();
    let mut admin = server.admin();
    // A person records another source when its schedule comes.
    let other = json!({"name": "Yard", "protocol": "rtmp", "url": nginx.url("a")});
    let other = admin.post("/api/sources", &other).json(201)["id"].clone();
    let busy = json!({"source_id": other, "cron_expr": "* * * * *"});
    let busy = admin.post("/api/schedules", &busy).json(201)["id"].clone();
    admin
        .push(&format!("/api/sources/{other}/record/start"))
        .json(200);
    let minute = Duration::from_secs(100);
    let tasks = admin.until(&format!("/api/tasks?source_id={source}"), minute, |tasks| {
        tasks[0]["status"] == "completed"
    });
    assert_eq!(tasks[0]["schedule_id"], schedule["id"]);
    let seconds = tasks[0]["duration"].as_f64().expect("a number");
    assert!((5.0..=12.0).contains(&seconds), "{tasks}");
    let runs = admin
        .get(&format!("/api/schedules/{}/runs", schedule["id"]))
        .json(200);
    assert_eq!(
        (&runs[0]["outcome"], &runs[0]["task_id"]),
        (&json!("started"), &tasks[0]["id"]),
        "{runs} {}",
        server.log()
    );
    let taken = admin.get(&format!("/api/schedules/{busy}/runs")).json(200);
    assert_eq!(
        (
            &taken[0]["outcome"],
            &taken[0]["task_id"],
            &taken[0]["planned_at"]
        ),
        (&json!("already_recording"), &json!(null), &runs[0]["planned_at"]),
        "{taken}"
    );
    let listed = admin.get("/api/schedules").json(200);
    assert!(
        listed[1]["last_run_at"].is_string() && listed[1]["source_name"] == "Hall",
        "{listed}"
    );
    assert_eq!(
        (&listed[0]["last_run_at"], &listed[0]["last_outcome"]),
        (&json!(null), &json!("already_recording"))
    );
    admin
        .delete(&format!("/api/schedules/{}", schedule["id"]))
        .empty(204);
    assert_eq!(
        admin
            .delete(&format!("/api/schedules/{}", schedule["id"]))
            .detail(404),
        "Schedule not found"
    );
}

#[test]
fn what_the_server_sleeps_through_is_missed_and_an_open_window_begins_late() {
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let _publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_180p.flv")));
    let mut server = Server::start();
    let mut admin = server.admin();
    let mut planned = |name: &str, seconds: u64| {
        let new = json!({"name": name, "protocol": "rtmp", "url": nginx.url("a")});
        let source = admin.post("/api/sources", &new).json(201)["id"].clone();
        let new = json!({"source_id": source, "cron_expr": "* * * * *", "duration_s": seconds});
        admin.post("/api/schedules", &new).json(201)
    };
    let (short, long) = (planned("short", 10), planned("long", 55));
    let next = short["next_run_at"].as_str().expect("a time").to_owned();
    assert_eq!(long["next_run_at"], json!(next));
    drop(admin);
    server.kill();
    // Until the window of the short one is over, and that of the long one is not.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    let minute = Duration::from_secs(60);
    let past = Duration::from_secs(12);
    let into = Duration::from_nanos((now.as_nanos() % minute.as_nanos()) as u64);
    std::thread::sleep(minute - into + past);
    server.restart();
    let mut admin = server.admin();
    let soon = Duration::from_secs(20);
    let runs = |schedule: &Value| format!("/api/schedules/{}/runs", schedule["id"]);
    let missed = admin.until(&runs(&short), soon, |runs| !runs[0].is_null());
    let last = missed.as_array().and_then(|runs| runs.last()).expect("a run");
    assert_eq!(
        (&last["outcome"], &last["reason"], &last["task_id"]),
        (
            &json!("missed"),
            &json!("The server was not running"),
            &json!(null)
        ),
        "{missed}"
    );
    let late = admin.until(&runs(&long), soon, |runs| runs[0]["outcome"] == "started");
    let task = admin.get(&format!("/api/tasks/{}", late[0]["task_id"])).json(200);
    let end = task["window_end"].as_str().expect("an end");
    assert!(
        end.ends_with(":55Z"),
        "to the end of its window, as if it had begun in time: {end} {late}"
    );
    let began = task["created_at"].as_str().expect("a time");
    assert!(
        began[17..19].parse::<u32>().is_ok_and(|second| second >= 12),
        "{began}"
    );
}
