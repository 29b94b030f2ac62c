//! Thumbnails, pictures, texts, links, extracted sound and spans as existing UIs use them.

use std::time::Duration;

use mediastack_tests::fixtures::media;
use mediastack_tests::server::Server;
use mediastack_tests::shape::{assert_all, assert_shape};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);

/// A PNG of one pixel, as far as its kind can be told by its beginning.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";

const IMAGE: &str = "id:int video_id:int image_path:str image_url:str sort_order:int created_at:date";
const TEXT: &str = "id:int video_id:int title:str content:str? sort_order:int created_at:date";
const LINK: &str = "id:int video_id:int title:str url:str sort_order:int created_at:date";

#[test]
fn a_thumbnail_is_made_captured_or_uploaded() {
    let server = Server::start();
    let mut admin = server.admin();
    let done = admin.upload(&media("av_h264_aac_faststart.mp4"), &json!({}));
    let id = done["video_id"].clone();
    let target = format!("/api/videos/{id}/thumbnail");
    let mut urls = Vec::new();
    let captured = admin.post(&format!("{target}/capture"), &json!({"timestamp": 3.5}));
    let automatic = admin.push(&format!("{target}/auto"));
    let uploaded = admin.form(&format!("{target}/upload"), &[], Some(("file", "a.png", PNG)));
    for answer in [captured, automatic, uploaded] {
        let answer = answer.json(200);
        assert_shape(&answer, "video_id:int thumbnail_url:str");
        assert_eq!(answer["video_id"], id);
        urls.push(answer["thumbnail_url"].as_str().expect("a path").to_owned());
    }
    assert!(
        urls.iter().all(|url| url.starts_with("/thumbnails/thumb_")),
        "{urls:?}"
    );
    assert!(urls[0].ends_with(".jpg") && urls[2].ends_with(".png"), "{urls:?}");
    assert_eq!(
        admin.get(&format!("/api/videos/{id}")).json(200)["thumbnail"],
        json!(urls[2])
    );
    assert_eq!(admin.get(&urls[2]).body, PNG);
    assert_eq!(admin.get(&urls[0]).status, 404, "the former one is gone");
    let beyond = admin
        .post(&format!("{target}/capture"), &json!({"timestamp": 9999}))
        .detail(400);
    assert!(
        beyond.starts_with("Timestamp 9999.0s exceeds video duration 20.0") && beyond.ends_with('s'),
        "{beyond}"
    );
    for wrong in [json!({}), json!({"timestamp": -1}), json!({"timestamp": "x"})] {
        admin.post(&format!("{target}/capture"), &wrong).detail(422);
    }
    for (name, bytes) in [
        (
            "a.svg",
            b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>".as_slice(),
        ),
        ("a.png", b"<html><script>alert(1)</script>"),
        ("a.jpg", b""),
        ("a.gif", b"GIF89a"),
    ] {
        admin
            .form(&format!("{target}/upload"), &[], Some(("file", name, bytes)))
            .detail(400);
    }
    let large = [PNG, &vec![0; 5 << 20]].concat();
    admin
        .form(&format!("{target}/upload"), &[], Some(("file", "a.png", &large)))
        .detail(400);
    admin
        .form(&format!("{target}/upload"), &[("other", "x")], None)
        .detail(422);
    let file = done["file_path"].as_str().expect("a name");
    std::fs::remove_file(server.storage().join(file)).expect("the file is there");
    assert_eq!(
        admin.push(&format!("{target}/auto")).detail(404),
        "Video file not found on disk"
    );
    assert_eq!(
        admin.push(&format!("/api/videos/{id}/extract-audio")).detail(400),
        format!("Video file not found: {file}")
    );
}

#[test]
fn pictures_texts_and_links_are_in_their_order() {
    let server = Server::start();
    let mut admin = server.admin();
    let id = admin.upload(&media("audio_aac.m4a"), &json!({}))["video_id"].clone();
    let target = format!("/api/videos/{id}");
    let mut visitor = server.visitor();
    let mut image = |query: &str, fields: &[(&str, &str)]| {
        let path = format!("{target}/images{query}");
        admin.form(&path, fields, Some(("file", "a.png", PNG))).json(200)
    };
    let second = image("?sort_order=2", &[]);
    let first = image("", &[("sort_order", "1")]);
    assert_shape(&first, IMAGE);
    let url = first["image_url"].as_str().expect("a path").to_owned();
    assert!(url.starts_with("/api/images/") && url.ends_with(".png"), "{url}");
    assert_eq!(visitor.get(&url).status, 403, "not published yet");
    admin.push(&format!("{target}/publish")).json(200);
    let listed = assert_all(&visitor.get(&format!("{target}/images")).json(200), IMAGE);
    assert_eq!(
        (&listed[0]["id"], &listed[1]["id"]),
        (&first["id"], &second["id"])
    );
    let shown = visitor.get(&url);
    assert_eq!(
        (
            shown.status,
            shown.header("content-type"),
            shown.header("x-content-type-options")
        ),
        (200, Some("image/png"), Some("nosniff"))
    );
    for (name, bytes) in [("a.svg", b"<svg/>".as_slice()), ("a.png", b"no picture")] {
        admin
            .form(&format!("{target}/images"), &[], Some(("file", name, bytes)))
            .detail(400);
    }
    let large = [PNG, &vec![0; 10 << 20]].concat();
    admin
        .form(&format!("{target}/images"), &[], Some(("file", "a.png", &large)))
        .detail(400);

    let mut text = |body: Value| admin.post(&format!("{target}/texts"), &body);
    let later = text(json!({"title": "b", "sort_order": 1})).json(200);
    let sooner = text(json!({"title": "标".repeat(64), "content": "x"})).json(200);
    assert_shape(&later, TEXT);
    assert_eq!(
        (&later["content"], &sooner["sort_order"]),
        (&Value::Null, &json!(0))
    );
    for wrong in [
        json!({"title": ""}),
        json!({"title": "x".repeat(65)}),
        json!({"content": "x"}),
        json!({"title": "x", "sort_order": -1}),
    ] {
        text(wrong).detail(422);
    }
    let listed = assert_all(&visitor.get(&format!("{target}/texts")).json(200), TEXT);
    assert_eq!(
        (&listed[0]["id"], &listed[1]["id"]),
        (&sooner["id"], &later["id"])
    );
    let one = format!("{target}/texts/{}", sooner["id"]);
    let changed = admin.put(&one, &json!({"title": "c", "sort_order": 5})).json(200);
    assert_eq!(
        (&changed["title"], &changed["content"], &changed["sort_order"]),
        (&json!("c"), &json!("x"), &json!(5))
    );
    for field in ["title", "sort_order"] {
        admin.put(&one, &json!({field: null})).detail(422);
    }
    admin.delete(&one).empty(204);
    assert_eq!(admin.put(&one, &json!({})).detail(404), "Text not found");

    let mut link = |url: &str| admin.post(&format!("{target}/links"), &json!({"title": "l", "url": url}));
    assert_shape(&link("https://example.com/a?b=c#d").json(200), LINK);
    for url in [
        "http://localhost:3000",
        "http://192.0.2.1/x",
        "HTTPS://例子.中国/",
    ] {
        link(url).json(200);
    }
    let long = format!("https://example.com/{}", "x".repeat(500));
    for url in [
        "",
        "example.com",
        "//example.com",
        "ftp://example.com",
        "javascript:alert(1)",
        "JaVaScRiPt://example.com/%0aalert(1)",
        "data:text/html,x",
        &long,
    ] {
        link(url).detail(422);
    }
    let listed = assert_all(&visitor.get(&format!("{target}/links")).json(200), LINK);
    assert_eq!(listed.len(), 4);
    let one = format!("{target}/links/{}", listed[1]["id"]);
    let changed = admin
        .put(&one, &json!({"url": "https://example.org/new", "sort_order": 7}))
        .json(200);
    assert_shape(&changed, LINK);
    assert_eq!(
        (&changed["title"], &changed["url"], &changed["sort_order"]),
        (&json!("l"), &json!("https://example.org/new"), &json!(7)),
        "what is left out stays"
    );
    admin.put(&one, &json!({"title": "链接"})).json(200);
    let moved = visitor.get(&format!("{target}/links")).json(200)[3].clone();
    assert_eq!(
        (&moved["id"], &moved["title"], &moved["url"]),
        (
            &listed[1]["id"],
            &json!("链接"),
            &json!("https://example.org/new")
        )
    );
    for (field, value) in [
        ("url", json!("javascript:alert(1)")),
        ("url", Value::Null),
        ("title", json!("")),
        ("title", Value::Null),
        ("sort_order", json!(-1)),
    ] {
        let refused = admin.put(&one, &json!({field: value})).json(422);
        assert_eq!(refused["errors"][0]["loc"], json!(["body", field]), "{value}");
    }
    let missing = admin.put(&format!("{target}/links/99"), &json!({}));
    assert_eq!(missing.detail(404), "Link not found");
    let elsewhere = one.replace(&target, "/api/videos/99");
    assert_eq!(admin.put(&elsewhere, &json!({})).detail(404), "Video not found");
    visitor.put(&one, &json!({"title": "x"})).detail(401);
    for (kind, id, says) in [
        ("images", &first["id"], "Image not found"),
        ("links", &listed[0]["id"], "Link not found"),
    ] {
        let one = format!("{target}/{kind}/{id}");
        admin.delete(&one).empty(204);
        assert_eq!(admin.delete(&one).detail(404), says);
    }
    assert_eq!(visitor.get(&url).status, 404);
    for kind in ["images", "texts", "links"] {
        let path = format!("/api/videos/99/{kind}");
        assert_eq!(visitor.get(&path).detail(404), "Video not found");
    }
}

#[test]
fn sound_and_spans_are_made_behind_the_answer() {
    let server = Server::start();
    let mut admin = server.admin();
    let id = admin.upload(&media("av_h264_aac_faststart.mp4"), &json!({"title": "讲座"}))["video_id"].clone();
    let target = format!("/api/videos/{id}");
    let uploaded = admin.upload(&media("audio_mp3.mp3"), &json!({"title": "song"}));
    const TASK: &str = "id:int video_id:int status:str output_path:str? format:str bitrate:str created_at:date completed_at:date?";
    const INFO: &str = "video_id:int has_audio:bool task:obj? download_url:str? file_size:int?";
    // Of sound the file itself is the answer, also where the play page always asks.
    let sound = format!("/api/videos/{}", uploaded["video_id"]);
    let info = admin.get(&format!("{sound}/audio")).json(200);
    assert_shape(&info, INFO);
    assert_eq!(
        (&info["has_audio"], &info["task"], info["download_url"].as_str()),
        (
            &json!(true),
            &Value::Null,
            Some(format!("/audio/{}", uploaded["file_path"].as_str().expect("a name")).as_str())
        )
    );
    let bytes = std::fs::read(media("audio_mp3.mp3")).expect("a file");
    assert!(admin.get(&format!("{sound}/audio/download")).body == bytes);

    let info = admin.get(&format!("{target}/audio")).json(200);
    assert_eq!(
        info,
        json!({"video_id": id, "has_audio": false, "task": null, "download_url": null, "file_size": null})
    );
    assert_eq!(
        admin.get(&format!("{target}/audio/download")).detail(404),
        "Audio not available"
    );
    for wrong in [
        json!({"bitrate": "fast"}),
        json!({"bitrate": "1k"}),
        json!({"format": "exe"}),
        json!({"bitrate": "128k; rm -rf /"}),
    ] {
        admin.post(&format!("{target}/extract-audio"), &wrong).detail(422);
    }
    assert_eq!(
        admin.push("/api/videos/99/extract-audio").detail(400),
        "Video not found"
    );
    let mut answers = Vec::new();
    for _ in 0..2 {
        answers.push(admin.push(&format!("{target}/extract-audio")));
    }
    let task = answers[0].json(200);
    assert_shape(&task, TASK);
    assert_eq!(task["status"], "pending");
    // The second one came while the first was being made, or after.
    if answers[1].status != 200 {
        assert_eq!(
            answers[1].detail(400),
            "Audio extraction already in progress for this video"
        );
    }
    let info = admin.until(&format!("{target}/audio"), SOON, |info| {
        info["task"]["status"] == "completed"
    });
    assert_shape(&info, INFO);
    assert_shape(&info["task"], TASK);
    let again = admin
        .post(
            &format!("{target}/extract-audio"),
            &json!({"format": "mp3", "bitrate": "64k"}),
        )
        .json(200);
    assert_eq!(
        (&again["id"], &again["status"]),
        (&task["id"], &json!("completed")),
        "what was made is taken"
    );
    let part = admin.ask(
        "GET",
        &format!("{target}/audio/download"),
        &["Range: bytes=0-2"],
        None,
    );
    assert_eq!(part.status, 206);
    let saved = part.header("content-disposition").expect("a name");
    assert!(
        saved.starts_with("attachment; ") && saved.ends_with("filename*=utf-8''%E8%AE%B2%E5%BA%A7.mp3"),
        "{saved}"
    );

    const TRIM: &str = "id:int video_id:int status:str start_time:int end_time:int extract_audio:bool keep_original:bool \
                        audio_bitrate:str trimmed_video_path:str? extracted_audio_path:str? created_at:date completed_at:date? \
                        error_message:str?";
    let path = format!("{target}/trim");
    let mut trim = |body: Value| admin.post(&path, &body);
    for (span, says) in [
        (
            json!({"start_time": 5, "end_time": 5}),
            "End time must be greater than start time",
        ),
        (
            json!({"start_time": 0, "end_time": 99}),
            "End time exceeds video duration (20s)",
        ),
    ] {
        assert_eq!(trim(span).detail(400), says);
    }
    for wrong in [
        json!({"start_time": -1, "end_time": 5}),
        json!({"start_time": 0, "end_time": 0}),
        json!({"start_time": 0}),
        json!({"start_time": "x", "end_time": 5}),
        json!({"start_time": 0, "end_time": 5, "audio_bitrate": "x"}),
    ] {
        trim(wrong).detail(422);
    }
    assert_eq!(
        admin
            .post("/api/videos/99/trim", &json!({"start_time": 0, "end_time": 5}))
            .detail(400),
        "Video not found"
    );
    let sound = admin.upload(&media("audio_aac.m4a"), &json!({"title": "Sound"}))["video_id"].clone();
    let span = json!({"start_time": 0, "end_time": 2, "virtual": true});
    assert!(
        admin
            .post(&format!("/api/videos/{sound}/trim"), &span)
            .detail(400)
            .starts_with("A span of a sound is a file of its own"),
    );
    let span = json!({"start_time": 2, "end_time": 8, "extract_audio": true, "keep_original": false});
    let task = admin.post(&path, &span).json(200);
    assert_shape(&task, TRIM);
    assert_eq!(
        (&task["status"], &task["audio_bitrate"], &task["completed_at"]),
        (&json!("pending"), &json!("128k"), &Value::Null)
    );
    let one = format!("/api/videos/trim/tasks/{}", task["id"]);
    let done = admin.until(&one, SOON, |task| {
        !["pending", "processing"].contains(&task["status"].as_str().unwrap_or_default())
    });
    assert_shape(&done, TRIM);
    assert_eq!(
        (&done["status"], &done["error_message"]),
        (&json!("completed"), &Value::Null)
    );
    let listed = assert_all(&admin.get(&format!("{path}/tasks")).json(200), TRIM);
    assert_eq!(listed.len(), 1);
    assert_eq!(admin.get("/api/videos/99/trim/tasks").json(200), json!([]));
    let cut = admin.get(&target).json(200);
    assert_eq!((&cut["duration"], &cut["status"]), (&json!(6), &json!("pending")));
    let stream = admin.get(&format!("{target}/stream"));
    assert_eq!(
        cut["file_size"],
        stream.body.len(),
        "its size is that of the new file"
    );
    let info = admin.get(&format!("{target}/audio")).json(200);
    assert_eq!(
        info["has_audio"], true,
        "the sound that was asked for is offered: {info}"
    );
    for missing in [admin.delete(&one), admin.delete("/api/videos/trim/tasks/999")] {
        assert_eq!(
            missing.detail(400),
            "Task cannot be cancelled (not found or not processing)"
        );
    }
    assert_eq!(
        admin.get("/api/videos/trim/tasks/999").detail(404),
        "Trim task not found"
    );
}
