//! The library as existing UIs use it: lists, reviews, batches, and where a video plays.

use std::time::Duration;

use mediastack_tests::fixtures::media;
use mediastack_tests::server::{Api, Server};
use mediastack_tests::shape::{assert_all, assert_shape};
use serde_json::{Value, json};

const VIDEO: &str = "id:int task_id:int? category_id:int? title:str description:str? file_path:str file_size:int? duration:int? \
                     thumbnail:str? view_count:int source_type:str file_type:str status:str reviewed_at:date? reviewed_by:int? \
                     created_at:date category:obj? tags:arr";

fn ids(list: &Value) -> Vec<i64> {
    let all = list.as_array().expect("a bare array").iter();
    all.filter_map(|one| one["id"].as_i64()).collect()
}

/// Three of sound, as they are small: titles, category and tags.
fn library(admin: &mut Api) -> (Vec<i64>, i64, [i64; 2]) {
    let category = admin.post("/api/categories", &json!({"name": "c"})).json(201)["id"].clone();
    let mut tag = |name: &str| admin.post("/api/tags", &json!({"name": name})).json(201)["id"].clone();
    let tags = [tag("x"), tag("y")];
    let about = [
        json!({"title": "On Bees"}),
        json!({"title": "100% honey_", "category_id": category, "tag_ids": [tags[0]]}),
        json!({"title": "蜜蜂", "category_id": category, "tag_ids": [tags[1], tags[0]]}),
    ];
    let made = about.iter().map(|about| {
        let done = admin.upload(&media("audio_aac.m4a"), about);
        done["video_id"].as_i64().expect("a number")
    });
    let number = |value: &Value| value.as_i64().expect("a number");
    (
        made.collect(),
        number(&category),
        [number(&tags[0]), number(&tags[1])],
    )
}

#[test]
fn lists_are_bare_newest_first_filtered_and_paged() {
    let server = Server::start();
    let mut admin = server.admin();
    assert_eq!(admin.get("/api/videos").json(200), json!([]));
    let (all, category, tags) = library(&mut admin);
    let listed = admin.get("/api/videos").json(200);
    for video in assert_all(&listed, VIDEO) {
        assert_eq!(
            (&video["status"], &video["source_type"], &video["file_type"]),
            (&json!("pending"), &json!("uploaded"), &json!("audio"))
        );
        assert_eq!(video["reviewed_at"], Value::Null);
    }
    let newest: Vec<i64> = all.iter().rev().copied().collect();
    assert_eq!(ids(&listed), newest);
    assert_shape(&listed[0]["category"], "id:int name:str sort_order:int");
    let of = |indices: &[usize]| indices.iter().map(|index| all[*index]).collect::<Vec<i64>>();
    let [x, y] = tags;
    for (query, found) in [
        ("search=BEES".to_owned(), of(&[0])),
        ("search=%E8%9C%82".to_owned(), of(&[2])),
        ("search=%25".to_owned(), of(&[1])),
        ("search=_".to_owned(), of(&[1])),
        ("search=nothing".to_owned(), vec![]),
        ("search=".to_owned(), of(&[2, 1, 0])),
        (format!("category_id={category}"), of(&[2, 1])),
        ("category_id=99".to_owned(), vec![]),
        (format!("tag_ids={y}"), of(&[2])),
        (format!("tag_ids={x},{y}"), of(&[2, 1])),
        ("tag_ids=1,a".to_owned(), of(&[2, 1, 0])),
        ("status=pending".to_owned(), of(&[2, 1, 0])),
        ("status=offline".to_owned(), vec![]),
        ("skip=1&limit=1".to_owned(), of(&[1])),
        ("skip=9".to_owned(), vec![]),
        ("limit=100&unknown=1".to_owned(), of(&[2, 1, 0])),
    ] {
        let list = admin.get(&format!("/api/videos?{query}")).json(200);
        assert_eq!(ids(&list), found, "{query}");
    }
    for query in [
        "limit=0",
        "limit=101",
        "skip=-1",
        "skip=x",
        "limit=",
        "status=none",
        "category_id=x",
    ] {
        let problem = admin.get(&format!("/api/videos?{query}")).json(422);
        assert_eq!(problem["errors"][0]["loc"][0], "query", "{query}: {problem}");
    }
    let waiting = admin.get("/api/videos/pending?skip=1&limit=1").json(200);
    assert_eq!(ids(&waiting), of(&[1]));
    let mut visitor = server.visitor();
    assert_eq!(
        visitor.get("/api/videos/pending").detail(401),
        "Could not validate credentials"
    );
    // Visitors see what is published, whatever they ask for; a bad token counts as none.
    admin.push(&format!("/api/videos/{}/publish", all[0])).json(200);
    for query in ["", "?status=pending", "?status=published"] {
        let list = visitor.get(&format!("/api/videos{query}")).json(200);
        assert_eq!(ids(&list), of(&[0]), "{query}");
    }
    let list = visitor.ask(
        "GET",
        "/api/videos",
        &["Authorization: Bearer x.y.z", "X-View-Code: NOTHING1"],
        None,
    );
    assert_eq!(ids(&list.json(200)), of(&[0]));
}

#[test]
fn videos_are_described_reviewed_and_changed_in_batches() {
    let server = Server::start();
    let mut admin = server.admin();
    let (all, category, tags) = library(&mut admin);
    let target = format!("/api/videos/{}", all[0]);
    let words = json!({"title": "新", "description": "<b>x</b>", "view_count": 7});
    let changed = admin.put(&target, &words).json(200);
    assert_shape(&changed, VIDEO);
    assert_eq!(
        (&changed["title"], &changed["description"], &changed["view_count"]),
        (&json!("新"), &json!("<b>x</b>"), &json!(0))
    );
    let cleared = admin.put(&target, &json!({"description": null})).json(200);
    assert_eq!(
        (&cleared["title"], &cleared["description"]),
        (&json!("新"), &Value::Null)
    );
    for words in [
        json!({"title": null}),
        json!({"title": ""}),
        json!({"title": "x".repeat(129)}),
    ] {
        admin.put(&target, &words).detail(422);
    }
    let moved = admin
        .put(&format!("{target}/category"), &json!({"category_id": category}))
        .json(200);
    assert_eq!(
        (&moved["category_id"], &moved["category"]["name"]),
        (&json!(category), &json!("c"))
    );
    let none = admin.put(&format!("{target}/category"), &json!({})).json(200);
    assert_eq!(none["category_id"], Value::Null, "absent is none");
    assert_eq!(
        admin
            .put(&format!("{target}/category"), &json!({"category_id": 99}))
            .detail(400),
        "Category not found"
    );
    // A number that is given twice is one tag.
    let tagged = json!({"tag_ids": [tags[1], tags[0], tags[1]]});
    let tagged = admin.put(&format!("{target}/tags"), &tagged).json(200);
    let names: Vec<&Value> = tagged["tags"]
        .as_array()
        .expect("an array")
        .iter()
        .map(|tag| &tag["name"])
        .collect();
    assert_eq!(names, ["x", "y"]);
    assert_eq!(
        admin
            .put(&format!("{target}/tags"), &json!({"tag_ids": [99]}))
            .detail(400),
        "Some tags not found"
    );
    let bare = admin
        .put(&format!("{target}/tags"), &json!({"tag_ids": []}))
        .json(200);
    assert_eq!(bare["tags"], json!([]));

    for (verb, status) in [("publish", "published"), ("offline", "offline")] {
        let reviewed = admin.push(&format!("{target}/{verb}")).json(200);
        assert_shape(&reviewed, VIDEO);
        assert_eq!(
            (&reviewed["status"], &reviewed["reviewed_by"]),
            (&json!(status), &json!(1))
        );
        assert!(reviewed["reviewed_at"].is_string(), "{reviewed}");
    }
    let batch = json!({"video_ids": [all[0], all[1], 999, all[1]]});
    for verb in ["batch-publish", "batch-offline"] {
        let answer = admin.post(&format!("/api/videos/{verb}"), &batch).json(200);
        assert_eq!(
            answer,
            json!({"success_count": 2, "failed_ids": [999], "success": 2, "failed": 1})
        );
    }
    let many: Vec<i64> = (1..=101).collect();
    for verb in ["batch-publish", "batch-offline"] {
        admin
            .post(&format!("/api/videos/{verb}"), &json!({"video_ids": many}))
            .detail(422);
        let hundred = json!({"video_ids": many[..100]});
        admin.post(&format!("/api/videos/{verb}"), &hundred).json(200);
    }
    for (method, path) in [
        ("GET", ""),
        ("PUT", ""),
        ("DELETE", ""),
        ("PUT", "/category"),
        ("POST", "/publish"),
        ("POST", "/offline"),
        ("GET", "/play"),
        ("POST", "/view"),
        ("GET", "/stream"),
        ("GET", "/audio"),
        ("GET", "/audio/download"),
        ("GET", "/images"),
        ("POST", "/thumbnail/auto"),
    ] {
        let missing = admin.ask(
            method,
            &format!("/api/videos/999{path}"),
            &["Content-Type: application/json"],
            Some(b"{}"),
        );
        assert_eq!(missing.detail(404), "Video not found", "{method} {path}");
    }
    // The UI deletes a selection by many requests at a time.
    let deleted: Vec<u16> = std::thread::scope(|scope| {
        let one = |id: i64| {
            let mut admin = server.admin();
            scope.spawn(move || admin.delete(&format!("/api/videos/{id}")).status)
        };
        let all: Vec<_> = all.iter().map(|id| one(*id)).collect();
        all.into_iter().map(|one| one.join().expect("no panic")).collect()
    });
    assert_eq!(deleted, [204, 204, 204]);
    assert_eq!(admin.get("/api/videos").json(200), json!([]));
}

#[test]
fn a_video_plays_where_the_answer_says() {
    let server = Server::start();
    let mut admin = server.admin();
    let file = media("av_h264_aac_faststart.mp4");
    let about = json!({"title": "讲座 1"});
    let done = admin.upload(&file, &about);
    assert_shape(&done, "message:str video_id:int title:str file_path:str");
    let target = format!("/api/videos/{}", done["video_id"]);
    let sound = admin.upload(&media("audio_mp3.mp3"), &json!({}))["video_id"].clone();
    let sound = format!("/api/videos/{sound}");
    let mut visitor = server.visitor();
    // Never 401: pages throw a visitor who gets that to the sign-in.
    for (path, says) in [
        ("", "Login required to view this video"),
        ("/play", "Login required to view this video"),
        ("/stream", "Login required to view this video"),
        ("/audio", "Login required to view this video"),
        ("/audio/download", "Login required to view this video"),
        ("/images", "Login required to view this video"),
        ("/texts", "Login required to view this video"),
        ("/links", "Login required to view this video"),
    ] {
        assert_eq!(
            visitor.get(&format!("{target}{path}")).detail(403),
            says,
            "{path}"
        );
    }
    assert_eq!(
        visitor.push(&format!("{target}/view")).detail(403),
        "Login required"
    );
    for one in [&target, &sound] {
        admin.push(&format!("{one}/publish")).json(200);
    }
    assert_shape(&visitor.get(&target).json(200), VIDEO);
    let play = visitor.get(&format!("{target}/play")).json(200);
    let path = format!("/vod/{}/index.m3u8", done["file_path"].as_str().expect("a name"));
    assert_eq!(
        play,
        json!({"hls_url": path, "audio_url": null, "file_type": "video"})
    );
    let playlist = visitor.get(&path);
    assert_eq!(
        (playlist.status, playlist.header("content-type")),
        (200, Some("application/vnd.apple.mpegurl"))
    );
    assert_eq!(playlist.header("access-control-allow-origin"), Some("*"));
    let text = playlist.text();
    let segments: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(
        !segments.is_empty() && segments.iter().all(|name| !name.contains('/')),
        "names beside the playlist, which are never of another scheme: {text}"
    );
    let master = visitor.get(&path.replace("index.m3u8", "master.m3u8"));
    assert_eq!(master.status, 200);
    for missing in ["/vod/none.mp4/index.m3u8", "/vod/x.mp3/index.m3u8"] {
        assert_eq!(visitor.get(missing).status, 404, "{missing}");
    }

    let name = admin.get(&sound).json(200)["file_path"].clone();
    let url = format!("/audio/{}", name.as_str().expect("a name"));
    let play = visitor.get(&format!("{sound}/play")).json(200);
    assert_eq!(
        play,
        json!({"hls_url": null, "audio_url": url, "file_type": "audio"})
    );
    let bytes = std::fs::read(media("audio_mp3.mp3")).expect("a file");
    let heard = visitor.get(&url);
    assert!(heard.body == bytes, "{}", heard.status);
    assert_eq!(heard.header("access-control-allow-origin"), Some("*"));
    assert_eq!(heard.header("cache-control"), Some("public, max-age=3600"));

    let stream = format!("{target}/stream");
    let whole = visitor.get(&stream);
    assert_eq!(
        (
            whole.status,
            whole.header("content-type"),
            whole.header("accept-ranges")
        ),
        (200, Some("video/mp4"), Some("bytes"))
    );
    assert!(whole.header("etag").is_some() && whole.header("last-modified").is_some());
    let saved = whole.header("content-disposition").expect("a name");
    assert!(
        saved.starts_with("attachment; filename=") && saved.ends_with("%E8%AE%B2%E5%BA%A7%201.mp4"),
        "{saved}"
    );
    let part = visitor.ask("GET", &stream, &["Range: bytes=4-7"], None);
    assert_eq!((part.status, part.body.as_slice()), (206, b"ftyp".as_slice()));
    let beyond = visitor.ask("GET", &stream, &["Range: bytes=99999999-"], None);
    assert_eq!(beyond.status, 416);
    let file_name = done["file_path"].as_str().expect("a name");
    let saved = visitor.get(&format!("/videos/{file_name}"));
    assert!(
        saved.body == std::fs::read(&file).expect("a file")
            && saved
                .header("content-disposition")
                .is_some_and(|value| value.starts_with("attachment")),
        "{}",
        saved.status
    );

    let ready = admin.until(&target, Duration::from_secs(30), |video| {
        video["thumbnail"].is_string()
    });
    let picture = ready["thumbnail"].as_str().expect("a path");
    assert!(picture.starts_with("/thumbnails/thumb_"), "{picture}");
    let picture = visitor.get(picture);
    assert_eq!(
        (
            picture.status,
            picture.header("content-type"),
            picture.header("cache-control")
        ),
        (200, Some("image/jpeg"), Some("public, max-age=3600"))
    );
    for count in 1..=3 {
        let views = visitor.push(&format!("{target}/view")).json(200);
        assert_eq!(views, json!({"view_count": count}), "no limit for each visitor");
    }
    assert_eq!(visitor.get(&target).json(200)["view_count"], 3);
}
