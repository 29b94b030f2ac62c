//! Uploads, sound, spans and jobs as a client has them.

use std::time::Duration;

use axum::body::Body;
use http::{Method, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::*;
use crate::config::{Config, Origin, Values};
use crate::service::jobs::WORKERS;

/// A server without a socket, and an administrator who is signed in.
struct Client {
    app: Arc<App>,
    router: Router,
    token: String,
    stop: watch::Sender<bool>,
    _data: tempfile::TempDir,
}

/// What came back.
struct Answer {
    status: u16,
    headers: http::HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn detail(&self) -> String {
        self.json()["detail"].as_str().unwrap_or_default().to_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Client {
    async fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut values = Values::defaults();
        let folder = data.path().to_string_lossy().into_owned();
        values.set("data_dir", folder, Origin::Flag);
        values.set("min_free_space", "0".to_owned(), Origin::Flag);
        let (stop, stopping) = watch::channel(false);
        let app = App::build(
            Config::of(&values).unwrap(),
            Arc::new(log::Ring::new(1 << 20)),
            stopping.clone(),
        )
        .await
        .unwrap();
        tokio::spawn(app.jobs.clone().run(WORKERS, stopping));
        let home = crate::service::auth::Device::new([127, 0, 0, 1].into(), None);
        let token = app.auth.sign_in("admin", "admin123", &home).await.unwrap().text;
        Self {
            router: router(Arc::clone(&app)),
            app,
            token,
            stop,
            _data: data,
        }
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::from(body)).unwrap();
        request.extensions_mut().insert(Peer(([127, 0, 0, 1], 1).into()));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes().to_vec(),
        }
    }

    /// As the administrator.
    async fn admin(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend_from_slice(headers);
        self.ask(method, path, &all, body).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.admin(Method::GET, path, &[], Vec::new()).await
    }

    async fn post(&self, path: &str, body: Option<Value>) -> Answer {
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        self.admin(Method::POST, path, &[("content-type", "application/json")], body)
            .await
    }

    async fn chunk(&self, id: &str, parts: &[(&str, &[u8])]) -> Answer {
        let mut body = Vec::new();
        for (name, bytes) in parts {
            let file = if *name == "chunk" {
                "; filename=\"blob\""
            } else {
                ""
            };
            let head = format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--edge--\r\n");
        let kind = [("content-type", "multipart/form-data; boundary=edge")];
        let path = format!("/api/upload/{id}/chunk");
        self.admin(Method::POST, &path, &kind, body).await
    }

    /// Uploads a fixture in one chunk; the video.
    async fn upload(&self, name: &str) -> i64 {
        let bytes = fixture(name);
        let asked = json!({"filename": name, "file_size": bytes.len(), "chunk_size": 64 << 20});
        let begun = self.post("/api/upload/init", Some(asked)).await;
        let id = begun.json()["task_id"].as_str().unwrap().to_owned();
        let sent = self.chunk(&id, &[("chunk_index", b"0"), ("chunk", &bytes)]).await;
        assert_eq!(
            sent.json(),
            json!({"chunk_index": 0, "uploaded_chunks": 1, "total_chunks": 1})
        );
        let done = self.post(&format!("/api/upload/{id}/complete"), None).await;
        assert_eq!(done.json()["message"], "Upload completed", "{}", done.detail());
        self.quiet().await;
        done.json()["video_id"].as_i64().unwrap()
    }

    /// Waits until no job is open.
    async fn quiet(&self) {
        for _ in 0..400 {
            let jobs = self.get("/api/jobs").await.json();
            let open = |job: &Value| {
                let due = job["kind"] != "purge";
                due && (job["status"] == "pending" || job["status"] == "processing")
            };
            if !jobs.as_array().unwrap().iter().any(open) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("jobs do not end");
    }
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/media");
    std::fs::read(format!("{folder}/{name}")).unwrap()
}

#[tokio::test]
async fn a_file_in_chunks_becomes_a_video() {
    let client = Client::new().await;
    let bytes = fixture("av_h264_aac_faststart.mp4");
    let asked = json!({"filename": "课.mp4", "file_size": bytes.len(), "chunk_size": 1 << 20});
    let nobody = client
        .ask(
            Method::POST,
            "/api/upload/init",
            &[],
            asked.to_string().into_bytes(),
        )
        .await;
    assert_eq!(nobody.status, 401);
    let begun = client.post("/api/upload/init", Some(asked)).await.json();
    assert_eq!(
        (&begun["chunk_size"], &begun["total_chunks"]),
        (&json!(1 << 20), &json!(2))
    );
    let id = begun["task_id"].as_str().unwrap();
    assert_eq!(id.len(), 36);
    let (first, second) = bytes.split_at(1 << 20);
    // The number may stand behind the bytes.
    let sent = client
        .chunk(id, &[("chunk", second), ("chunk_index", b"1")])
        .await;
    assert_eq!(
        (sent.status, sent.json()["uploaded_chunks"].clone()),
        (200, json!(1)),
        "{}",
        sent.detail()
    );
    let missing = client.post(&format!("/api/upload/{id}/complete"), None).await;
    assert_eq!(
        (missing.status, missing.detail().as_str()),
        (400, "Missing chunks. Uploaded: 1, Expected: 2")
    );
    for (parts, status) in [
        (vec![("chunk_index", b"0".as_slice())], 422),
        (vec![("chunk", first)], 422),
        (vec![("chunk_index", b"x"), ("chunk", first)], 422),
        (vec![("chunk_index", b"2"), ("chunk", first)], 400),
        (vec![("chunk_index", b"0"), ("chunk", second)], 400),
        (vec![("chunk_index", b"1"), ("chunk", first)], 400),
    ] {
        let answer = client.chunk(id, &parts).await;
        assert_eq!(answer.status, status, "{}", answer.detail());
    }
    let sent = client.chunk(id, &[("chunk_index", b"0"), ("chunk", first)]).await;
    assert_eq!(sent.status, 200);
    let sent = client
        .chunk(id, &[("chunk_index", b"1"), ("chunk", second)])
        .await;
    assert_eq!(sent.json()["uploaded_chunks"], 2);
    let status = client.get(&format!("/api/upload/{id}/status")).await.json();
    assert_eq!(
        (&status["status"], &status["uploaded_chunk_indices"]),
        (&json!("uploading"), &json!([0, 1]))
    );
    let path = format!("/api/upload/{id}/complete");
    let wrong = client.post(&path, Some(json!({"category_id": 99}))).await;
    assert_eq!(
        (wrong.status, wrong.detail().as_str()),
        (400, "Category not found")
    );
    let wrong = client.post(&path, Some(json!({"tag_ids": [99]}))).await;
    assert_eq!(
        (wrong.status, wrong.detail().as_str()),
        (400, "Some tags not found")
    );
    let done = client.post(&path, Some(json!({"title": null}))).await;
    assert_eq!(
        (done.status, &done.json()["title"]),
        (200, &json!("课")),
        "{}",
        done.detail()
    );
    let late = client.chunk(id, &[("chunk_index", b"0"), ("chunk", first)]).await;
    assert_eq!(
        (late.status, late.detail().as_str()),
        (400, "Upload task is UploadStatus.completed")
    );
    let none = client
        .chunk("none", &[("chunk_index", b"0"), ("chunk", first)])
        .await;
    assert_eq!(
        (none.status, none.detail().as_str()),
        (404, "Upload task not found")
    );
    let gone = client
        .admin(Method::DELETE, &format!("/api/upload/{id}"), &[], Vec::new())
        .await;
    assert_eq!(gone.status, 204);
    assert_eq!(client.get(&format!("/api/upload/{id}/status")).await.status, 404);
    client.stop.send_replace(true);
}

#[tokio::test]
async fn the_sound_of_a_video_is_made_once_and_downloaded() {
    let client = Client::new().await;
    let id = client.upload("av_h264_aac_faststart.mp4").await;
    let path = format!("/api/videos/{id}/extract-audio");
    for wrong in [
        json!({"format": "exe"}),
        json!({"bitrate": "fast"}),
        json!({"bitrate": "2k"}),
    ] {
        assert_eq!(client.post(&path, Some(wrong)).await.status, 422);
    }
    let none = client.post("/api/videos/99/extract-audio", None).await;
    assert_eq!((none.status, none.detail().as_str()), (400, "Video not found"));
    let (one, two) = tokio::join!(client.post(&path, None), client.post(&path, None));
    let (good, bad) = if one.status == 200 { (one, two) } else { (two, one) };
    assert_eq!(
        (&good.json()["status"], &good.json()["format"]),
        (&json!("pending"), &json!("mp3"))
    );
    assert_eq!(
        (bad.status, bad.detail().as_str()),
        (400, "Audio extraction already in progress for this video")
    );
    client.quiet().await;
    let again = client.post(&path, None).await.json();
    assert_eq!(
        (&again["id"], &again["status"]),
        (&good.json()["id"], &json!("completed"))
    );
    let info = client.get(&format!("/api/videos/{id}/audio")).await.json();
    assert_eq!(info["has_audio"], true);
    let url = info["download_url"].as_str().unwrap();
    assert_eq!(url, format!("/api/videos/{id}/audio/download"));
    let file = client.get(url).await;
    assert_eq!((file.status, file.header("content-type")), (200, "audio/mpeg"));
    assert_eq!(file.body.len() as u64, info["file_size"].as_u64().unwrap());
    let part = client
        .admin(Method::GET, url, &[("range", "bytes=0-9")], Vec::new())
        .await;
    assert_eq!((part.status, part.body.len()), (206, 10));
    for path in [url.to_owned(), format!("/api/videos/{id}/audio")] {
        let nobody = client.ask(Method::GET, &path, &[], Vec::new()).await;
        assert_eq!(nobody.status, 403, "not published, and never 401");
    }
    assert_eq!(client.get("/api/videos/99/audio").await.status, 404);

    let sound = client.upload("audio_mp3.mp3").await;
    let info = client.get(&format!("/api/videos/{sound}/audio")).await.json();
    assert_eq!((&info["has_audio"], &info["task"]), (&json!(true), &Value::Null));
    assert!(info["download_url"].as_str().unwrap().starts_with("/audio/"));
    let file = client.get(&format!("/api/videos/{sound}/audio/download")).await;
    assert_eq!(file.body, fixture("audio_mp3.mp3"));
    client.stop.send_replace(true);
}

#[tokio::test]
async fn a_span_is_cut_and_its_task_told() {
    let client = Client::new().await;
    let id = client.upload("av_h264_aac_faststart.mp4").await;
    let path = format!("/api/videos/{id}/trim");
    let ask = async |start: f64, end: f64| {
        let answer = client
            .post(&path, Some(json!({"start_time": start, "end_time": end})))
            .await;
        (answer.status, answer.detail())
    };
    assert_eq!(
        ask(5.0, 5.0).await,
        (400, "End time must be greater than start time".to_owned())
    );
    let (status, text) = ask(0.0, 9999.0).await;
    assert!(
        status == 400 && text.starts_with("End time exceeds video duration ("),
        "{text}"
    );
    assert_eq!(ask(-1.0, 5.0).await.0, 422);
    assert_eq!(ask(0.0, 0.0).await.0, 422);
    let none = client
        .post(
            "/api/videos/99/trim",
            Some(json!({"start_time": 0, "end_time": 1})),
        )
        .await;
    assert_eq!((none.status, none.detail().as_str()), (400, "Video not found"));
    let asked = json!({"start_time": 1, "end_time": 3, "extract_audio": true});
    let begun = client.post(&path, Some(asked)).await.json();
    assert_eq!(begun["start_time"].to_string(), "1");
    client.quiet().await;
    let task = client
        .get(&format!("/api/videos/trim/tasks/{}", begun["id"]))
        .await
        .json();
    assert_eq!(
        (&task["status"], &task["error_message"]),
        (&json!("completed"), &Value::Null)
    );
    let video = client.app.store.video(id).await.unwrap().unwrap();
    assert_eq!(video.duration_us, Some(2_000_000));
    assert_eq!(task["trimmed_video_path"], video.file_name);
    let info = client.get(&format!("/api/videos/{id}/audio")).await.json();
    assert_eq!(info["has_audio"], true, "the sound of the span is offered");
    let tasks = client.get(&format!("/api/videos/{id}/trim/tasks")).await.json();
    assert_eq!(tasks.as_array().unwrap().len(), 1);
    assert_eq!(client.get("/api/videos/99/trim/tasks").await.json(), json!([]));
    let none = client.get("/api/videos/trim/tasks/99").await;
    assert_eq!(
        (none.status, none.detail().as_str()),
        (404, "Trim task not found")
    );
    let over = client
        .admin(
            Method::DELETE,
            &format!("/api/videos/trim/tasks/{}", begun["id"]),
            &[],
            Vec::new(),
        )
        .await;
    assert_eq!(
        (over.status, over.detail().as_str()),
        (400, "Task cannot be cancelled (not found or not processing)")
    );
    client.stop.send_replace(true);
}

#[tokio::test]
async fn tus_is_spoken_as_its_specification_says() {
    let client = Client::new().await;
    let bytes = fixture("av_h264_aac.ts");
    let length = bytes.len().to_string();
    let version = ("tus-resumable", "1.0.0");
    let octets = ("content-type", "application/offset+octet-stream");
    let spoken = client.ask(Method::OPTIONS, "/api/tus", &[], Vec::new()).await;
    assert_eq!((spoken.status, spoken.header("tus-version")), (204, "1.0.0"));
    let name = ("upload-metadata", "filename YS50cw==,title VHVz");
    let begin =
        async |headers: &[(&str, &str)]| client.admin(Method::POST, "/api/tus", headers, Vec::new()).await;
    assert_eq!(begin(&[("upload-length", &length), name]).await.status, 412);
    assert_eq!(begin(&[version, name]).await.status, 400);
    assert_eq!(
        begin(&[version, ("upload-length", "99999999999999"), name])
            .await
            .status,
        413
    );
    let begun = begin(&[version, ("upload-length", &length), name]).await;
    assert_eq!(begun.status, 201);
    let path = begun.header("location").to_owned();
    let send = async |offset: &str, more: &[(&str, &str)], body: &[u8]| {
        let mut headers = vec![version, octets, ("upload-offset", offset)];
        headers.extend_from_slice(more);
        client.admin(Method::PATCH, &path, &headers, body.to_vec()).await
    };
    let other = [version, ("upload-offset", "0"), ("content-type", "text/plain")];
    assert_eq!(
        client
            .admin(Method::PATCH, &path, &other, Vec::new())
            .await
            .status,
        415
    );
    let half = bytes.len() / 2;
    let sent = send("0", &[], &bytes[..half]).await;
    assert_eq!(
        (sent.status, sent.header("upload-offset")),
        (204, half.to_string().as_str())
    );
    assert_eq!(send("7", &[], b"x").await.status, 409);
    let wrong = [("upload-checksum", "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=")];
    assert_eq!(send(&half.to_string(), &wrong, b"x").await.status, 460);
    assert_eq!(
        send(&half.to_string(), &[("upload-checksum", "md5 x")], b"x")
            .await
            .status,
        400
    );
    let head = client.admin(Method::HEAD, &path, &[version], Vec::new()).await;
    assert_eq!(head.header("upload-offset"), half.to_string());
    assert_eq!(
        (head.header("upload-length"), head.header("cache-control")),
        (length.as_str(), "no-store")
    );
    assert_eq!(head.header("upload-metadata"), name.1);
    let last = send(&half.to_string(), &[], &bytes[half..]).await;
    assert_eq!(
        (last.status, last.header("upload-offset")),
        (204, length.as_str())
    );
    let video: i64 = last.header("upload-video-id").parse().unwrap();
    client.quiet().await;
    let video = client.app.store.video(video).await.unwrap().unwrap();
    assert_eq!(video.title, "Tus");
    assert!(video.file_name.ends_with(".mp4"));
    let gone = client.admin(Method::DELETE, &path, &[version], Vec::new()).await;
    assert_eq!(gone.status, 204);
    assert_eq!(
        client
            .admin(Method::HEAD, &path, &[version], Vec::new())
            .await
            .status,
        404
    );
    client.stop.send_replace(true);
}

#[tokio::test]
async fn jobs_are_listed_and_taken_back() {
    let client = Client::new().await;
    client.upload("av_h264_aac_faststart.mp4").await;
    let done = client.get("/api/jobs?status=completed").await.json();
    assert_eq!(done[0]["kind"], "thumbnail");
    assert_eq!(client.get("/api/jobs?status=odd").await.status, 422);
    assert_eq!(
        client.ask(Method::GET, "/api/jobs", &[], Vec::new()).await.status,
        401
    );
    let over = client
        .post(&format!("/api/jobs/{}/cancel", done[0]["id"]), None)
        .await;
    assert_eq!(over.status, 400);
    assert_eq!(client.post("/api/jobs/99/retry", None).await.status, 404);
    client.stop.send_replace(true);
}
