//! A schedule records by itself, for as long as it says, and its ledger tells how each run ended.

use std::time::Duration;

use mediastack_tests::fixtures::media;
use mediastack_tests::nginx_rtmp::{NginxRtmp, WhenPublisherLeaves};
use mediastack_tests::publish::{Content, Publisher};
use mediastack_tests::server::Server;
use serde_json::json;

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
    let minute = Duration::from_secs(100);
    let tasks = admin.until("/api/tasks", minute, |tasks| tasks[0]["status"] == "completed");
    assert_eq!(tasks[0]["schedule_id"], schedule["id"]);
    let seconds = tasks[0]["duration"].as_f64().expect("a number");
    assert!((5.0..=12.0).contains(&seconds), "{tasks}");
    let runs = admin
        .get(&format!("/api/schedules/{}/runs", schedule["id"]))
        .json(200);
    assert_eq!(
        (&runs[0]["outcome"], &runs[0]["task_id"]),
        (&json!("started"), &tasks[0]["id"]),
        "{runs}"
    );
    let listed = admin.get("/api/schedules").json(200);
    assert!(
        listed[0]["last_run_at"].is_string() && listed[0]["source_name"] == "Hall",
        "{listed}"
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
