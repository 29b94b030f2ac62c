//! What an operator runs the server by: metrics, the log, the reference of the API, and an orderly end.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use mediastack_tests::fixtures::media;
use mediastack_tests::nginx_rtmp::{NginxRtmp, WhenPublisherLeaves};
use mediastack_tests::process::output_of;
use mediastack_tests::prometheus::Page;
use mediastack_tests::publish::{Content, Publisher};
use mediastack_tests::server::{Api, Server};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);

fn metrics(api: &mut Api) -> Page {
    let answer = api.get("/metrics");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    Page::parse(&answer.text())
}

#[test]
fn metrics_say_what_happened_and_what_is_so_now() {
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let _publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_360p.flv")));
    let server = Server::start();
    let mut visitor = server.visitor();
    let before = metrics(&mut visitor);
    assert_eq!(before.value("mediastack_recording_durable_bytes_total", &[]), 0.0);
    let wrong = [("username", "admin"), ("password", "wrong")];
    visitor.form("/api/auth/login", &wrong, None).detail(401);
    let mut admin = server.admin();
    for _ in 0..3 {
        admin.get("/api/videos/77").detail(404);
    }
    let new = json!({"name": "Hall", "protocol": "rtmp", "url": nginx.url("a")});
    let source = admin.post("/api/sources", &new).json(201)["id"].clone();
    let target = format!("/api/sources/{source}");
    admin.push(&format!("{target}/record/start")).json(200);
    let live = admin.until("/api/tasks/live", SOON, |live| {
        live[0]["durable_s"].as_f64() > Some(4.0) && live[0]["fps"].is_f64()
    });
    let fps = live[0]["fps"].as_f64().expect("a number");
    assert!(
        (23.0..27.0).contains(&fps),
        "the source has 25 pictures a second: {live}"
    );
    let during = metrics(&mut visitor);
    assert_eq!(
        during.value("mediastack_recordings_active", &[("state", "recording")]),
        1.0
    );
    assert_eq!(during.value("mediastack_recordings_active", &[]), 1.0);
    let stopped = admin.push(&format!("{target}/record/stop")).json(200);
    let id = admin.get("/api/videos").json(200)[0]["id"].clone();
    let path = admin.get(&format!("/api/videos/{id}/play")).json(200)["hls_url"].clone();
    let playlist = admin.get(path.as_str().expect("a path"));
    assert_eq!(playlist.status, 200);
    let media = playlist
        .text()
        .lines()
        .find(|line| !line.starts_with('#'))
        .map(str::to_owned);
    let base = path
        .as_str()
        .and_then(|path| path.rsplit_once('/'))
        .expect("a folder")
        .0;
    let segment = admin.get(&format!("{base}/{}", media.expect("a segment")));
    assert_eq!(segment.status, 200);

    let after = metrics(&mut visitor);
    let status = stopped["status"].as_str().expect("a status");
    for (name, labels, least) in [
        ("mediastack_sign_ins_total", vec![("result", "wrong")], 1.0),
        ("mediastack_sign_ins_total", vec![("result", "right")], 1.0),
        ("mediastack_recordings_ended_total", vec![("status", status)], 1.0),
        (
            "mediastack_recording_durable_bytes_total",
            vec![],
            stopped["file_size"].as_f64().expect("a size") / 2.0,
        ),
        ("mediastack_viewer_bytes_total", vec![], segment.body.len() as f64),
        ("mediastack_viewer_requests_total", vec![("kind", "segment")], 1.0),
        (
            "mediastack_viewer_requests_total",
            vec![("kind", "playlist")],
            1.0,
        ),
        ("mediastack_storage_free_bytes", vec![], 1.0),
        ("mediastack_videos", vec![("status", "pending")], 1.0),
        ("mediastack_sources", vec![("state", "online")], 1.0),
        (
            "mediastack_database_statement_duration_seconds_count",
            vec![("kind", "write")],
            5.0,
        ),
        ("mediastack_http_connections", vec![], 2.0),
        ("process_resident_memory_bytes", vec![], 1e6),
        ("process_threads", vec![], 2.0),
        ("process_cpu_seconds_total", vec![], 0.01),
    ] {
        let value = after.value(name, &labels);
        assert!(value >= least, "{name} {labels:?}: {value}, not {least}");
    }
    let of_videos = [("route", "/api/videos/{id}"), ("method", "GET")];
    assert_eq!(
        after.value(
            "mediastack_http_requests_total",
            &[of_videos[0], of_videos[1], ("status", "4xx")]
        ),
        3.0
    );
    assert!(after.value("mediastack_http_request_duration_seconds_count", &of_videos) >= 3.0);
    assert_eq!(after.value("mediastack_recordings_active", &[]), 0.0);
    assert_eq!(after.value("mediastack_database_up", &[]), 1.0);
}

#[test]
fn metrics_are_for_those_who_may_have_them() {
    let server = Server::start();
    let mut here = server.visitor();
    assert_eq!(here.get("/metrics").status, 200);
    for name in [
        "X-Forwarded-For: 10.0.0.1",
        "Forwarded: for=10.0.0.1",
        "Via: 1.1 proxy",
    ] {
        here.ask("GET", "/metrics", &[name], None).detail(401);
    }
    let mut admin = server.admin();
    let passed_on = admin.ask("GET", "/metrics", &["X-Forwarded-For: 10.0.0.1"], None);
    assert_eq!(passed_on.status, 200, "an administrator, from wherever");

    let server = Server::start_with(&[("METRICS_TOKEN", "t0ken")]);
    let mut here = server.visitor();
    here.get("/metrics").detail(401);
    here.ask("GET", "/metrics", &["Authorization: Bearer t0kex"], None)
        .detail(401);
    let right = here.ask("GET", "/metrics", &["Authorization: Bearer t0ken"], None);
    assert_eq!(right.status, 200);
    let mut admin = server.admin();
    assert_eq!(admin.get("/metrics").status, 200);
    let info = admin.get("/api/system/info").text();
    assert!(!info.contains("t0ken"), "{info}");
}

#[test]
fn the_log_names_requests_and_tells_no_secrets() {
    let server = Server::start_with(&[("LOG_FORMAT", "json"), ("LOG_LEVEL", "debug")]);
    let mut visitor = server.visitor();
    let wrong = [("username", "admin"), ("password", "hunter2")];
    let refused = visitor.form("/api/auth/login", &wrong, None);
    let name = refused.header("x-request-id").expect("a name").to_owned();
    let mut admin = server.admin();
    let secret = json!({"name": "x", "protocol": "rtmp", "url": "rtmp://user:hunter2@127.0.0.1:1/live/x"});
    let id = admin.post("/api/sources", &secret).json(201)["id"].clone();
    admin.push(&format!("/api/sources/{id}/record/start")).json(200);
    admin.push(&format!("/api/sources/{id}/record/stop")).json(200);

    let lines = admin.get("/api/system/logs?limit=1000").json(200);
    let lines = lines.as_array().expect("a list");
    assert!(
        lines.is_sorted_by(|newer, older| newer["id"].as_u64() > older["id"].as_u64()),
        "newest first"
    );
    let of_request: Vec<&Value> = lines
        .iter()
        .filter(|line| line["fields"]["request_id"] == *name)
        .collect();
    let said: Vec<&str> = of_request
        .iter()
        .filter_map(|line| line["message"].as_str())
        .collect();
    assert!(
        said.contains(&"a sign-in was refused") && said.contains(&"answered"),
        "{said:?}"
    );
    let warned = admin.get("/api/system/logs?level=warn&search=SIGN-IN").json(200);
    assert_eq!(warned.as_array().map(Vec::len), Some(1), "{warned}");
    assert_eq!(
        (&warned[0]["level"], &warned[0]["target"]),
        (&json!("warn"), &json!("mediastack::service::auth"))
    );
    let before = warned[0]["id"].as_u64().expect("a number");
    let older = admin
        .get(&format!("/api/system/logs?before_id={before}&limit=5"))
        .json(200);
    let older = older.as_array().expect("a list");
    assert!(
        older.len() <= 5 && older.iter().all(|line| line["id"].as_u64() < Some(before)),
        "{older:?}"
    );
    for wrong in ["level=loud", "limit=0", "limit=1001", "before_id=x"] {
        admin.get(&format!("/api/system/logs?{wrong}")).detail(422);
    }
    visitor.get("/api/system/logs").detail(401);

    let log = server.log();
    let mut count = 0;
    for line in log
        .lines()
        .filter(|line| !line.starts_with("mediastack: listening"))
    {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for key in ["at", "level", "target", "message"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
        assert!(line["fields"].is_object(), "{line}");
        count += 1;
    }
    assert!(count > 5, "{log}");
    let kept = serde_json::to_string(lines).expect("JSON");
    for text in [&log, &kept] {
        assert!(!text.contains("hunter2") && !text.contains("admin123"), "{text}");
        assert!(!text.contains("eyJ"), "no token: {text}");
    }
}

#[test]
fn the_reference_of_the_api_is_one_page_without_other_hosts() {
    let server = Server::start();
    let mut visitor = server.visitor();
    let page = visitor.get("/redoc");
    assert_eq!(page.status, 200);
    let text = page.text();
    assert!(
        text.contains("/api/webhooks") && text.contains("/api/tasks/live"),
        "{}",
        text.len()
    );
    assert!(!text.contains("<script") && !text.contains("src="));
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let document = visitor.get("/openapi.json").json(200);
    let paths = document["paths"].as_object().expect("paths");
    for path in paths.keys() {
        assert!(text.contains(&format!("<code>{path}</code>")), "{path}");
    }
}

/// Half an hour of media, whose sound takes a while.
fn long(folder: &std::path::Path) -> std::path::PathBuf {
    let file = folder.join("long.mp4");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-stream_loop", "89", "-i"]);
    ffmpeg.arg(media("av_h264_aac_faststart.mp4"));
    output_of(ffmpeg.args(["-c", "copy", "-movflags", "+faststart"]).arg(&file));
    file
}

/// A client that asks for a file and takes nothing of it.
fn stuck(server: &Server, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("the server accepts");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
    let mut first = [0];
    stream.read_exact(&mut first).expect("the answer begins");
    stream
}

#[test]
fn a_second_signal_ends_at_once_and_nothing_is_lost() {
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let _publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_360p.flv")));
    let mut server = Server::start();
    let mut admin = server.admin();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let done = admin.upload(&long(folder.path()), &json!({"title": "Long"}));
    let video = format!("/api/videos/{}", done["video_id"]);
    admin.push(&format!("{video}/publish")).json(200);
    let new = json!({"name": "Hall", "protocol": "rtmp", "url": nginx.url("a")});
    let source = admin.post("/api/sources", &new).json(201)["id"].clone();
    admin
        .push(&format!("/api/sources/{source}/record/start"))
        .json(200);
    let live = admin.until("/api/tasks/live", SOON, |live| {
        live[0]["durable_s"].as_f64() > Some(3.0)
    });
    let shown = live[0]["durable_s"].as_f64().expect("a number");
    let job = admin
        .post(&format!("{video}/extract-audio"), &json!({"format": "mp3"}))
        .json(200);
    // A client that takes nothing keeps an orderly end waiting for ten seconds.
    let _stuck = stuck(&server, &format!("{video}/stream"));
    drop(admin);
    let begun = Instant::now();
    let run = server.stop_twice(Duration::from_millis(500));
    assert_eq!(run.code, Some(130), "{run:?}");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());

    server.restart();
    let mut admin = server.admin();
    admin.until("/api/tasks/live", SOON, |live| {
        live[0]["durable_s"].as_f64() > Some(2.0)
    });
    admin
        .push(&format!("/api/sources/{source}/record/stop"))
        .json(200);
    let videos = admin.get("/api/videos").json(200);
    let item = &videos[0];
    assert!(
        item["duration"].as_f64() >= Some((shown + 2.0).floor()),
        "{shown} before, and what came after: {item}"
    );
    let tasks = admin.get("/api/tasks").json(200);
    assert_eq!(tasks[1]["status"], "interrupted", "{tasks}");
    let gap = &tasks[0]["gaps"][0];
    assert_eq!(
        (&gap["at_s"], &gap["cause"]),
        (&json!(0.0), &json!("the server was restarted"))
    );
    let audio = admin.until(&format!("{video}/audio"), Duration::from_secs(120), |audio| {
        audio["task"]["status"] != "pending" && audio["task"]["status"] != "processing"
    });
    assert_eq!(audio["task"]["status"], "completed", "{job} {audio}");
}
