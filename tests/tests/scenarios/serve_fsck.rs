//! `mediastack fsck`: every kind of damage is found, what can be repaired without loss is, and nothing else is touched.

use std::fs;
use std::path::Path;
use std::time::Duration;

use mediastack_tests::database::sql;
use mediastack_tests::fixtures::media;
use mediastack_tests::hls_origin::{LiveHls, Segments};
use mediastack_tests::server::{Api, Server};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);

/// A file of its own name, so that no two uploads are the same file.
fn upload(admin: &mut Api, title: &str) -> Value {
    let video = admin.upload(&media("rotated_h264_aac.mp4"), &json!({ "title": title }))["video_id"].clone();
    let target = format!("/api/videos/{video}");
    admin.until(&target, SOON, |video| video["thumbnail"].is_string())
}

fn findings(report: &Value) -> Vec<(String, String)> {
    let all = report["findings"].as_array().expect("a list");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    all.iter()
        .map(|one| (text(&one["kind"]), text(&one["state"])))
        .collect()
}

fn kinds(report: &Value, state: &str) -> Vec<String> {
    findings(report)
        .into_iter()
        .filter_map(|(kind, is)| (is == state).then_some(kind))
        .collect()
}

fn file_of(server: &Server, video: &Value) -> std::path::PathBuf {
    server
        .storage()
        .join(video["file_path"].as_str().expect("a name"))
}

fn record(admin: &mut Api, origin: &LiveHls, name: &str, seconds: f64) -> Value {
    let new = json!({"name": name, "protocol": "hls", "url": origin.url()});
    let id = admin.post("/api/sources", &new).json(201)["id"].clone();
    admin.push(&format!("/api/sources/{id}/record/start")).json(200);
    admin.until("/api/tasks/live", SOON, |live| {
        let all = live.as_array().map(Vec::as_slice).unwrap_or_default();
        all.iter()
            .any(|one| one["source_id"] == id && one["durable_s"].as_f64() >= Some(seconds))
    });
    id
}

fn every_file(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                all.push((path.display().to_string(), fs::read(&path).expect("readable")));
            }
        }
    }
    all.sort();
    all
}

#[test]
fn each_kind_of_damage_is_found_and_what_loses_nothing_is_repaired() {
    let origin = LiveHls::start(&media("live_180p.flv"), Segments::Ts);
    let mut server = Server::start();
    let mut admin = server.admin();
    let titles = ["gone", "no picture", "wrong row", "no sound", "torn"];
    let videos: Vec<Value> = titles.iter().map(|title| upload(&mut admin, title)).collect();
    let sound = format!("/api/videos/{}/extract-audio", videos[3]["id"]);
    assert!(admin.push(&sound).status < 300);
    let sound = format!("/api/videos/{}/audio", videos[3]["id"]);
    admin.until(&sound, SOON, |sound| sound.to_string().contains("completed"));
    let finished = record(&mut admin, &origin, "Hall 1", 2.0);
    admin
        .push(&format!("/api/sources/{finished}/record/stop"))
        .json(200);
    let init = json!({"filename": "half.mp4", "file_size": 3_000_000, "chunk_size": 1 << 20});
    let half = admin.post("/api/upload/init", &init).json(200)["task_id"].clone();
    admin
        .form(
            &format!("/api/upload/{}/chunk", half.as_str().expect("an id")),
            &[("chunk_index", "0")],
            Some(("chunk", "blob", &vec![7; 1 << 20])),
        )
        .json(200);

    // What was uploaded may be made a file that plays while it loads.
    admin.until("/api/jobs", SOON, |jobs| {
        let jobs = jobs.as_array().expect("a list");
        jobs.iter().all(|job| job["status"] == "completed")
    });
    let videos: Vec<Value> = videos
        .iter()
        .map(|video| admin.get(&format!("/api/videos/{}", video["id"])).json(200))
        .collect();
    drop(admin);

    // While the server runs its folders are its own.
    let refused = server.fsck(&[]);
    assert_eq!(refused.code, Some(10), "{refused:#?}");
    assert!(
        refused.json()["error"]["message"]
            .to_string()
            .contains("in use by a running server")
    );
    server.stop();
    server.assert_agrees();
    let untouched = every_file(&server.storage());

    server.restart();
    let mut admin = server.admin();
    let cut = record(&mut admin, &origin, "Hall 2", 3.0);
    drop(admin);
    server.kill();
    let interrupted = server.fsck(&[]);
    assert_eq!(interrupted.code, Some(11));
    assert_eq!(
        kinds(&interrupted.json(), "found"),
        ["task_open"],
        "{interrupted:#?}"
    );

    // One of each.
    let storage = server.storage();
    fs::remove_file(file_of(&server, &videos[0])).expect("it is there");
    let picture = videos[1]["thumbnail"]
        .as_str()
        .expect("a path")
        .trim_start_matches('/')
        .to_owned();
    fs::remove_file(storage.join(&picture)).expect("it is there");
    let wrong = format!(
        "UPDATE videos SET file_size = 5, duration_us = 900000000 WHERE id = {}",
        videos[2]["id"]
    );
    sql(&server.database(), &wrong);
    for entry in fs::read_dir(storage.join("audio")).expect("a folder").flatten() {
        fs::remove_file(entry.path()).expect("it is there");
    }
    let torn = file_of(&server, &videos[4]);
    let bytes = fs::read(&torn).expect("readable");
    fs::write(&torn, vec![0; bytes.len()]).expect("writable");
    let id = half.as_str().expect("an id");
    sql(
        &server.database(),
        &format!("UPDATE uploads SET chunks = 3 WHERE id = '{id}'"),
    );
    sql(
        &server.database(),
        "INSERT INTO video_search (video_search) VALUES ('delete-all')",
    );
    fs::copy(
        media("video_h264.mp4"),
        storage.join("018f0000-0000-7000-8000-000000000000.mp4"),
    )
    .expect("writable");
    fs::write(storage.join("temp/x.spool"), "x").expect("writable");
    fs::write(storage.join("thumbnails/thumb_nobody.jpg"), "x").expect("writable");
    fs::write(storage.join("notes.txt"), "a person's").expect("writable");
    let halves = storage.join(".gone.mp4.0123.work");
    fs::create_dir(&halves).expect("writable");
    fs::write(halves.join("gone.mp4"), "half of a cut").expect("writable");

    let before = every_file(&storage);
    let looked = server.fsck(&[]);
    assert_eq!(looked.code, Some(11));
    let mut found = kinds(&looked.json(), "found");
    found.sort();
    assert_eq!(
        found,
        [
            "audio_missing",
            "duration_differs",
            "leftover",
            "leftover",
            "leftover",
            "leftover",
            "media_missing",
            "media_unreadable",
            "orphan",
            "search_index",
            "size_differs",
            "task_open",
            "thumbnail_missing",
            "upload_counts",
        ],
        "{:#}",
        looked.json()
    );
    assert!(every_file(&storage) == before, "a look changes nothing");
    let people = mediastack_tests::binary::run(
        &["fsck".as_ref(), "--data-dir".as_ref(), server.data().as_os_str()],
        SOON,
    );
    assert!(
        people.stdout.contains("media_missing") && people.stdout.contains("--import-orphans"),
        "{people:#?}"
    );

    let repaired = server.fsck(&["--repair"]);
    assert_eq!(repaired.code, Some(11), "what can't be repaired stays");
    let mut left = kinds(&repaired.json(), "found");
    left.sort();
    assert_eq!(
        left,
        [
            "leftover",
            "leftover",
            "leftover",
            "leftover",
            "media_unreadable",
            "orphan"
        ],
        "{:#}",
        repaired.json()
    );
    // No file that was there is gone or changed but the recording that was finished.
    for (name, bytes) in &before {
        let is_cut = name.ends_with(".journal") || fs::metadata(format!("{name}.journal")).is_ok();
        let now = fs::read(name);
        let same = now.is_ok_and(|now| now == *bytes);
        assert!(
            same || is_cut || untouched.iter().all(|(other, _)| other != name),
            "{name}"
        );
    }
    let imported = server.fsck(&["--import-orphans", "--remove-leftovers"]).json();
    assert_eq!(kinds(&imported, "imported"), ["orphan"], "{imported:#}");
    assert_eq!(
        kinds(&imported, "removed"),
        ["leftover", "leftover", "leftover"],
        "{imported:#}"
    );
    assert!(!halves.exists());
    assert_eq!(
        kinds(&imported, "found"),
        ["media_unreadable", "leftover"],
        "{imported:#}"
    );
    assert!(storage.join("notes.txt").exists());

    // The torn file is mended by its person.
    fs::write(&torn, &bytes).expect("writable");
    server.assert_agrees();
    server.restart();
    let mut admin = server.admin();
    let all = admin.get("/api/videos?limit=100").json(200);
    let by_title = |title: &str| {
        let all = all.as_array().expect("a list");
        let found = all
            .iter()
            .find(|video| video["title"].as_str().is_some_and(|is| is.starts_with(title)));
        found.unwrap_or_else(|| panic!("{title}: {all:#?}")).clone()
    };
    assert!(by_title("gone")["missing_since"].is_string());
    assert_eq!(by_title("wrong row")["file_size"], videos[2]["file_size"]);
    assert_eq!(by_title("wrong row")["duration"], videos[2]["duration"]);
    assert_eq!(by_title("Recovered recording")["status"], "pending");
    let second = by_title("Hall 2");
    assert!(second["duration"].as_i64() >= Some(2), "{second}");
    let picture = format!("/api/videos/{}", videos[1]["id"]);
    admin.until(&picture, SOON, |video| video["thumbnail"].is_string());
    admin.until(&sound, SOON, |sound| sound.to_string().contains("completed"));
    // What the kill cut off goes on, as nobody stopped it.
    admin.until("/api/tasks/live", SOON, |live| {
        live.to_string().contains(&format!("\"source_id\":{cut}"))
    });
    admin.push(&format!("/api/sources/{cut}/record/stop")).json(200);
    drop(admin);
    server.stop();

    // With its media back the row says so.
    fs::write(file_of(&server, &videos[0]), &bytes).expect("writable");
    assert_eq!(
        kinds(&server.fsck(&["--repair"]).json(), "repaired"),
        ["media_back"]
    );
    server.assert_agrees();
}

#[test]
fn a_damaged_database_is_said_to_be_one_and_is_not_touched() {
    let mut server = Server::start();
    server.stop();
    let database = server.database();
    let mut bytes = fs::read(&database).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8192].fill(0xA5);
    fs::write(&database, &bytes).expect("writable");
    let run = server.fsck(&["--repair", "--import-orphans"]);
    assert!(matches!(run.code, Some(10 | 11)), "{run:#?}");
    assert_eq!(fs::read(&database).expect("readable"), bytes);

    let other = tempfile::tempdir().expect("a temporary directory");
    let nowhere = mediastack_tests::binary::run(
        &[
            "fsck".as_ref(),
            "--data-dir".as_ref(),
            other.path().join("x").as_os_str(),
        ],
        SOON,
    );
    assert_eq!(nowhere.clear_error().code, Some(5));
    assert!(!other.path().join("x").exists(), "nothing is made");
}

#[test]
fn a_lost_database_gives_its_recordings_back_with_their_names() {
    let origin = LiveHls::start(&media("live_180p.flv"), Segments::Ts);
    let mut server = Server::start();
    let mut admin = server.admin();
    let category = admin.post("/api/categories", &json!({"name": "Talks"})).json(201)["id"].clone();
    let new = json!({"name": "Hall 1", "protocol": "hls", "url": origin.url(), "category_id": category});
    let id = admin.post("/api/sources", &new).json(201)["id"].clone();
    let durable = |admin: &mut Api, least: f64| {
        admin.until("/api/tasks/live", SOON, |live| {
            live[0]["durable_s"].as_f64() >= Some(least)
        });
    };
    admin.push(&format!("/api/sources/{id}/record/start")).json(200);
    durable(&mut admin, 2.0);
    drop(admin);
    // Two files of one item: a kill in between.
    server.kill();
    server.restart();
    let mut admin = server.admin();
    durable(&mut admin, 2.0);
    admin.push(&format!("/api/sources/{id}/record/stop")).json(200);
    let had = admin.get("/api/videos").json(200)[0].clone();
    drop(admin);
    server.stop();
    server.assert_agrees();
    let before = every_file(&server.storage());
    let media_of = |files: &[(String, Vec<u8>)]| -> Vec<(String, Vec<u8>)> {
        files
            .iter()
            .filter(|(name, _)| name.ends_with(".mp4"))
            .cloned()
            .collect()
    };
    fs::remove_dir_all(server.data().join("db")).expect("it is there");

    server.restart();
    let mut admin = server.admin();
    let orphans = admin.until("/api/system/orphans", SOON, |orphans| {
        orphans.as_array().is_some_and(|all| all.len() == 2)
    });
    assert_eq!(orphans[0]["source_name"], "Hall 1", "{orphans}");
    assert!(server.log().contains("fsck --import-orphans"), "{}", server.log());
    assert_eq!(
        admin.get("/api/videos").json(200),
        json!([]),
        "offered, and not done"
    );
    assert_eq!(server.visitor().get("/api/system/orphans").status, 401);
    let made = admin.push("/api/system/orphans/import").json(200);
    let video = admin
        .get(&format!("/api/videos/{}", made["video_ids"][0]))
        .json(200);
    for key in [
        "title",
        "duration",
        "file_size",
        "tracks",
        "file_type",
        "source_type",
    ] {
        assert_eq!(video[key], had[key], "{key}: {video}");
    }
    assert_eq!(video["category"]["name"], "Talks", "{video}");
    assert_eq!(
        video["gaps"].as_array().map(Vec::len),
        Some(1),
        "one item of two files: {video}"
    );
    assert_eq!(video["status"], "pending");
    assert_eq!(admin.get("/api/system/orphans").json(200), json!([]));
    drop(admin);
    server.stop();
    server.assert_agrees();
    assert!(
        media_of(&every_file(&server.storage())) == media_of(&before),
        "no media has changed"
    );

    // The same by hand, while no server runs.
    fs::remove_dir_all(server.data().join("db")).expect("it is there");
    assert_eq!(server.fsck(&[]).clear_error().code, Some(5));
    let imported = server.fsck(&["--import-orphans"]);
    assert_eq!(imported.code, Some(0), "{imported:#?}");
    server.restart();
    let all = server.admin().get("/api/videos").json(200);
    assert_eq!(all.as_array().map(Vec::len), Some(1), "{all}");
    assert_eq!(all[0]["title"], had["title"]);
}
