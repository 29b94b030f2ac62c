//! Recordings of real sources: cut off by `kill -9` and by a signal, several at a time, and of a source that is away.

use std::time::{Duration, Instant};

use mediastack_tests::fixtures::media;
use mediastack_tests::hls_origin::{LiveHls, Segments};
use mediastack_tests::nginx_rtmp::{NginxRtmp, WhenPublisherLeaves};
use mediastack_tests::publish::{Content, Publisher};
use mediastack_tests::server::{Api, Server};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);

fn source(admin: &mut Api, url: &str) -> Value {
    let protocol = if url.starts_with("rtmp") { "rtmp" } else { "hls" };
    let new = json!({"name": "Hall 1", "protocol": protocol, "url": url});
    admin.post("/api/sources", &new).json(201)["id"].clone()
}

fn durable(live: &Value, source: &Value) -> f64 {
    let all = live.as_array().map(Vec::as_slice).unwrap_or_default();
    let one = all.iter().find(|one| one["source_id"] == *source);
    one.and_then(|one| one["durable_s"].as_f64()).unwrap_or(0.0)
}

#[test]
fn a_running_recording_shows_its_picture_and_names_its_video_when_it_ends() {
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let _publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_360p.flv")));
    let server = Server::start();
    let mut admin = server.admin();
    let id = source(&mut admin, &nginx.url("a"));
    let target = format!("/api/sources/{id}");
    let begun = admin.push(&format!("{target}/record/start")).json(200);
    admin.until("/api/tasks/live", SOON, |live| durable(live, &id) > 4.0);

    // A JPEG that is made once, and that nobody else may see.
    let picture = format!("/api/tasks/{}/picture", begun["id"]);
    let seen = admin.get(&picture);
    assert_eq!(
        (seen.status, seen.header("content-type")),
        (200, Some("image/jpeg"))
    );
    assert!(
        seen.body.starts_with(&[0xFF, 0xD8, 0xFF]) && seen.body.len() > 5000,
        "{} bytes",
        seen.body.len()
    );
    let known = format!("If-None-Match: {}", seen.header("etag").expect("a tag"));
    let again = admin.ask("GET", &picture, &[&known], None);
    assert!([200, 304].contains(&again.status), "a new one or the same");
    assert_eq!(server.visitor().get(&picture).status, 401);
    admin.get("/api/tasks/999/picture").detail(404);
    let target_picture = format!("{target}/picture");
    assert_eq!(admin.get(&target_picture).status, 200, "the same");

    let stopped = admin.push(&format!("{target}/record/stop")).json(200);
    admin.get(&picture).empty(204);
    let video = admin.get("/api/videos").json(200)[0].clone();
    let task = admin.get(&format!("/api/tasks/{}", stopped["id"])).json(200);
    let listed = admin.get("/api/tasks").json(200);
    for task in [&stopped, &task, &listed[0]] {
        assert_eq!(task["video_id"], video["id"], "{task}");
    }
    let shown = format!("/api/videos/{}", video["id"]);
    let pictured = admin.until(&shown, SOON, |video| video["thumbnail"].is_string());
    let thumbnail = admin.get(pictured["thumbnail"].as_str().expect("a path"));
    let last = admin.get(&target_picture);
    assert!(
        last.status == 200 && last.body == thumbnail.body,
        "that of the latest recording"
    );
}

#[test]
fn a_kill_loses_two_seconds_and_the_recording_goes_on_as_the_same_item() {
    let origin = LiveHls::start(&media("live_360p.flv"), Segments::Ts);
    let mut server = Server::start();
    let mut admin = server.admin();
    let id = source(&mut admin, &origin.url());
    let target = format!("/api/sources/{id}");
    admin.push(&format!("{target}/record/start")).json(200);
    let live = admin.until("/api/tasks/live", SOON, |live| durable(live, &id) > 5.0);
    let shown = durable(&live, &id);
    server.kill();
    let killed = Instant::now();
    std::thread::sleep(Duration::from_secs(3));
    server.restart();
    let mut admin = server.admin();
    // It goes on by itself, as nobody asked it to stop.
    admin.until("/api/tasks/live", SOON, |live| durable(live, &id) > 0.0);
    let least = 3.0;
    let most = killed.elapsed().as_secs_f64() + 6.0;
    let true_gap = |gap: &Value| {
        assert_eq!(gap["cause"], "the server was restarted", "{gap}");
        let length = gap["length_s"].as_f64().expect("a number");
        assert!((least..most).contains(&length), "{least}..{most}: {gap}");
    };
    let running = admin.until("/api/tasks", SOON, |tasks| tasks[0]["gaps"][0].is_object());
    true_gap(&running[0]["gaps"][0]);
    let noted = admin
        .get(&format!("/api/tasks/{}/events", running[0]["id"]))
        .text();
    assert!(noted.contains("the server was restarted"), "{noted}");
    admin.until("/api/tasks/live", SOON, |live| durable(live, &id) > 4.0);
    let stopped = admin.push(&format!("{target}/record/stop")).json(200);
    let tasks = admin.get("/api/tasks").json(200);
    assert_eq!(tasks.as_array().map(Vec::len), Some(2), "{tasks}");
    assert_eq!(tasks[1]["status"], "interrupted");
    assert!(
        tasks[1]["duration"].as_f64() >= Some(shown.floor()),
        "what was shown as durable is there: {shown} {tasks}"
    );
    let videos = admin.get("/api/videos").json(200);
    assert_eq!(videos.as_array().map(Vec::len), Some(1), "one item: {videos}");
    let total = videos[0]["duration"].as_f64().expect("a number");
    true_gap(&tasks[0]["gaps"][0]);
    let of_item = videos[0]["gaps"].as_array().expect("a list");
    assert_eq!(of_item.len(), 1, "{videos}");
    true_gap(&of_item[0]);
    let at = of_item[0]["at_s"].as_f64().expect("a number");
    assert!(
        (shown.floor()..total).contains(&at),
        "between the two halves: {videos}"
    );
    assert!(total >= shown.floor() + 4.0, "{shown} {stopped} {videos}");
    let play = format!("/api/videos/{}/play", videos[0]["id"]);
    let path = admin.get(&play).json(200)["hls_url"]
        .as_str()
        .expect("a path")
        .to_owned();
    let playlist = admin.get(&path).text();
    assert_eq!(
        playlist.matches("#EXT-X-DISCONTINUITY\n").count(),
        1,
        "{playlist}"
    );
    let sum: f64 = playlist
        .lines()
        .filter_map(|line| {
            line.strip_prefix("#EXTINF:")?
                .split(',')
                .next()?
                .parse::<f64>()
                .ok()
        })
        .sum();
    assert!((sum - total).abs() < 1.5, "{sum} {total}");
}

#[test]
fn a_term_signal_finishes_every_recording() {
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let _publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_360p.flv")));
    let mut server = Server::start();
    let mut admin = server.admin();
    let ids: Vec<Value> = (0..4).map(|_| source(&mut admin, &nginx.url("a"))).collect();
    for id in &ids {
        admin.push(&format!("/api/sources/{id}/record/start")).json(200);
    }
    admin.until("/api/tasks/live", SOON, |live| {
        ids.iter().all(|id| durable(live, id) > 2.0)
    });
    drop(admin);
    let run = server.stop();
    assert_eq!(run.code, Some(0), "{run:?}");
    for entry in std::fs::read_dir(server.storage()).expect("a folder").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(!name.ends_with(".journal"), "{name} is not finished");
    }
    server.restart();
    let mut admin = server.admin();
    let videos = admin.get("/api/videos").json(200);
    assert_eq!(videos.as_array().map(Vec::len), Some(4), "{videos}");
    // Nobody asked them to stop: they go on, each behind what it had.
    admin.until("/api/tasks/live", SOON, |live| {
        ids.iter().all(|id| durable(live, id) > 2.0)
    });
    admin
        .push(&format!("/api/sources/{}/record/stop", ids[0]))
        .json(200);
    let longer = admin.get("/api/videos").json(200);
    assert_eq!(longer.as_array().map(Vec::len), Some(4), "{longer}");
    let tasks = admin.get(&format!("/api/tasks?source_id={}", ids[0])).json(200);
    assert_eq!(
        (&tasks[0]["stop_asked"], &tasks[0]["continued_by"]),
        (&json!(true), &Value::Null),
        "a person stopped it: {tasks}"
    );
    let earlier = admin.get(&format!("/api/tasks/{}", tasks[1]["id"])).json(200);
    for task in [&tasks[1], &earlier] {
        assert_eq!(
            (&task["stop_asked"], &task["continued_by"], &task["error_message"]),
            (&json!(false), &tasks[0]["id"], &Value::Null),
            "the restart ended it: {tasks}"
        );
    }
    drop(admin);
    server.stop();
    server.restart();
    let mut admin = server.admin();
    admin.until("/api/tasks/live", SOON, |live| {
        ids[1..].iter().all(|id| durable(live, id) > 0.0)
    });
    let live = admin.get("/api/tasks/live").json(200);
    assert!(
        live.as_array()
            .is_some_and(|all| all.iter().all(|one| one["source_id"] != ids[0])),
        "what a person stopped stays stopped: {live}"
    );
}

#[test]
fn a_source_that_is_away_fails_in_words_and_is_shown_offline() {
    let server = Server::start();
    let mut admin = server.admin();
    let secret = "rtmp://user:hunter2@127.0.0.1:1/live/x";
    let id = source(&mut admin, secret);
    let shown = admin.get(&format!("/api/sources/{id}"));
    assert!(!shown.text().contains("hunter2"), "{}", shown.text());
    assert_eq!(
        admin
            .ask("GET", &format!("/api/sources/{id}/status"), &[], None)
            .json(202)["source_id"],
        id
    );
    admin.until(&format!("/api/sources/{id}"), SOON, |source| {
        source["last_check_time"].is_string() && source["is_online"] == false
    });
    let tested = admin.post("/api/sources/test", &json!({"url": secret})).json(200);
    assert_eq!(tested["ok"], false);
    assert!(
        tested["error"]
            .as_str()
            .is_some_and(|why| !why.is_empty() && !why.contains("hunter2")),
        "{tested}"
    );
    let wrong = json!({"name": "x", "protocol": "rtmp", "url": "http://h/x"});
    assert_eq!(
        admin.post("/api/sources", &wrong).detail(400),
        "RTMP protocol requires rtmp:// URL"
    );
    assert!(!server.log().contains("hunter2"));
}
