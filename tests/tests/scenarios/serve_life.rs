//! The whole life of a recording on the real binary and a real source of each kind, with `kill -9` in the middle of each step: planned,
//! recorded, stopped, published, locked, unlocked, played, listened to, cut, deleted.

use std::process::Command;
use std::time::Duration;

use mediastack_tests::fixtures::{media, repository};
use mediastack_tests::hls_origin::{LiveHls, Segments};
use mediastack_tests::nginx_rtmp::{NginxRtmp, WhenPublisherLeaves};
use mediastack_tests::process::output_of;
use mediastack_tests::publish::{Content, Publisher};
use mediastack_tests::rtsp::{Mount, RtspServer};
use mediastack_tests::server::{Api, Server};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(45);

/// The next full minute, and what it takes to begin.
const MINUTE: Duration = Duration::from_secs(105);

fn durable(live: &Value) -> f64 {
    live[0]["durable_s"].as_f64().unwrap_or(0.0)
}

/// The seconds that ffmpeg plays of a playlist.
fn heard(url: &str) -> f64 {
    let mut ffprobe = Command::new("ffprobe");
    ffprobe.args([
        "-v",
        "error",
        "-show_entries",
        "format=duration",
        "-of",
        "csv=p=0",
        url,
    ]);
    let (said, _) = output_of(&mut ffprobe);
    said.trim().parse().expect("a number")
}

/// What hls.js in Chromium says of playing a playlist from its start to its end and back.
fn seen(url: &str) -> Value {
    let folder = repository().join("tests/browser");
    let (said, _) = output_of(
        Command::new("node")
            .args(["play.mjs", url, "0.1"])
            .current_dir(folder),
    );
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// `kill -9`, and a sign-in at the server that starts after it.
fn crash(server: &mut Server) -> Api {
    server.kill();
    server.restart();
    server.admin()
}

fn live(protocol: &str, url: &str) {
    let mut server = Server::start();
    let mut admin = server.admin();
    let new = json!({"name": "Hall", "protocol": protocol, "url": url});
    let source = admin.post("/api/sources", &new).json(201)["id"].clone();
    let new = json!({"source_id": source, "cron_expr": "* * * * *"});
    let schedule = admin.post("/api/schedules", &new).json(201)["id"].clone();
    let mut admin = crash(&mut server);
    let shown = admin.until("/api/tasks/live", MINUTE, |live| durable(live) > 4.0);
    let shown = durable(&shown);
    let mut admin = crash(&mut server);
    // It goes on by itself; the schedule has nothing more to do.
    admin
        .put(
            &format!("/api/schedules/{schedule}"),
            &json!({"is_active": false}),
        )
        .json(200);
    admin.until("/api/tasks/live", SOON, |live| durable(live) > 3.0);
    let stopped = admin
        .push(&format!("/api/sources/{source}/record/stop"))
        .json(200);
    assert!(stopped["ended_at"].is_string(), "{stopped}");
    let runs = admin.get(&format!("/api/schedules/{schedule}/runs")).json(200);
    let runs = runs.as_array().expect("a ledger");
    assert!(runs.iter().any(|run| run["outcome"] == "started"), "{runs:?}");
    let tasks = admin.get("/api/tasks").json(200);
    let interrupted = tasks.as_array().expect("tasks").iter().rev();
    let first = interrupted.clone().next().expect("a task");
    assert_eq!(first["status"], "interrupted", "{tasks}");
    assert!(
        first["duration"].as_f64() >= Some(shown.floor()),
        "what was shown as durable is there: {shown} {tasks}"
    );
    let videos = admin.get("/api/videos").json(200);
    assert_eq!(videos.as_array().map(Vec::len), Some(1), "one item: {videos}");
    let length = videos[0]["duration"].as_f64().expect("a length");
    assert!(length >= shown.floor() + 3.0, "{shown} {videos}");
    let video = format!("/api/videos/{}", videos[0]["id"]);

    let mut admin = crash(&mut server);
    let category = admin
        .post("/api/categories", &json!({"name": "closed"}))
        .json(201)["id"]
        .clone();
    admin
        .put(&format!("{video}/category"), &json!({"category_id": category}))
        .json(200);
    admin.push(&format!("{video}/publish")).json(200);
    let code = json!({"code": "BEES42", "category_ids": [category]});
    admin.post("/api/view-codes", &code).json(201);
    let mut visitor = server.visitor();
    let mut viewer = server.visitor();
    visitor.get(&format!("{video}/play")).detail(403);
    let entered = viewer.post("/api/view-codes/verify", &json!({"code": "BEES42"}));
    viewer.headers.push(entered.cookie());
    let mut admin = crash(&mut server);
    visitor.get(&format!("{video}/play")).detail(403);
    let play = viewer.get(&format!("{video}/play")).json(200);
    let path = play["hls_url"].as_str().expect("a path").to_owned();
    let seconds = heard(&server.url(&path));
    assert!((seconds - length).abs() < 1.5, "{seconds} {length}");
    let watched = seen(&server.url(&path));
    assert!(
        watched["decoded"].as_u64() > Some(25) && watched["console"] == json!([]),
        "{watched}"
    );
    let fatal = |error: &Value| error.as_str().is_some_and(|error| error.contains("(fatal)"));
    assert!(
        !watched["errors"].as_array().expect("a list").iter().any(fatal),
        "{watched}"
    );

    let asked = admin.push(&format!("{video}/extract-audio")).json(200);
    assert_eq!(asked["format"], "mp3");
    let mut admin = crash(&mut server);
    admin.until(&format!("{video}/audio"), SOON, |info| info["has_audio"] == true);
    let sound = viewer.get(&format!("{video}/audio/download"));
    assert!(
        sound.status == 200 && sound.body.len() > 10_000,
        "{}",
        sound.status
    );
    visitor.get(&format!("{video}/audio/download")).detail(403);

    let span = json!({"start_time": 1, "end_time": 5});
    let cut = admin.post(&format!("{video}/trim"), &span).json(200);
    let mut admin = crash(&mut server);
    let task = format!("/api/videos/trim/tasks/{}", cut["id"]);
    let done = admin.until(&task, SOON, |task| {
        !["pending", "processing"].contains(&task["status"].as_str().unwrap_or_default())
    });
    assert_eq!(done["status"], "completed", "{done}");
    let cut = admin.get(&video).json(200);
    assert_eq!(
        (&cut["duration"], &cut["status"], &cut["category_id"]),
        (&json!(4), &json!("pending"), &category),
        "it waits for another review"
    );
    viewer.get(&format!("{video}/play")).detail(403);
    admin.push(&format!("{video}/publish")).json(200);
    let play = viewer.get(&format!("{video}/play")).json(200);
    let path = play["hls_url"].as_str().expect("a path").to_owned();
    let seconds = heard(&server.url(&path));
    assert!((3.5..=4.5).contains(&seconds), "{seconds}");

    admin.delete(&video).empty(204);
    let mut admin = crash(&mut server);
    assert_eq!(admin.get("/api/videos").json(200), json!([]));
    assert_eq!(viewer.get(&path).status, 404);
    admin.delete(&format!("/api/sources/{source}")).empty(204);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn of_an_rtmp_source() {
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let _publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_360p.flv")));
    live("rtmp", &nginx.url("a"));
}

#[test]
fn of_an_rtsp_source() {
    let camera = RtspServer::start(Mount {
        video: "h264",
        audio: "aac",
        protocols: "tcp",
    });
    live("rtsp", &camera.url());
}

#[test]
fn of_an_hls_source() {
    let origin = LiveHls::start(&media("live_360p.flv"), Segments::Fmp4);
    live("hls", &origin.url());
}
