//! An existing admin UI in a real browser: what media elements, sockets and forms do that no other client does.

use std::process::Command;

use mediastack_tests::fixtures::{media, repository};
use mediastack_tests::process::output_of;
use mediastack_tests::server::Server;
use serde_json::{Value, json};

#[test]
fn media_elements_sockets_and_forms_work_as_they_did() {
    let server = Server::start();
    let mut admin = server.admin();
    let film = media("av_h264_aac_faststart.mp4");
    let new =
        json!({"name": "x", "protocol": "rtmp", "url": "rtmp://127.0.0.1:1/live/x", "is_active": false});
    let source = admin.post("/api/sources", &new).json(201)["id"].clone();
    let video = format!("/videos/{}", admin.upload(&film, &json!({}))["video_id"]);
    let picture = admin.push(&format!("/api{video}/thumbnail/auto")).json(200)["thumbnail_url"].clone();
    let song = media("audio_mp3.mp3");
    let sound = format!("/videos/{}", admin.upload(&song, &json!({}))["video_id"]);
    let category = admin.post("/api/categories", &json!({"name": "c"})).json(201)["id"].clone();
    let locked = admin.published(&film, &json!({"category_id": category}));
    let locked_picture = admin.push(&format!("{locked}/thumbnail/auto")).json(200)["thumbnail_url"].clone();
    let code = json!({"code": "OPEN42", "category_ids": [category]});
    admin.post("/api/view-codes", &code).json(201);
    let given = json!({
        "video": video, "sound": sound, "picture": picture, "source": format!("/sources/{source}"),
        "locked": locked.trim_start_matches("/api"), "lockedPicture": locked_picture, "code": "OPEN42",
    });
    let mut node = Command::new("node");
    node.args(["existing_ui.mjs", &server.url(""), &given.to_string()]);
    let (said, _) = output_of(node.current_dir(repository().join("tests/browser")));
    let seen: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    let of_admin = &seen["admin"];
    for what in ["trimmer", "player", "drawn"] {
        assert_eq!(
            of_admin[what], true,
            "without a header, before it is published: {what} {seen:#}"
        );
    }
    let bytes = std::fs::metadata(&song).expect("a file").len();
    assert_eq!(of_admin["wave"], bytes, "{seen:#}");
    assert_eq!(
        of_admin["types"],
        json!(["connected", "pong", "source_status_changed"]),
        "{seen:#}"
    );
    assert_eq!(
        (
            &of_admin["check"]["source_id"],
            &of_admin["change"]["source_id"],
            &of_admin["change"]["attempt"]
        ),
        (&source, &source, &json!(1))
    );
    assert_eq!(of_admin["live"], json!([]), "{seen:#}");
    assert_eq!(of_admin["changed"]["source_id"], source, "{seen:#}");
    assert_eq!(
        (&of_admin["sent"], &of_admin["done"]),
        (&of_admin["total"], &json!("Upload completed")),
        "{seen:#}"
    );
    let viewer = &seen["viewer"];
    assert_eq!(
        (
            &viewer["before"]["locked"],
            &viewer["before"]["play"],
            &viewer["before"]["image"]
        ),
        (&json!(true), &json!(403), &json!(false)),
        "{seen:#}"
    );
    assert_eq!(
        (
            &viewer["valid"],
            &viewer["after"]["locked"],
            &viewer["after"]["play"],
            &viewer["after"]["image"]
        ),
        (&json!(true), &json!(false), &json!(200), &json!(true)),
        "{seen:#}"
    );
    assert!(viewer["played"].as_f64() >= Some(0.5), "{seen:#}");
}
