//! The chunked protocol of uploads as existing admin UIs use it, and what else a client may do to it.

use mediastack_tests::fixtures::media;
use mediastack_tests::server::{Api, Server};
use mediastack_tests::shape::assert_shape;
use serde_json::{Value, json};

const CHUNK: usize = 65_536;

fn begin(admin: &mut Api, name: &str, size: usize) -> (String, Value) {
    let init = json!({"filename": name, "file_size": size, "chunk_size": CHUNK});
    let init = admin.post("/api/upload/init", &init).json(200);
    assert_shape(&init, "task_id:str chunk_size:int total_chunks:int");
    (
        format!("/api/upload/{}", init["task_id"].as_str().expect("an id")),
        init,
    )
}

fn send(admin: &mut Api, task: &str, index: usize, bytes: &[u8]) -> mediastack_tests::http::Answer {
    let index = index.to_string();
    admin.form(
        &format!("{task}/chunk"),
        &[("chunk_index", &index)],
        Some(("chunk", "blob", bytes)),
    )
}

#[test]
fn chunks_come_in_any_order_and_twice() {
    let mut server = Server::start();
    let mut admin = server.admin();
    let bytes = std::fs::read(media("audio_flac.flac")).expect("a file");
    let (task, init) = begin(&mut admin, "歌.flac", bytes.len());
    let id = init["task_id"].as_str().expect("an id");
    assert!(
        id.len() == 36 && id.as_bytes()[14] == b'4',
        "a UUID of version 4: {id}"
    );
    let chunks: Vec<&[u8]> = bytes.chunks(CHUNK).collect();
    assert!(chunks.len() > 2, "{}", chunks.len());
    assert_eq!(
        (&init["chunk_size"], &init["total_chunks"]),
        (&json!(CHUNK), &json!(chunks.len()))
    );
    let last = chunks.len() - 1;
    let answer = send(&mut admin, &task, last, chunks[last]).json(200);
    assert_eq!(
        answer,
        json!({"chunk_index": last, "uploaded_chunks": 1, "total_chunks": chunks.len()})
    );
    // Rubbish first, then the right bytes over it.
    send(&mut admin, &task, 0, &vec![7; CHUNK]).json(200);
    let again = send(&mut admin, &task, 0, chunks[0]).json(200);
    assert_eq!(again["uploaded_chunks"], 2, "distinct ones are counted");
    let status = admin.get(&format!("{task}/status")).json(200);
    assert_shape(
        &status,
        "task_id:str filename:str file_size:int chunk_size:int total_chunks:int uploaded_chunks:int status:str \
         uploaded_chunk_indices:arr created_at:date",
    );
    assert_eq!(
        (
            &status["status"],
            &status["uploaded_chunk_indices"],
            &status["filename"]
        ),
        (&json!("uploading"), &json!([0, last]), &json!("歌.flac"))
    );
    let n = chunks.len();
    for index in [n.to_string(), "-1".to_owned()] {
        let refused = admin.form(
            &format!("{task}/chunk"),
            &[("chunk_index", &index)],
            Some(("chunk", "b", b"x")),
        );
        assert_eq!(
            refused.detail(400),
            format!("Invalid chunk index. Must be 0-{last}")
        );
    }
    for (fields, file) in [
        (vec![("chunk_index", "x")], Some(("chunk", "b", b"x".as_slice()))),
        (vec![("chunk_index", "0")], None),
        (vec![], Some(("chunk", "b", b"x".as_slice()))),
    ] {
        admin.form(&format!("{task}/chunk"), &fields, file).detail(422);
    }
    for wrong in [&chunks[0][..100], &[chunks[0], b"x"].concat()] {
        let refused = send(&mut admin, &task, 1, wrong).detail(400);
        assert!(refused.starts_with("Chunk 1 has "), "{refused}");
    }
    assert_eq!(
        admin.push(&format!("{task}/complete")).detail(400),
        format!("Missing chunks. Uploaded: 2, Expected: {n}")
    );
    // What was acknowledged is there after a crash, and the client goes on from it.
    drop(admin);
    server.kill();
    server.restart();
    let mut admin = server.admin();
    let status = admin.get(&format!("{task}/status")).json(200);
    assert_eq!(status["uploaded_chunk_indices"], json!([0, last]));
    for (index, chunk) in chunks.iter().enumerate().take(last).skip(1) {
        // Two tabs send the same chunk at the same time: each gets an answer, and one of them at least a good one.
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let one = || {
                let mut tab = server.admin();
                let task = &task;
                scope.spawn(move || send(&mut tab, task, index, chunk).status)
            };
            let tabs = [one(), one()];
            tabs.map(|tab| tab.join().expect("no panic")).to_vec()
        });
        assert!(
            statuses.contains(&200) && statuses.iter().all(|status| [200, 409].contains(status)),
            "{statuses:?}"
        );
    }
    let done = admin.post(
        &format!("{task}/complete"),
        &json!({"title": null, "tag_ids": []}),
    );
    let done = done.json(200);
    assert_eq!(
        (&done["message"], &done["title"]),
        (&json!("Upload completed"), &json!("歌"))
    );
    // A retry after a lost answer is told the same.
    assert_eq!(admin.push(&format!("{task}/complete")).json(200), done);
    assert_eq!(
        send(&mut admin, &task, 0, chunks[0]).detail(400),
        "Upload task is UploadStatus.completed"
    );
    let status = admin.get(&format!("{task}/status")).json(200);
    assert_eq!(
        (
            &status["status"],
            &status["uploaded_chunks"],
            &status["uploaded_chunk_indices"]
        ),
        (&json!("completed"), &json!(0), &json!([]))
    );
    let videos = admin.get("/api/videos").json(200);
    assert_eq!(videos.as_array().map(Vec::len), Some(1), "{videos}");
    let heard = admin.get(&format!("/audio/{}", done["file_path"].as_str().expect("a name")));
    assert!(heard.body == bytes, "byte for byte: {}", heard.status);
}

#[test]
fn what_can_not_be_taken_is_refused_before_its_first_byte() {
    let server = Server::start();
    let mut admin = server.admin();
    let mut init = |name: &str, size: Value| {
        let asked = json!({"filename": name, "file_size": size});
        admin.post("/api/upload/init", &asked)
    };
    assert_eq!(
        init("x.mp4", json!(1)).json(200)["chunk_size"],
        5_242_880,
        "the size of a chunk may be left out"
    );
    for name in ["x.exe", "x", "mp4", "x.mp4.html", "x.svg"] {
        let refused = init(name, json!(1)).detail(400);
        assert!(
            refused.starts_with("File type not allowed. Allowed: .mp4, "),
            "{name}: {refused}"
        );
    }
    let gib: u64 = 1 << 30;
    assert_eq!(
        init("x.MP4", json!(10 * gib + 1)).detail(400),
        "Video file too large. Max: 10GB"
    );
    assert_eq!(
        init("x.mp3", json!(gib + 1)).detail(400),
        "Audio file too large. Max: 1GB"
    );
    for (name, size) in [
        ("x.mp4", json!(0)),
        ("x.mp4", json!(-1)),
        ("x.mp4", json!("many")),
        ("", json!(1)),
    ] {
        init(name, size).detail(422);
    }
    let long = format!("{}.mp4", "x".repeat(300));
    init(&long, json!(1)).detail(422);
    let (task, _) = begin(&mut admin, "x.mp4", 10);
    admin.delete(&task).empty(204);
    let unknown = "/api/upload/00000000-0000-4000-8000-000000000000".to_owned();
    for task in [task, unknown, "/api/upload/x".to_owned()] {
        for missing in [
            admin.get(&format!("{task}/status")),
            send(&mut admin, &task, 0, b"x"),
            admin.push(&format!("{task}/complete")),
            admin.delete(&task),
        ] {
            assert_eq!(missing.detail(404), "Upload task not found");
        }
    }
    let (task, _) = begin(&mut admin, "x.mp4", 1);
    send(&mut admin, &task, 0, b"x").json(200);
    for (about, says) in [
        (json!({"category_id": 99}), "Category not found"),
        (json!({"tag_ids": [99]}), "Some tags not found"),
    ] {
        assert_eq!(admin.post(&format!("{task}/complete"), &about).detail(400), says);
    }
}
