//! What is removed by itself: exactly what a preview says, with a reason; also when the server dies in the middle. And sessions that
//! are ended one by one.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use mediastack_tests::binary;
use mediastack_tests::fixtures::media;
use mediastack_tests::nginx_rtmp::{NginxRtmp, WhenPublisherLeaves};
use mediastack_tests::publish::{Content, Publisher};
use mediastack_tests::server::{Api, Server};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);

/// More bytes than any disk has.
const EVERYTHING: u64 = 1 << 60;

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("no number: {value}"))
}

fn ids(list: &Value, name: &str) -> BTreeSet<i64> {
    let all = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    all.iter().map(|one| number(&one[name])).collect()
}

/// Records a source for a moment; the video's number and bytes.
fn record(admin: &mut Api, source: &Value) -> (i64, i64) {
    admin
        .push(&format!("/api/sources/{source}/record/start"))
        .json(200);
    admin.until("/api/tasks/live", SOON, |live| {
        live[0]["durable_s"].as_f64() > Some(1.0)
    });
    let task = admin
        .push(&format!("/api/sources/{source}/record/stop"))
        .json(200);
    let newest = admin.get("/api/videos?limit=1").json(200)[0].clone();
    assert_eq!(newest["task_id"], task["id"]);
    (number(&newest["id"]), number(&newest["file_size"]))
}

/// A video that is worked on is not removed.
fn wait_for_jobs(admin: &mut Api) {
    let open = |job: &Value| ["pending", "processing"].contains(&job["status"].as_str().unwrap_or_default());
    admin.until("/api/jobs", SOON, |jobs| {
        !jobs.as_array().is_some_and(|jobs| jobs.iter().any(open))
    });
}

fn preview(admin: &mut Api, candidate: &Value) -> Value {
    admin.post("/api/retention/preview", candidate).json(200)
}

#[test]
fn exactly_what_the_preview_says_goes_and_the_trash_gives_it_back() {
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let _publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_360p.flv")));
    let server = Server::start_with(&[("MIN_FREE_SPACE", "0")]);
    let mut admin = server.admin();
    let new = json!({"name": "Hall 1", "protocol": "rtmp", "url": nginx.url("a"), "retention_days": 0});
    let source = admin.post("/api/sources", &new).json(201)["id"].clone();
    let (first, first_size) = record(&mut admin, &source);
    let (second, second_size) = record(&mut admin, &source);
    let (third, third_size) = record(&mut admin, &source);
    let file = media("av_h264_aac_faststart.mp4");
    let shown = number(&admin.upload(&file, &json!({"title": "shown"}))["video_id"]);
    let upload = number(&admin.upload(&file, &json!({"title": "upload"}))["video_id"]);
    admin.push(&format!("/api/videos/{shown}/publish")).json(200);
    let kept = admin
        .put(&format!("/api/videos/{first}"), &json!({"is_protected": true}))
        .json(200);
    assert_eq!(kept["is_protected"], true);
    wait_for_jobs(&mut admin);

    let protected = admin.get("/api/videos?is_protected=true").json(200);
    assert_eq!(ids(&protected, "id"), BTreeSet::from([first]));
    let both = json!({"video_ids": [upload, 9999], "is_protected": true});
    let batch = admin.post("/api/videos/batch-protect", &both).json(200);
    assert_eq!(
        (&batch["success"], &batch["failed_ids"]),
        (&json!(1), &json!([9999]))
    );
    let other = json!({"video_ids": [upload], "is_protected": false});
    admin.post("/api/videos/batch-protect", &other).json(200);
    let null = json!({"is_protected": null});
    admin.put(&format!("/api/videos/{first}"), &null).detail(422);

    let state = admin.get("/api/retention").json(200);
    let size = std::fs::metadata(&file).expect("a file").len();
    let all = first_size + second_size + third_size + 2 * i64::try_from(size).expect("small");
    assert_eq!(
        (
            &state["is_active"],
            &state["keep_published"],
            &state["used_bytes"]
        ),
        (&json!(false), &json!(true), &json!(all))
    );
    assert!(
        state["total_quota_bytes"].is_null() && state["min_free_bytes"].is_null(),
        "{state}"
    );
    admin.push("/api/retention/run").detail(400);
    assert_eq!(preview(&mut admin, &json!({}))["total_count"], 0);
    let candidate = preview(&mut admin, &json!({"total_quota_bytes": 1}));
    assert_eq!(
        ids(&candidate["items"], "video_id"),
        BTreeSet::from([second, third, upload])
    );
    assert_eq!(candidate["kept"], json!({"protected": 1, "published": 1}));
    let refused = admin.put(
        "/api/retention",
        &json!({"total_quota_bytes": 0, "min_free_bytes": -1}),
    );
    assert_eq!(refused.json(422)["errors"].as_array().map(Vec::len), Some(2));

    // The oldest goes that may, as the first is protected.
    let quota = json!({"quota_bytes": first_size + third_size});
    admin.put(&format!("/api/sources/{source}"), &quota).json(200);
    let active = json!({"is_active": true});
    assert!(admin.put("/api/retention", &active).json(200)["next_run_at"].is_string());
    let planned = preview(&mut admin, &json!({}));
    let item = planned["items"][0].clone();
    assert_eq!(
        (&planned["total_count"], &planned["total_bytes"]),
        (&json!(1), &json!(second_size)),
        "{planned}"
    );
    assert_eq!(
        (&item["video_id"], &item["reason"], &item["source_name"]),
        (&json!(second), &json!("source_quota"), &json!("Hall 1")),
        "{planned}"
    );
    // It may have run by itself meanwhile.
    let ran = admin.push("/api/retention/run").json(200);
    assert!(number(&ran["removed_count"]) <= 1, "{ran}");
    let noted = admin.get("/api/retention/removals").json(200);
    assert_eq!(noted.as_array().map(Vec::len), Some(1), "{noted}");
    assert_eq!(
        (&noted[0]["video_id"], &noted[0]["reason"], &noted[0]["bytes"]),
        (&json!(second), &json!("source_quota"), &json!(second_size))
    );
    assert!(
        noted[0]["detail"]
            .as_str()
            .is_some_and(|why| why.contains("Hall 1") && why.contains("of at most")),
        "{noted}"
    );
    let listed = admin.get("/api/videos").json(200);
    assert_eq!(ids(&listed, "id"), BTreeSet::from([first, third, shown, upload]));
    let trash = admin.get("/api/videos/trash").json(200);
    assert_eq!(ids(&trash, "id"), BTreeSet::from([second]));
    let no_quota = json!({"quota_bytes": null});
    admin.put(&format!("/api/sources/{source}"), &no_quota).json(200);
    admin.push(&format!("/api/videos/{second}/restore")).json(200);
    let stream = format!("/api/videos/{second}/stream");
    assert_eq!(admin.get(&stream).status, 200, "with its file");

    // Now everything that may go, for good.
    let names: Vec<String> = [second, third, upload]
        .iter()
        .map(|id| {
            let video = admin.get(&format!("/api/videos/{id}")).json(200);
            video["file_path"].as_str().expect("a name").to_owned()
        })
        .collect();
    let short = json!({"min_free_bytes": EVERYTHING});
    let planned = preview(&mut admin, &short);
    let going = BTreeSet::from([second, third, upload]);
    assert_eq!(ids(&planned["items"], "video_id"), going);
    admin.put("/api/retention", &short).json(200);
    admin.push("/api/retention/run").json(200);
    let listed = admin.get("/api/videos").json(200);
    assert_eq!(ids(&listed, "id"), BTreeSet::from([first, shown]));
    assert_eq!(admin.get(&stream).status, 404);
    for name in names {
        assert!(!server.storage().join(&name).exists(), "{name}");
    }
    let noted = admin.get("/api/retention/removals?limit=3").json(200);
    assert_eq!(ids(&noted, "video_id"), going);
    let last = number(&noted[2]["id"]);
    let earlier = admin
        .get(&format!("/api/retention/removals?before_id={last}"))
        .json(200);
    assert_eq!(ids(&earlier, "video_id"), BTreeSet::from([second]));
    assert_eq!(noted[0]["reason"], "free_space");
    for path in ["/api/retention", "/api/retention/removals"] {
        server.visitor().get(path).detail(401);
    }
}

/// Media files of the storage folder.
fn files(storage: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(storage).expect("a folder").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".mp3")).collect()
}

#[test]
fn a_kill_in_the_middle_leaves_rows_and_files_agreeing_and_the_rest_goes_by_itself() {
    const VIDEOS: usize = 60;
    let mut server = Server::start_with(&[("MIN_FREE_SPACE", "0")]);
    let mut admin = server.admin();
    for _ in 0..VIDEOS {
        admin.upload(&media("audio_mp3.mp3"), &json!({}));
    }
    wait_for_jobs(&mut admin);
    let storage = server.storage();
    assert_eq!(files(&storage).len(), VIDEOS);
    let policy = json!({"is_active": true, "min_free_bytes": EVERYTHING});
    admin.put("/api/retention", &policy).json(200);
    let mut other = server.admin();
    // Its connection breaks.
    let running = std::thread::spawn(move || {
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| other.push("/api/retention/run")));
    });
    let begun = Instant::now();
    while files(&storage).len() > VIDEOS - 5 {
        assert!(begun.elapsed() < SOON, "nothing goes");
        std::thread::sleep(Duration::from_millis(1));
    }
    server.kill();
    running.join().expect("it is caught");
    server.restart();
    let mut admin = server.admin();
    let listed = admin.get("/api/videos?limit=100").json(200);
    let left = ids(&listed, "id");
    assert!(!left.is_empty(), "all were gone before the kill");
    for video in listed.as_array().expect("a list") {
        let name = video["file_path"].as_str().expect("a name");
        assert!(storage.join(name).exists(), "{video} has no file");
    }
    let noted = admin.get("/api/retention/removals").json(200);
    assert_eq!(
        ids(&noted, "video_id").len() + left.len(),
        VIDEOS,
        "each that is gone is noted, and none that is there"
    );
    // What it could not finish is finished: files without a row go, and then the rest by itself.
    let begun = Instant::now();
    while !files(&storage).is_empty() {
        assert!(begun.elapsed() < 2 * SOON, "{:?} stay", files(&storage));
        std::thread::sleep(Duration::from_millis(100));
    }
    admin.until("/api/videos", SOON, |videos| videos == &json!([]));
    assert!(admin.get("/api/retention").json(200)["last_run_at"].is_string());
}

fn user(server: &Server, arguments: &[&str], password: &str) -> binary::Run {
    let mut command = binary::command(&["user"]);
    command.args(arguments).arg("--data-dir").arg(server.data());
    command.env("MEDIASTACK_PASSWORD", password).arg("--json");
    binary::spawn_command(&mut command).finish(SOON)
}

fn signed_in(server: &Server, name: &str, password: &str) -> Option<Api> {
    let mut api = server.visitor();
    api.headers.push("User-Agent: a test".to_owned());
    let form = [("username", name), ("password", password)];
    let answer = api.form("/api/auth/login", &form, None);
    let token = (answer.status == 200).then(|| answer.json(200)["access_token"].clone())?;
    let token = token.as_str().expect("a token");
    api.headers.push(format!("Authorization: Bearer {token}"));
    Some(api)
}

#[test]
fn a_session_is_ended_and_others_go_on() {
    let mut server = Server::start_with(&[("TRUSTED_PROXIES", "127.0.0.1")]);
    let mut here = server.admin();
    let mut proxied = server.visitor();
    proxied
        .headers
        .push("X-Forwarded-For: 1.1.1.1, 198.51.100.7".to_owned());
    let form = [("username", "admin"), ("password", "admin123")];
    let token = proxied.form("/api/auth/login", &form, None).json(200)["access_token"].clone();
    let bearer = format!("Authorization: Bearer {}", token.as_str().expect("a token"));
    proxied.headers.push(bearer);

    let listed = here.get("/api/auth/sessions").json(200);
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
    assert_eq!(
        (&listed[0]["address"], &listed[0]["is_current"]),
        (&json!("198.51.100.7"), &json!(false)),
        "what the trusted proxy saw"
    );
    assert_eq!(
        (&listed[1]["address"], &listed[1]["is_current"]),
        (&json!("127.0.0.1"), &json!(true))
    );
    for name in ["created_at", "expires_at", "last_seen_at", "user_agent", "id"] {
        assert!(listed[0][name].is_string(), "{name}: {listed}");
    }
    here.delete("/api/auth/sessions/nothing").detail(404);
    let id = listed[0]["id"].as_str().expect("a name");
    here.delete(&format!("/api/auth/sessions/{id}")).empty(204);
    proxied.get("/api/auth/me").detail(401);
    here.get("/api/auth/me").json(200);

    let mut third = signed_in(&server, "admin", "admin123").expect("it signs in");
    let listed = third.get("/api/auth/sessions").json(200);
    assert_eq!(listed[0]["user_agent"], "a test");
    here.push("/api/auth/sessions/end-others").empty(204);
    third.get("/api/auth/me").detail(401);
    assert_eq!(
        here.get("/api/auth/sessions").json(200).as_array().map(Vec::len),
        Some(1)
    );

    // Accounts by the command, while the server runs.
    user(&server, &["add", "ann"], "short").clear_error();
    user(&server, &["add", "ann"], "ann's password").success();
    user(&server, &["add", "ann"], "ann's password").clear_error();
    user(&server, &["passwd", "nobody"], "another password").clear_error();
    let mut ann = signed_in(&server, "ann", "ann's password").expect("at once");
    let names = user(&server, &["list"], "").success().json();
    let names: Vec<&Value> = names["administrators"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| &one["username"])
        .collect();
    assert_eq!(names, [&json!("admin"), &json!("ann")]);
    user(&server, &["passwd", "ann"], "another password").success();
    assert!(signed_in(&server, "ann", "ann's password").is_none());
    let changed = Instant::now();
    while ann.get("/api/auth/me").status != 401 {
        assert!(
            changed.elapsed() < Duration::from_secs(35),
            "her token is good still"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    here.get("/api/auth/me").json(200);
    let mut ann = signed_in(&server, "ann", "another password").expect("it signs in");
    // Sessions outlive the server, and those that were ended stay ended.
    server.stop();
    server.restart();
    ann.get("/api/auth/me").json(200);
    proxied.get("/api/auth/me").detail(401);
}
