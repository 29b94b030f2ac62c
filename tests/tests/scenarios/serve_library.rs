//! The life of an uploaded video: checked, published, played, cut, and deleted.

use std::time::Duration;

use mediastack_tests::fixtures::media;
use mediastack_tests::server::Server;
use serde_json::json;

use super::hls_samples::{copied, packets};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn an_upload_becomes_a_video_that_plays() {
    let server = Server::start();
    let mut admin = server.admin();
    let tag = admin.post("/api/tags", &json!({"name": "talk"})).json(201)["id"].clone();
    let source = media("av_h264_aac_faststart.mp4");
    let done = admin.upload(&source, &json!({"title": "On bees", "tag_ids": [tag]}));
    assert_eq!(done["message"], "Upload completed");
    let id = done["video_id"].clone();
    let listed = admin.get("/api/videos").json(200);
    let video = &listed[0];
    assert_eq!(
        (&video["id"], &video["title"], &video["status"]),
        (&id, &json!("On bees"), &json!("pending"))
    );
    assert_eq!(
        (&video["source_type"], &video["file_type"], &video["duration"]),
        (&json!("uploaded"), &json!("video"), &json!(20))
    );
    assert_eq!(video["tags"], json!([{"id": tag, "name": "talk"}]));
    assert_eq!(
        video["file_size"],
        std::fs::metadata(&source).expect("a file").len()
    );
    assert!(
        !video["file_path"].as_str().expect("a text").contains('/'),
        "no folder of the server: {video}"
    );
    let target = format!("/api/videos/{id}");
    let ready = admin.until(&target, SOON, |video| video["thumbnail"].is_string());
    let picture = server.url(ready["thumbnail"].as_str().expect("a path"));
    admin.push(&format!("{target}/publish")).json(200);
    assert_eq!(
        admin.get(ready["thumbnail"].as_str().expect("a path")).body[..2],
        [0xFF, 0xD8],
        "{picture}"
    );

    let mut visitor = server.visitor();
    let path = visitor.get(&format!("{target}/play")).json(200)["hls_url"]
        .as_str()
        .expect("a path")
        .to_owned();
    let joined = copied(&server.url(&path), &server.data());
    assert!(
        packets(&joined, "v", true) == packets(&source, "v", true),
        "every packet, once and in order"
    );
    let stream = visitor.ask("GET", &format!("{target}/stream"), &["Range: bytes=4-7"], None);
    assert_eq!((stream.status, &*stream.body), (206, b"ftyp".as_slice()));
    assert_eq!(visitor.push(&format!("{target}/view")).json(200)["view_count"], 1);
    assert_eq!(visitor.push(&format!("{target}/view")).json(200)["view_count"], 2);

    admin.delete(&target).empty(204);
    assert_eq!(visitor.get(&path).status, 404, "in the trash");
    assert_eq!(admin.get("/api/videos").json(200), json!([]));
    let binned = admin.get("/api/videos/trash").json(200)[0]["thumbnail"].clone();
    let binned = binned.as_str().expect("a path").to_owned();
    let shown = admin.get(&binned);
    assert_eq!(
        (shown.status, shown.header("cache-control")),
        (200, Some("private, max-age=3600")),
        "administrators see what they may take out again"
    );
    assert_eq!(visitor.get(&binned).status, 404, "and nobody else");
    admin.push(&format!("{target}/restore")).json(200);
    assert_eq!(visitor.get(&path).status, 200, "and back");
}

#[test]
fn what_is_no_media_is_refused_whatever_its_name() {
    let server = Server::start();
    let mut admin = server.admin();
    let page = b"<html><body>not a film</body></html>";
    let init = json!({"filename": "film.mp4", "file_size": page.len()});
    let init = admin.post("/api/upload/init", &init).json(200);
    assert_eq!(
        (&init["chunk_size"], &init["total_chunks"]),
        (&json!(5_242_880), &json!(1))
    );
    let task = format!("/api/upload/{}", init["task_id"].as_str().expect("an id"));
    assert_eq!(
        admin.push(&format!("{task}/complete")).detail(400),
        "Missing chunks. Uploaded: 0, Expected: 1"
    );
    let wrong = admin.form(
        &format!("{task}/chunk"),
        &[("chunk_index", "1")],
        Some(("chunk", "b", page)),
    );
    assert_eq!(wrong.detail(400), "Invalid chunk index. Must be 0-0");
    admin
        .form(
            &format!("{task}/chunk"),
            &[("chunk_index", "0")],
            Some(("chunk", "b", page)),
        )
        .json(200);
    let status = admin.get(&format!("{task}/status")).json(200);
    assert_eq!(status["uploaded_chunk_indices"], json!([0]));
    assert_eq!(admin.push(&format!("{task}/complete")).status, 400);
    assert_eq!(admin.get("/api/videos").json(200), json!([]));
    assert_eq!(
        admin
            .post("/api/upload/init", &json!({"filename": "x.exe", "file_size": 1}))
            .status,
        400
    );
    assert_eq!(
        admin
            .post("/api/upload/init", &json!({"filename": "x.mp4", "file_size": 0}))
            .status,
        422
    );
    assert_eq!(
        admin
            .get("/api/upload/00000000-0000-4000-8000-000000000000/status")
            .detail(404),
        "Upload task not found"
    );
}

#[test]
fn sound_is_extracted_and_spans_are_cut() {
    let server = Server::start();
    let mut admin = server.admin();
    let id = admin.upload(&media("av_h264_aac_faststart.mp4"), &json!({"title": "Bees"}))["video_id"].clone();
    let target = format!("/api/videos/{id}");
    assert_eq!(
        admin.get(&format!("{target}/audio")).json(200)["has_audio"],
        false
    );
    assert_eq!(
        admin.get(&format!("{target}/audio/download")).detail(404),
        "Audio not available"
    );
    let task = admin.push(&format!("{target}/extract-audio")).json(200);
    assert_eq!(
        (&task["video_id"], &task["format"], &task["bitrate"]),
        (&id, &json!("mp3"), &json!("128k"))
    );
    let info = admin.until(&format!("{target}/audio"), SOON, |info| {
        info["task"]["status"] == "completed"
    });
    assert_eq!(
        (&info["has_audio"], &info["download_url"]),
        (&json!(true), &json!(format!("{target}/audio/download")))
    );
    let sound = admin.get(&format!("{target}/audio/download"));
    assert!(
        sound
            .header("content-disposition")
            .is_some_and(|value| value.contains("Bees.mp3")),
        "{:?}",
        sound.headers
    );
    assert_eq!(info["file_size"], sound.body.len());

    assert_eq!(
        admin
            .post(
                &format!("{target}/trim"),
                &json!({"start_time": 5, "end_time": 5})
            )
            .detail(400),
        "End time must be greater than start time"
    );
    let beyond = admin
        .post(
            &format!("{target}/trim"),
            &json!({"start_time": 5, "end_time": 100}),
        )
        .detail(400);
    assert!(beyond.starts_with("End time exceeds video duration"), "{beyond}");
    let task = admin
        .post(
            &format!("{target}/trim"),
            &json!({"start_time": 5, "end_time": 10, "keep_original": true}),
        )
        .json(200);
    let task = format!("/api/videos/trim/tasks/{}", task["id"]);
    let done = admin.until(&task, SOON, |task| {
        task["status"] != "pending" && task["status"] != "processing"
    });
    assert_eq!(
        (&done["status"], &done["error_message"]),
        (&json!("completed"), &json!(null))
    );
    let all = admin.get("/api/videos").json(200);
    assert_eq!(
        (
            all.as_array().map(Vec::len),
            &all[0]["duration"],
            &all[1]["duration"]
        ),
        (Some(2), &json!(5), &json!(20))
    );
    let task = admin
        .post(
            &format!("{target}/trim"),
            &json!({"start_time": 2, "end_time": 8}),
        )
        .json(200);
    let task = format!("/api/videos/trim/tasks/{}", task["id"]);
    admin.until(&task, SOON, |task| task["status"] == "completed");
    let cut = admin.get(&target).json(200);
    assert_eq!((&cut["duration"], &cut["status"]), (&json!(6), &json!("pending")));
    assert_eq!(
        admin.get("/api/videos/trim/tasks/999").detail(404),
        "Trim task not found"
    );
}

#[test]
fn pictures_texts_and_links_belong_to_a_video() {
    let server = Server::start();
    let mut admin = server.admin();
    let id = admin.upload(&media("av_h264_aac_faststart.mp4"), &json!({}))["video_id"].clone();
    let target = format!("/api/videos/{id}");
    assert_eq!(
        admin.get(&target).json(200)["title"],
        "av_h264_aac_faststart",
        "the file's name without its extension"
    );
    admin.push(&format!("{target}/publish")).json(200);
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";
    let image = admin
        .form(&format!("{target}/images"), &[], Some(("file", "a.png", png)))
        .json(200);
    let url = image["image_url"].as_str().expect("a path").to_owned();
    assert!(url.starts_with("/api/images/"), "{url}");
    let mut visitor = server.visitor();
    assert_eq!(visitor.get(&url).body, png, "an <img> sends no header");
    let wrong = admin.form(
        &format!("{target}/images"),
        &[],
        Some(("file", "a.png", b"<svg onload=alert(1)>")),
    );
    assert_eq!(wrong.status, 400);
    let text = admin
        .post(
            &format!("{target}/texts"),
            &json!({"title": "Notes", "content": "…"}),
        )
        .json(200);
    let changed = admin
        .put(
            &format!("{target}/texts/{}", text["id"]),
            &json!({"content": null}),
        )
        .json(200);
    assert_eq!(
        (&changed["title"], &changed["content"]),
        (&json!("Notes"), &json!(null))
    );
    assert_eq!(
        admin
            .post(
                &format!("{target}/links"),
                &json!({"title": "a", "url": "javascript:alert(1)"})
            )
            .status,
        422
    );
    let link = admin
        .post(
            &format!("{target}/links"),
            &json!({"title": "a", "url": "https://example.com/x"}),
        )
        .json(200);
    assert_eq!(
        visitor
            .get(&format!("{target}/links"))
            .json(200)
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    admin.delete(&format!("{target}/links/{}", link["id"])).empty(204);
    assert_eq!(
        admin.delete(&format!("{target}/texts/99")).detail(404),
        "Text not found"
    );
    assert_eq!(visitor.get("/api/videos/99/texts").detail(404), "Video not found");
}
