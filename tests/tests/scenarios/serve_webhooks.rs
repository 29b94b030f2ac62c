//! Who is told of what happens: signed, at least once, whatever becomes of the receiver, of the server, or of another receiver.

use std::time::{Duration, Instant};

use mediastack_tests::fixtures::media;
use mediastack_tests::hook::{Got, Hook};
use mediastack_tests::nginx_rtmp::{NginxRtmp, WhenPublisherLeaves};
use mediastack_tests::publish::{Content, Publisher};
use mediastack_tests::server::{Api, Server};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);

/// Longer than the first wait, which is at most six seconds.
const FIRST_RETRY: Duration = Duration::from_secs(15);

fn webhook(admin: &mut Api, url: &str, events: &[&str]) -> (Value, String) {
    let made = admin
        .post("/api/webhooks", &json!({"url": url, "events": events}))
        .json(201);
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    (made["id"].clone(), secret)
}

fn has(got: &[Got], kind: &str) -> bool {
    got.iter().any(|got| got.kind() == kind)
}

fn one<'a>(got: &'a [Got], kind: &str) -> &'a Got {
    let mut of_kind = got.iter().filter(|got| got.kind() == kind);
    let one = of_kind.next().unwrap_or_else(|| panic!("no {kind}: {got:#?}"));
    assert!(of_kind.next().is_none(), "{kind} twice: {got:#?}");
    one
}

/// A video that can be published and taken back, which is the cheapest thing to tell of.
fn video(admin: &mut Api) -> String {
    let done = admin.upload(&media("av_h264_aac_faststart.mp4"), &json!({"title": "On bees"}));
    format!("/api/videos/{}", done["video_id"])
}

#[test]
fn a_broadcast_is_told_from_its_beginning_to_its_publication() {
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let _publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_360p.flv")));
    let hook = Hook::start();
    let server = Server::start();
    let mut admin = server.admin();
    let all = [
        "task.started",
        "task.completed",
        "task.failed",
        "task.interrupted",
        "video.created",
        "video.published",
        "video.deleted",
        "source.online",
    ];
    let (id, secret) = webhook(&mut admin, &hook.url("/told"), &all);
    let new = json!({"name": "Hall 1", "protocol": "rtmp", "url": nginx.url("a")});
    let source = admin.post("/api/sources", &new).json(201)["id"].clone();
    let target = format!("/api/sources/{source}");
    admin.push(&format!("{target}/record/start")).json(200);
    let got = hook.until(SOON, |got| has(got, "task.started"));
    let started = one(&got, "task.started").json();
    assert_eq!(
        (&started["data"]["source_name"], &started["data"]["status"]),
        (&json!("Hall 1"), &json!("recording"))
    );
    std::thread::sleep(Duration::from_secs(3));
    let stopped = admin.push(&format!("{target}/record/stop")).json(200);
    let got = hook.until(SOON, |got| has(got, "video.created"));
    let ended = format!("task.{}", stopped["status"].as_str().expect("a status"));
    let data = one(&got, &ended).json()["data"].clone();
    assert_eq!(data["task_id"], stopped["id"]);
    assert!(
        data["duration_s"].as_f64() > Some(2.0) && data["size_bytes"].as_i64() > Some(10_000),
        "{data}"
    );
    let created = one(&got, "video.created").json();
    assert_eq!(
        created["data"]["video_id"], data["video_id"],
        "what a person looks for next"
    );
    let shown = format!("/api/videos/{}", data["video_id"]);
    admin.push(&format!("{shown}/publish")).json(200);
    admin.push(&format!("{shown}/publish")).json(200);
    admin.delete(&shown).empty(204);
    let got = hook.until(SOON, |got| has(got, "video.deleted"));
    one(&got, "video.published");
    for message in &got {
        assert!(message.is_signed(&secret), "{message:?}");
        assert!(!message.is_signed("whsec_AAAA"), "the check can fail");
        assert_eq!((message.target.as_str(), message.status), ("/told", 204));
        assert_eq!(message.header("content-type"), "application/json");
        assert!(
            !message.body.contains("rtmp://"),
            "no address of a source: {message:?}"
        );
    }
    let listed = admin.get(&format!("/api/webhooks/{id}/deliveries")).json(200);
    let listed = listed.as_array().expect("a list").clone();
    assert_eq!(listed.len(), got.len());
    assert!(
        listed
            .iter()
            .all(|one| one["status"] == "delivered" && one["attempts"] == 1),
        "{listed:#?}"
    );

    let other = admin.push(&format!("/api/webhooks/{id}/rotate-secret")).json(200)["secret"]
        .as_str()
        .expect("a secret")
        .to_owned();
    let tested = admin.push(&format!("/api/webhooks/{id}/test")).json(200);
    assert_eq!(
        (&tested["delivered"], &tested["status"]),
        (&json!(true), &json!(204))
    );
    let got = hook.got();
    let test = one(&got, "webhook.test");
    assert!(test.is_signed(&other) && !test.is_signed(&secret));
    let shown = admin.get("/api/webhooks").text();
    assert!(!shown.contains(&other) && !shown.contains("whsec_"), "{shown}");
    admin.delete(&format!("/api/webhooks/{id}")).empty(204);
    admin.push(&format!("/api/webhooks/{id}/test")).detail(404);
}

#[test]
fn what_is_refused_or_cut_off_by_a_kill_comes_again_as_the_same_message() {
    let hook = Hook::start();
    let mut server = Server::start();
    let mut admin = server.admin();
    let video = video(&mut admin);
    let events = ["video.published", "video.offline"];
    let (id, secret) = webhook(&mut admin, &hook.url("/"), &events);
    let listed = format!("/api/webhooks/{id}/deliveries");

    hook.answer(500);
    admin.push(&format!("{video}/publish")).json(200);
    let waits = admin.until(&listed, SOON, |all| {
        all[0]["attempts"] == 1 && all[0]["error"].is_string()
    });
    assert_eq!(
        (&waits[0]["status"], &waits[0]["response_status"]),
        (&json!("pending"), &json!(500))
    );
    assert!(waits[0]["next_attempt_at"].is_string(), "{waits}");
    let shown = admin.get("/api/webhooks").json(200);
    assert_eq!(
        (&shown[0]["failures_in_row"], &shown[0]["last_status"]),
        (&json!(1), &json!("pending"))
    );
    hook.answer(200);
    hook.until(FIRST_RETRY, |_| hook.taken().len() == 1);
    let got = hook.got();
    assert_eq!(got.len(), 2);
    assert_eq!(got[0].header("webhook-id"), got[1].header("webhook-id"));
    assert_eq!(got[0].body, got[1].body);
    let done = admin.until(&listed, SOON, |all| all[0]["status"] == "delivered");
    assert_eq!(
        (&done[0]["attempts"], &done[0]["error"]),
        (&json!(2), &json!(null))
    );
    assert_eq!(admin.get("/api/webhooks").json(200)[0]["failures_in_row"], 0);

    // The first is on its way when the server dies, the second has not been sent at all.
    hook.be_silent(true);
    admin.push(&format!("{video}/offline")).json(200);
    hook.until(SOON, |got| got.len() == 3);
    admin.push(&format!("{video}/publish")).json(200);
    server.kill();
    assert_eq!(hook.got().len(), 3);
    hook.be_silent(false);
    server.restart();
    let got = hook.until(SOON, |got| got.len() >= 5);
    assert_eq!(got[2].header("webhook-id"), got[3].header("webhook-id"));
    assert_eq!(
        got[2..].iter().map(Got::kind).collect::<Vec<_>>(),
        ["video.offline", "video.offline", "video.published"]
    );
    assert!(
        got.iter().all(|got| got.is_signed(&secret)),
        "after a restart too"
    );
    let mut admin = server.admin();
    let done = admin.until(&listed, SOON, |all| {
        all.as_array()
            .expect("a list")
            .iter()
            .all(|one| one["status"] == "delivered")
    });
    assert_eq!(done.as_array().map(Vec::len), Some(3), "{done:#}");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(hook.got().len(), 5, "what was taken is not sent again");
    let first = done[2]["id"].clone();
    let again = admin
        .push(&format!("/api/webhooks/deliveries/{first}/retry"))
        .json(200);
    assert_eq!(again["status"], "pending");
    hook.until(SOON, |got| got.len() == 6);
    admin.push("/api/webhooks/deliveries/99/retry").detail(404);

    hook.answer(410);
    admin.push(&format!("{video}/offline")).json(200);
    let off = admin.until("/api/webhooks", SOON, |all| all[0]["is_active"] == false);
    assert_eq!(off[0]["last_status"], "failed", "gone is gone");
}

#[test]
fn a_receiver_that_says_nothing_holds_up_nobody() {
    let (slow, quick) = (Hook::start(), Hook::start());
    slow.be_silent(true);
    let mut server = Server::start();
    let mut admin = server.admin();
    let video = video(&mut admin);
    webhook(&mut admin, &slow.url("/"), &["video.published", "video.offline"]);
    webhook(&mut admin, &quick.url("/"), &["video.published", "video.offline"]);
    for turn in 0..3 {
        let word = if turn % 2 == 0 { "publish" } else { "offline" };
        let begun = Instant::now();
        admin.push(&format!("{video}/{word}")).json(200);
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        quick.until(Duration::from_secs(5), |got| got.len() == turn + 1);
    }
    assert_eq!(slow.got().len(), 1, "one request at a time");
    let begun = Instant::now();
    drop(admin);
    assert_eq!(server.stop().code, Some(0));
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "nor the end of the server: {:?}",
        begun.elapsed()
    );
}

#[test]
fn addresses_follow_the_egress_policy_and_keep_their_secrets() {
    let hook = Hook::start();
    let server = Server::start_with(&[("ALLOW_PRIVATE_SOURCES", "false"), ("LOG_LEVEL", "debug")]);
    let mut admin = server.admin();
    let refused = json!({"url": hook.url("/"), "events": ["task.failed"]});
    let why = admin.post("/api/webhooks", &refused).detail(422);
    assert!(why.contains("allow_private_sources"), "{why}");
    // A name can lead anywhere; where it leads is looked at each time.
    let named = hook
        .url("/s3cret-path?key=s3cret")
        .replace("127.0.0.1", "me:s3cret@localhost");
    let (id, _) = webhook(&mut admin, &named, &["task.failed"]);
    let tested = admin.push(&format!("/api/webhooks/{id}/test"));
    let answer = tested.json(200);
    assert_eq!(answer["delivered"], false);
    assert!(
        answer["error"]
            .as_str()
            .is_some_and(|why| why.contains("egress policy")),
        "{answer}"
    );
    assert!(hook.got().is_empty());
    let listed = admin.get("/api/webhooks").text();
    assert!(
        !listed.contains("me:") && !listed.contains("key=s3cret"),
        "{listed}"
    );
    let lines = admin.get("/api/system/logs?limit=1000").text();
    for text in [&server.log(), &lines, &tested.text()] {
        assert!(!text.contains("s3cret"), "{text}");
    }
    let url = admin.get("/api/webhooks").json(200)[0]["url"].clone();
    let change = json!({"url": url, "description": "what the page shows is sent back"});
    admin.put(&format!("/api/webhooks/{id}"), &change).json(200);
    for wrong in [
        json!({"url": "rtmp://h/x", "events": ["task.failed"]}),
        json!({"url": "http://h/x", "events": ["task.eaten"]}),
        json!({"url": "http://h/x", "events": []}),
        json!({"events": ["task.failed"]}),
    ] {
        admin.post("/api/webhooks", &wrong).detail(422);
    }
    let mut visitor = server.visitor();
    visitor.get("/api/webhooks").detail(401);
    visitor.push(&format!("/api/webhooks/{id}/test")).detail(401);
}
