//! Uploads of somebody who sends something else than media, or under a name that means more than a name.

use std::path::Path;
use std::time::Duration;

use mediastack_tests::discreet::assert_tells_nothing;
use mediastack_tests::file_server::FileServer;
use mediastack_tests::fixtures::media;
use mediastack_tests::jwt;
use mediastack_tests::server::{Api, Server};
use serde_json::json;

/// Uploads bytes under a name in one chunk; the answer of the completion.
fn upload(admin: &mut Api, name: &str, bytes: &[u8]) -> mediastack_tests::http::Answer {
    let init = json!({"filename": name, "file_size": bytes.len(), "chunk_size": 8 << 20});
    let init = admin.post("/api/upload/init", &init).json(200);
    let task = format!("/api/upload/{}", init["task_id"].as_str().expect("an id"));
    let sent = admin.form(
        &format!("{task}/chunk"),
        &[("chunk_index", "0")],
        Some(("chunk", "../../blob", bytes)),
    );
    sent.json(200);
    admin.push(&format!("{task}/complete"))
}

/// The files of a folder and of those in it.
fn files(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        match entry.file_type().expect("a kind").is_dir() {
            true => all.extend(files(&entry.path())),
            false => all.push(entry.path().display().to_string()),
        }
    }
    all.sort();
    all
}

/// A subtitle in an AVI that names a playlist, which libav's demuxer would look at.
fn avi_with_a_playlist(url: &str) -> Vec<u8> {
    let playlist = format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}\n#EXT-X-ENDLIST\n");
    let chunk = |name: &[u8], body: &[u8]| -> Vec<u8> {
        let length = u32::try_from(body.len()).expect("small").to_le_bytes();
        let pad = vec![0; body.len() % 2];
        [name, &length, body, &pad].concat()
    };
    let list = |kind: &[u8], body: &[u8]| chunk(b"LIST", &[kind, body].concat());
    let mut avih = vec![0; 56];
    avih[24] = 1;
    let strh = [b"txts\0\0\0\0".as_slice(), &[0; 48]].concat();
    let strl = list(b"strl", &[chunk(b"strh", &strh), chunk(b"strf", b"")].concat());
    let header = list(b"hdrl", &[chunk(b"avih", &avih), strl].concat());
    let gab2 = [b"GAB2\0\x02\0\0\0\0\0\x04\0".as_slice(), playlist.as_bytes()].concat();
    let movi = list(b"movi", &chunk(b"00tx", &gab2));
    chunk(b"RIFF", &[b"AVI ".as_slice(), &header, &movi].concat())
}

#[test]
fn what_names_other_files_opens_none_of_them() {
    let server = Server::start();
    let mut admin = server.admin();
    let folder = tempfile::tempdir().expect("a temporary directory");
    std::fs::copy(media("av_h264_aac.ts"), folder.path().join("inner.ts")).expect("a file");
    let inner = FileServer::start(folder.path());
    let url = inner.url("inner.ts");
    let local = folder.path().join("inner.ts").display().to_string();
    let hls = |segment: &str| {
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:20\n#EXTINF:20,\n{segment}\n#EXT-X-ENDLIST\n").into_bytes()
    };
    let dash = format!(
        "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" mediaPresentationDuration=\"PT20S\">\
         <Period><AdaptationSet mimeType=\"video/mp2t\"><Representation id=\"1\" bandwidth=\"1\"><BaseURL>{url}</BaseURL>\
         </Representation></AdaptationSet></Period></MPD>"
    );
    let sdp = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n";
    let before = files(&server.storage());
    for (what, name, bytes) in [
        ("a playlist of the network", "x.mp4", hls(&url)),
        ("a playlist of the disk", "x.mp4", hls(&local)),
        (
            "a playlist of the disk by its address",
            "x.ts",
            hls(&format!("file://{local}")),
        ),
        ("a playlist of passwords", "x.mkv", hls("/etc/passwd")),
        (
            "a playlist of playlists",
            "x.mp4",
            format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}\n").into_bytes(),
        ),
        (
            "a playlist with a mark",
            "x.mp4",
            [b"\xef\xbb\xbf".as_slice(), &hls(&url)].concat(),
        ),
        (
            "a list for concatenation",
            "x.mp4",
            format!("ffconcat version 1.0\nfile '{url}'\n").into_bytes(),
        ),
        (
            "the same of the disk",
            "x.mp4",
            format!("ffconcat version 1.0\nfile '{local}'\n").into_bytes(),
        ),
        ("a manifest", "x.mp4", dash.into_bytes()),
        ("a session description", "x.mp4", sdp.as_bytes().to_vec()),
        ("a picture list", "x.mp4", format!("# imf\n{url}\n").into_bytes()),
        ("an AVI with a playlist in it", "x.avi", avi_with_a_playlist(&url)),
        (
            "a page",
            "x.mp4",
            b"<!doctype html><script>alert(1)</script>".to_vec(),
        ),
        (
            "a vector picture",
            "x.mp4",
            b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>".to_vec(),
        ),
        (
            "a program",
            "x.mp4",
            std::fs::read("/bin/true").expect("a program"),
        ),
        ("an archive", "x.mp4", b"PK\x03\x04\x14\0\0\0\0\0".repeat(50)),
        (
            "a picture",
            "x.mp4",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89".to_vec(),
        ),
        ("words", "x.mp4", b"a,b\n1,2\n".repeat(100)),
        (
            "captions",
            "x.mp4",
            b"WEBVTT\n\n00:00.000 --> 00:09.000\nx\n".to_vec(),
        ),
        ("one byte", "x.mp4", b"x".to_vec()),
        ("zeros", "x.mp4", vec![0; 100_000]),
        (
            "half a film",
            "x.mp4",
            std::fs::read(media("av_h264_aac_moov_last.mp4")).expect("a file")[..200_000].to_vec(),
        ),
    ] {
        let refused = upload(&mut admin, name, &bytes).detail(400);
        assert!(
            refused.starts_with("The file is not taken: "),
            "{what}: {refused}"
        );
        assert_tells_nothing(what, &refused);
        assert!(!refused.contains("inner"), "{what}: {refused}");
        assert_eq!(files(&server.storage()), before, "nothing of {what} stays");
    }
    assert_eq!(inner.requests(), [""; 0], "nothing was fetched");
    assert_eq!(admin.get("/api/videos").json(200), json!([]));
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn names_of_uploads_are_titles_and_nothing_else() {
    let server = Server::start();
    let mut admin = server.admin();
    let bytes = std::fs::read(media("audio_mp3.mp3")).expect("a file");
    for (name, title) in [
        ("../../etc/x.mp3", "x"),
        ("/etc/cron.d/x.mp3", "x"),
        ("C:\\Windows\\x.mp3", "x"),
        ("..\\..\\x.mp3", "x"),
        ("-rf.mp3", "-rf"),
        ("--help.mp3", "--help"),
        ("CON.mp3", "CON"),
        ("$(reboot).mp3", "$(reboot)"),
        ("<img src=x onerror=alert(1)>.mp3", "<img src=x onerror=alert(1)>"),
        ("🐝 蜜蜂 \u{202e}4p3.mp3", "🐝 蜜蜂 \u{202e}4p3"),
        ("a.html.mp3", "a.html"),
        (".mp3", ".mp3"),
    ] {
        let done = upload(&mut admin, name, &bytes).json(200);
        assert_eq!(done["title"], title, "{name}");
        let file = done["file_path"].as_str().expect("a name");
        assert!(
            file.len() == 40 && file.ends_with(".mp3") && !file.contains("..") && !file.contains('/'),
            "a name of our own: {file}"
        );
        assert!(server.storage().join(file).is_file(), "{file}");
        let answer = admin.get(&format!("/videos/{file}"));
        let saved = answer.header("content-disposition").expect("a name");
        assert!(
            saved.bytes().all(|b| (0x20..0x7f).contains(&b)) && !saved.contains(['<', '>'])
                || saved.contains("filename*="),
            "{saved}"
        );
    }
    for name in ["a\0.mp3", "a\r\nb.mp3", "a\u{7f}.mp3"] {
        let init = json!({"filename": name, "file_size": 1});
        let answer = admin.post("/api/upload/init", &init);
        assert!(matches!(answer.status, 200 | 422), "{name:?}: {}", answer.text());
    }
    let outside = server.data().parent().expect("a folder").to_path_buf();
    let strays: Vec<String> = files(&outside)
        .into_iter()
        .filter(|path| path.ends_with(".mp3") && !path.contains("/data/videos/"))
        .collect();
    assert_eq!(strays, [""; 0]);
}

#[test]
fn an_upload_by_tus_goes_on_after_a_crash() {
    let mut server = Server::start();
    let mut admin = server.admin();
    let bytes = std::fs::read(media("av_h264_aac_faststart.mp4")).expect("a file");
    let half = bytes.len() / 2;
    let base64 = |text: &str| {
        let url_safe = jwt::encode(text.as_bytes()).replace('-', "+").replace('_', "/");
        let pad = "=".repeat((4 - url_safe.len() % 4) % 4);
        url_safe + &pad
    };
    let about = format!(
        "Upload-Metadata: filename {},title {}",
        base64("../../x.mp4"),
        base64("讲座")
    );
    let length = format!("Upload-Length: {}", bytes.len());
    let version = "Tus-Resumable: 1.0.0";
    let made = admin.ask("POST", "/api/tus", &[version, &length, &about], Some(b""));
    assert_eq!(made.status, 201, "{}", made.text());
    let target = made.header("location").expect("a place").to_owned();
    let octets = "Content-Type: application/offset+octet-stream";
    let send = |admin: &mut Api, at: usize, bytes: &[u8]| {
        let offset = format!("Upload-Offset: {at}");
        admin.ask("PATCH", &target, &[version, octets, &offset], Some(bytes))
    };
    let sent = send(&mut admin, 0, &bytes[..half]);
    assert_eq!(
        (sent.status, sent.header("upload-offset")),
        (204, Some(half.to_string().as_str()))
    );
    let wrong = send(&mut admin, 7, b"x");
    wrong.detail(409);
    drop(admin);
    server.kill();
    server.restart();
    let mut admin = server.admin();
    let told = admin.ask("HEAD", &target, &[version], None);
    assert_eq!(
        (told.status, told.header("upload-offset")),
        (200, Some(half.to_string().as_str())),
        "what was acknowledged is there"
    );
    let mut visitor = server.visitor();
    assert_eq!(visitor.ask("HEAD", &target, &[version], None).status, 401);
    let done = send(&mut admin, half, &bytes[half..]);
    assert_eq!(done.status, 204, "{}", done.text());
    let video = format!("/api/videos/{}", done.header("upload-video-id").expect("a video"));
    let video = admin.until(&video, Duration::from_secs(20), |video| {
        video["thumbnail"].is_string()
    });
    assert_eq!(video["title"], "讲座");
    assert!(admin.get(&format!("/api/videos/{}/stream", video["id"])).body == bytes);
}
