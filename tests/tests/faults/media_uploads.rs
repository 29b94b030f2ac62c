//! Uploads as they go wrong in the field: cut off, sent twice, from two tabs, of nothing, of too much, under a wrong name; and MP4 files in
//! every form that programs write.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use mediastack_tests::faults::Fault;
use mediastack_tests::fixtures::media;
use mediastack_tests::http::Answer;
use mediastack_tests::process::output_of;
use mediastack_tests::server::{Api, Server};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);

const CHUNK: usize = 65_536;

const TITLE: &str =
    "Uploads that are cut off, sent twice, empty, too large, or not what they say; MP4 in every form";
const EXPECTED: &str = "goes on; known by its bytes; read in a limited process; plays, or a clear reason";

fn begin(admin: &mut Api, name: &str, size: u64) -> Answer {
    let init = json!({"filename": name, "file_size": size, "chunk_size": CHUNK});
    admin.post("/api/upload/init", &init)
}

fn task(init: &Value) -> String {
    format!("/api/upload/{}", init["task_id"].as_str().expect("an id"))
}

fn send(admin: &mut Api, task: &str, index: usize, bytes: &[u8]) -> Answer {
    let index = index.to_string();
    let file = Some(("chunk", "blob", bytes));
    admin.form(&format!("{task}/chunk"), &[("chunk_index", &index)], file)
}

/// Uploads bytes under a name; the answer of the completion.
fn upload(admin: &mut Api, name: &str, bytes: &[u8]) -> Answer {
    let init = begin(admin, name, bytes.len() as u64).json(200);
    let task = task(&init);
    for (index, chunk) in bytes.chunks(CHUNK).enumerate() {
        send(admin, &task, index, chunk).json(200);
    }
    admin.push(&format!("{task}/complete"))
}

/// What ffmpeg makes of a fixture with more options.
fn made(folder: &Path, name: &str, from: &str, before: &[&str], options: &[&str]) -> PathBuf {
    let path = folder.join(name);
    let mut command = Command::new("ffmpeg");
    command
        .args(["-nostdin", "-v", "error", "-y"])
        .args(before)
        .arg("-i")
        .arg(media(from));
    output_of(command.args(["-c", "copy"]).args(options).arg(&path));
    path
}

/// Waits until all work on a video is over, publishes it, and says how many pictures ffprobe gets out of its playlist.
#[track_caller]
fn pictures(server: &Server, admin: &mut Api, id: &Value) -> usize {
    let path = format!("/api/videos/{id}");
    admin.until(&path, SOON, |video| video["thumbnail"].is_string());
    admin.until("/api/jobs", SOON, |jobs| {
        let jobs = jobs.as_array().expect("a list");
        jobs.iter()
            .all(|job| !matches!(job["status"].as_str(), Some("pending" | "processing")))
    });
    admin.push(&format!("{path}/publish")).json(200);
    let play = admin.get(&format!("{path}/play")).json(200);
    let url = server.url(play["hls_url"].as_str().expect("a path"));
    let mut probe = Command::new("ffprobe");
    probe.args([
        "-v",
        "error",
        "-select_streams",
        "v:0",
        "-show_entries",
        "packet=pts",
        "-of",
        "csv=p=0",
    ]);
    output_of(probe.arg(url))
        .0
        .lines()
        .filter(|line| !line.trim().is_empty())
        .count()
}

#[test]
fn an_upload_that_was_cut_off_at_99_percent_goes_on_whoever_sends_the_rest() {
    let mut fault = Fault::new(31, TITLE, EXPECTED);
    let mut server = Server::start();
    let mut admin = server.admin();
    let bytes = fs::read(media("av_h264_aac_moov_last.mp4")).expect("a file");
    let init = begin(&mut admin, "talk.mp4", bytes.len() as u64).json(200);
    let task = task(&init);
    let chunks: Vec<&[u8]> = bytes.chunks(CHUNK).collect();
    let last = chunks.len() - 1;
    for (index, chunk) in chunks.iter().enumerate().take(last) {
        send(&mut admin, &task, index, chunk).json(200);
    }
    // The rest does not come, the server is killed, and the client asks what is there.
    drop(admin);
    server.kill();
    server.restart();
    let mut admin = server.admin();
    admin.push(&format!("{task}/complete")).detail(400);
    let status = admin.get(&format!("{task}/status")).json(200);
    assert_eq!(
        status["uploaded_chunk_indices"].as_array().map(Vec::len),
        Some(last)
    );
    assert_eq!(
        admin.get("/api/videos").json(200),
        json!([]),
        "half an upload is no video"
    );
    // Sent twice, and then from two tabs that both complete it: one video, and the same answer.
    send(&mut admin, &task, last, chunks[last]).json(200);
    send(&mut admin, &task, last, chunks[last]).json(200);
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let one = || {
            let mut tab = server.admin();
            let (task, first) = (&task, chunks[0]);
            scope.spawn(move || {
                let again = send(&mut tab, task, 0, first);
                assert!([200, 400, 409].contains(&again.status), "{}", again.text());
                tab.push(&format!("{task}/complete")).json(200)
            })
        };
        [one(), one()].map(|tab| tab.join().expect("no panic")).to_vec()
    });
    // The file may have been made into a better one between the two.
    assert_eq!(answers[0]["video_id"], answers[1]["video_id"]);
    let videos = admin.get("/api/videos").json(200);
    assert_eq!(videos.as_array().map(Vec::len), Some(1), "{videos}");
    let id = answers[0]["video_id"].clone();
    assert!(pictures(&server, &mut admin, &id) > 400);
    fault.seen("cut off at 99 % and killed: goes on, sent twice and by two tabs, and is one video");
}

/// An AVI whose subtitles are a text.
fn avi_with(text: &str) -> Vec<u8> {
    let chunk = |name: &[u8], body: &[u8]| -> Vec<u8> {
        let length = u32::try_from(body.len()).expect("small").to_le_bytes();
        [name, &length, body, &vec![0; body.len() % 2]].concat()
    };
    let list = |kind: &[u8], body: &[u8]| chunk(b"LIST", &[kind, body].concat());
    let mut main = vec![0; 56];
    main[24] = 1;
    let track = [b"txts\0\0\0\0".as_slice(), &[0; 48]].concat();
    let track = list(b"strl", &[chunk(b"strh", &track), chunk(b"strf", b"")].concat());
    let header = list(b"hdrl", &[chunk(b"avih", &main), track].concat());
    let subtitles = [b"GAB2\0\x02\0\0\0\0\0\x04\0".as_slice(), text.as_bytes()].concat();
    let media = list(b"movi", &chunk(b"00tx", &subtitles));
    chunk(b"RIFF", &[b"AVI ".as_slice(), &header, &media].concat())
}

#[test]
fn what_is_not_what_it_says_is_refused_for_a_reason() {
    let mut fault = Fault::new(31, TITLE, EXPECTED);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start();
    let mut admin = server.admin();
    begin(&mut admin, "x.mp4", 0).detail(422);
    assert_eq!(
        begin(&mut admin, "x.mp4", 100 << 30).detail(400),
        "Video file too large. Max: 10GB"
    );
    let encrypted = made(
        folder.path(),
        "encrypted.mp4",
        "av_h264_aac_faststart.mp4",
        &[],
        &[
            "-encryption_scheme",
            "cenc-aes-ctr",
            "-encryption_key",
            "76a6c65c5ea762046bd749a2e632ccbb",
            "-encryption_kid",
            "a7e61c373e219033c21091fa607bf3b8",
        ],
    );
    let moov_last = fs::read(media("av_h264_aac_moov_last.mp4")).expect("a file");
    let local = media("av_h264_aac.ts");
    let playlist = format!("#EXTM3U\n#EXTINF:20,\n{}\n#EXT-X-ENDLIST\n", local.display());
    for (what, bytes) in [
        ("a page", b"<!doctype html><title>x</title>".repeat(40)),
        ("a program", fs::read("/bin/true").expect("a program")),
        ("an AVI with a playlist for subtitles", avi_with(&playlist)),
        ("a playlist", playlist.into_bytes()),
        (
            "99 % of a film whose tables are at its end",
            moov_last[..moov_last.len() / 100 * 99].to_vec(),
        ),
        (
            "a film of which only its owner has the key",
            fs::read(encrypted).expect("a file"),
        ),
    ] {
        let refused = upload(&mut admin, "x.mp4", &bytes).detail(400);
        assert!(
            refused.starts_with("The file is not taken: "),
            "{what}: {refused}"
        );
        assert!(!refused.contains("/videos/"), "{what}: {refused}");
    }
    assert_eq!(admin.get("/api/videos").json(200), json!([]));
    assert!(!server.log().contains("panicked"), "{}", server.log());
    fault.seen("nothing, 100 GB, pages, programs, playlists, AVI with a playlist, half films, encrypted films: refused for a reason");
}

#[test]
fn every_form_of_mp4_plays() {
    let mut fault = Fault::new(31, TITLE, EXPECTED);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start();
    let mut admin = server.admin();
    let folder = folder.path();
    // Cut between key frames: an edit list leaves out what comes before.
    let edited = made(
        folder,
        "edited.mp4",
        "av_h264_aac_faststart.mp4",
        &["-ss", "3.1"],
        &[],
    );
    let late = made(
        folder,
        "late.mp4",
        "av_h264_aac_faststart.mp4",
        &["-itsoffset", "1.5"],
        &[],
    );
    let faststart = fs::read(media("av_h264_aac_faststart.mp4")).expect("a file");
    let cut = folder.join("cut.mp4");
    fs::write(&cut, &faststart[..faststart.len() / 100 * 99]).expect("a file");
    for (path, least) in [
        (media("av_h264_aac_moov_last.mp4"), 490),
        (media("av_h264_aac_fragmented.mp4"), 490),
        (edited, 400),
        (late, 490),
        (cut, 480),
    ] {
        let bytes = fs::read(&path).expect("a file");
        let done = upload(&mut admin, "x.mp4", &bytes).json(200);
        let count = pictures(&server, &mut admin, &done["video_id"]);
        assert!(count >= least, "{}: {count} pictures", path.display());
    }
    fault.seen("tables at the end, fragments, edit lists, a late start, 99 % of the media: it plays");
}
