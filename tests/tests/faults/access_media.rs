//! Viewers who want what is not theirs: another category's code, names that lead elsewhere, ranges that cost more than they ask, pages hidden
//! in names and files.

use mediastack_tests::discreet::assert_tells_nothing;
use mediastack_tests::faults::Fault;
use mediastack_tests::fixtures::media;
use mediastack_tests::raw::Raw;
use mediastack_tests::server::{Api, Server};
use serde_json::{Value, json};

use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

/// The row of names.
const NAMES: (&str, &str) = (
    "names: `../../etc/x`, absolute, NUL, CR LF, 4 kB, right-to-left, emoji, `CON`, a leading `-`, markup",
    "stored under names of the server's own; shown as text; no path leads out",
);

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// A category that needs `code`, and its number.
fn locked(admin: &mut Api, name: &str, code: &str) -> Value {
    let category = admin.post("/api/categories", &json!({"name": name})).json(201)["id"].clone();
    let code = json!({"code": code, "category_ids": [category]});
    admin.post("/api/view-codes", &code).json(201);
    category
}

#[test]
fn a_code_opens_its_own_category_on_every_path_and_no_other() {
    let mut fault = Fault::new(
        35,
        "viewing codes: expired, revoked, of another category; copied segment addresses; guessed paths of files",
        "403 for playlist, segments, thumbnails, sound and file alike; revoking counts at once",
    );
    let server = Server::start();
    let mut admin = server.admin();
    let (mine, other) = (
        locked(&mut admin, "mine", "MYCODE1"),
        locked(&mut admin, "other", "OTHER11"),
    );
    let png: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    let mut paths = Vec::new();
    for category in [&mine, &other] {
        let video = admin.published(
            &media("av_h264_aac_faststart.mp4"),
            &json!({"title": "x", "category_id": category}),
        );
        let sound = admin.published(
            &media("audio_aac.m4a"),
            &json!({"title": "y", "category_id": category}),
        );
        let picture = admin.push(&format!("{video}/thumbnail/auto")).json(200);
        let image = admin
            .form(&format!("{video}/images"), &[], Some(("file", "a.png", png)))
            .json(200);
        admin
            .post(
                &format!("{video}/texts"),
                &json!({"title": "t", "content": "secret"}),
            )
            .json(200);
        admin.push(&format!("{video}/extract-audio")).json(200);
        admin.until(&format!("{video}/audio"), SOON, |info| info["has_audio"] == true);
        let name = |target: &str, admin: &mut Api| text(&admin.get(target).json(200)["file_path"]).to_owned();
        let (file, song) = (name(&video, &mut admin), name(&sound, &mut admin));
        let mut all = Vec::new();
        for path in [
            "play",
            "stream",
            "audio",
            "audio/download",
            "images",
            "texts",
            "links",
        ] {
            all.push(("GET", format!("{video}/{path}")));
        }
        all.push(("POST", format!("{video}/view")));
        for path in ["play", "stream", "audio", "audio/download"] {
            all.push(("GET", format!("{sound}/{path}")));
        }
        for path in [
            "index.m3u8",
            "master.m3u8",
            "seg-1-v1-a1.ts",
            "seg-1-a1.ts",
            "init-v1-a1.mp4",
        ] {
            all.push(("GET", format!("/vod/{file}/{path}")));
        }
        all.push(("GET", format!("/vod/,{file},.urlset/master.m3u8")));
        for name in [&file, &song] {
            all.push(("GET", format!("/videos/{name}")));
            all.push(("GET", format!("/audio/{name}")));
            all.push(("HEAD", format!("/audio/{name}")));
        }
        all.push(("GET", text(&picture["thumbnail_url"]).to_owned()));
        all.push(("GET", text(&image["image_url"]).to_owned()));
        paths.push(all);
    }
    let mut visitor = server.visitor();
    let mut viewer = server.visitor();
    let entered = viewer.post("/api/view-codes/verify", &json!({"code": "MYCODE1"}));
    viewer.headers.push(entered.cookie());
    let mut by_header = server.visitor();
    by_header.headers.push("X-View-Code: MYCODE1".to_owned());
    let mut by_token = server.visitor();
    let token = text(&entered.json(200)["token"]).to_owned();
    by_token.headers.push(format!("X-View-Token: {token}"));
    // A cookie that somebody makes of another's parts: its end is another one's.
    let mut forger = server.visitor();
    let (kept, end) = token.split_at(token.len() - 8);
    let end = if end.starts_with('A') {
        "BAAAAAAA"
    } else {
        "AAAAAAAA"
    };
    forger
        .headers
        .push(format!("Cookie: mediastack_view={kept}{end}"));
    for (method, path) in &paths[0] {
        for viewer in [&mut viewer, &mut by_header, &mut by_token] {
            let status = viewer.ask(method, path, &[], None).status;
            assert!(matches!(status, 200 | 404), "{method} {path}: {status}");
        }
        for stranger in [&mut visitor, &mut forger] {
            let answer = stranger.ask(method, path, &[], None);
            assert_eq!(answer.status, 403, "{method} {path}");
            assert_tells_nothing(path, &answer.text());
        }
    }
    for (method, path) in &paths[1] {
        for viewer in [&mut viewer, &mut by_header, &mut by_token, &mut forger] {
            let answer = viewer.ask(method, path, &[], None);
            assert_eq!(answer.status, 403, "{method} {path}");
            assert!(!answer.text().contains("secret"), "{path}");
        }
    }
    // A link that was opened dies with the code.
    let play = viewer.get(&paths[0][0].1).json(200);
    let link = text(&play["hls_url"]).to_owned();
    assert_eq!(visitor.get(&link).status, 200, "a television sends no cookie");
    let codes = admin.get("/api/view-codes").json(200);
    let code = codes
        .as_array()
        .expect("codes")
        .iter()
        .find(|code| code["code"] == "MYCODE1");
    admin
        .delete(&format!("/api/view-codes/{}", code.expect("the code")["id"]))
        .empty(204);
    locked(&mut admin, "again", "AGAIN12");
    let again = json!({"code": "AGAIN13", "category_ids": [mine]});
    admin.post("/api/view-codes", &again).json(201);
    for path in [
        &link,
        &paths[0][1].1,
        &link.replace("index.m3u8", "seg-1-v1-a1.ts"),
    ] {
        assert_eq!(viewer.get(path).status, 403, "{path}");
    }
    fault.seen("each path of two locked categories with both codes; a code that ended locks links that were copied too");
}

#[test]
fn names_that_lead_elsewhere_lead_nowhere() {
    let mut fault = Fault::new(32, NAMES.0, NAMES.1);
    let server = Server::start();
    let mut admin = server.admin();
    let video = admin.published(&media("av_h264_aac_faststart.mp4"), &json!({}));
    let file = text(&admin.get(&video).json(200)["file_path"]).to_owned();
    let secret = server.data().join("secret.txt");
    std::fs::write(&secret, "the treasure").expect("a folder");
    let absolute = secret.display().to_string();
    std::os::unix::fs::symlink(&secret, server.storage().join("link.mp4")).expect("a folder");
    let long = "x".repeat(4096);
    let names = [
        "../secret.txt",
        "..%2fsecret.txt",
        "..%2Fsecret.txt",
        "%2e%2e/secret.txt",
        "%2e%2e%2fsecret.txt",
        "..%5csecret.txt",
        "..%252fsecret.txt",
        "....//secret.txt",
        "./../secret.txt",
        "temp/../../secret.txt",
        "%c0%ae%c0%ae/secret.txt",
        "..%00/secret.txt",
        "secret.txt%00.mp4",
        "%0d%0aSet-Cookie:%20a=b",
        "link.mp4",
        "CON",
        "-rf",
        "%2d%2dhelp",
        "~root",
        "$(id)",
        "%E2%80%AE4pm.mp4",
        "%F0%9F%90%9D.mp4",
        "%FF%FE",
        "..;/secret.txt",
        ".mediastack-storage",
        "../db/mediastack.db",
        "../server.key",
        "file:///etc/passwd",
        "https:%2f%2fexample.com",
        "|id",
        "*",
        "%",
        "%zz",
        &absolute,
        &absolute.replace('/', "%2f"),
        &long,
    ];
    let mut visitor = server.visitor();
    let mut admin = server.admin();
    let folders = [
        "/vod",
        "/videos",
        "/audio",
        "/thumbnails",
        "/api/images",
        "/play",
        "/assets",
        "/docs",
        "",
    ];
    for folder in folders {
        for name in names {
            let all = match folder {
                "/vod" => vec![
                    format!("/vod/{name}/index.m3u8"),
                    format!("/vod/{file}/{name}"),
                    format!("/vod/{name}"),
                ],
                "/play" => vec![format!("/play/{name}/index.m3u8"), format!("/play/AAAA/{name}")],
                folder => vec![format!("{folder}/{name}")],
            };
            for path in all {
                for asker in [&mut visitor, &mut admin] {
                    let answer = asker.get(&path);
                    assert!(
                        matches!(answer.status, 400 | 403 | 404 | 414 | 422)
                            || (answer.status == 200
                                && answer.header("content-type") == Some("text/html; charset=utf-8"))
                            || (matches!(answer.status, 303 | 307) && folder == "/docs"),
                        "{path}: {} {:?}",
                        answer.status,
                        answer.headers
                    );
                    let said = answer.text();
                    assert!(!said.contains("treasure") && !said.contains("root:"), "{path}");
                    assert!(answer.header("set-cookie").is_none(), "{path}");
                    if answer.header("content-type") == Some("application/problem+json") {
                        assert_tells_nothing(&path, &said);
                    }
                }
            }
        }
    }
    for target in [
        "GET /vod/../../secret.txt HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        format!(
            "GET http://127.0.0.1:{}/../secret.txt HTTP/1.0\r\n\r\n",
            server.port()
        ),
        "GET //etc/passwd HTTP/1.0\r\n\r\n".to_owned(),
        "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n".to_owned(),
        "GET * HTTP/1.0\r\n\r\n".to_owned(),
        "TRACE / HTTP/1.0\r\nCookie: mediastack_session=x\r\n\r\n".to_owned(),
    ] {
        let mut raw = Raw::connect(server.port());
        raw.send(
            target
                .replace("HTTP/1.1\r\n", "HTTP/1.1\r\nConnection: close\r\n")
                .as_bytes(),
        );
        let (said, _) = raw.rest(Duration::from_secs(10));
        assert!(said.starts_with("HTTP/1."), "{target}: {said}");
        assert!(
            !said.contains(" 200 OK\r\n") || said.contains("text/html"),
            "{target}: {said}"
        );
        assert!(
            !said.contains("treasure") && !said.contains("mediastack_session"),
            "{said}"
        );
    }
    assert_eq!(visitor.get("/api/health").status, 200);
    fault.seen("no path leads out of the folders");
}

#[test]
fn ranges_are_those_of_the_standard_and_cost_no_more() {
    let mut fault = Fault::new(
        36,
        "ranges: `bytes=-0`, reversed, beyond the end, a thousand, overlapping, of another unit, If-Range, HEAD",
        "RFC 9110: 206, 416 or 200; many ranges cost no more than the file",
    );
    let server = Server::start();
    let mut admin = server.admin();
    let source = media("av_h264_aac_faststart.mp4");
    let video = admin.published(&source, &json!({}));
    let bytes = std::fs::read(&source).expect("a file");
    let n = bytes.len();
    let file = text(&admin.get(&video).json(200)["file_path"]).to_owned();
    let mut visitor = server.visitor();
    for path in [
        format!("{video}/stream"),
        format!("/videos/{file}"),
        format!("/audio/{file}"),
    ] {
        let mut ask = |headers: &[&str]| visitor.ask("GET", &path, headers, None);
        let whole = ask(&[]);
        let (tag, modified) = (
            whole.header("etag").expect("a tag").to_owned(),
            whole.header("last-modified").expect("a date").to_owned(),
        );
        assert!(whole.body == bytes);
        let last = n - 1;
        for (range, status, told, from, to) in [
            ("bytes=0-0", 206, format!("bytes 0-0/{n}"), 0, 1),
            ("bytes=4-7", 206, format!("bytes 4-7/{n}"), 4, 8),
            ("Bytes=4-7", 206, format!("bytes 4-7/{n}"), 4, 8),
            ("bytes= 4-7", 206, format!("bytes 4-7/{n}"), 4, 8),
            ("bytes=-5", 206, format!("bytes {}-{last}/{n}", n - 5), n - 5, n),
            ("bytes=-99999999", 206, format!("bytes 0-{last}/{n}"), 0, n),
            ("bytes=4-99999999", 206, format!("bytes 4-{last}/{n}"), 4, n),
            ("bytes=-0", 416, format!("bytes */{n}"), 0, 0),
            ("bytes=99999999-", 416, format!("bytes */{n}"), 0, 0),
            ("bytes=7-4", 200, String::new(), 0, n),
            ("bytes=18446744073709551616-", 416, format!("bytes */{n}"), 0, 0),
            ("foo=0-1", 200, String::new(), 0, n),
            ("bytes=a-b", 200, String::new(), 0, n),
            ("bytes=", 200, String::new(), 0, n),
            ("bytes 0-1", 200, String::new(), 0, n),
            ("bytes=--1", 200, String::new(), 0, n),
        ] {
            let answer = ask(&[&format!("Range: {range}")]);
            // RFC 9110, 14.2: what is no range may be ignored, or refused.
            let refused = answer.status == 416 && status == 200;
            assert!(
                answer.status == status || refused,
                "{path} {range}: {}",
                answer.status
            );
            if status == 206 {
                assert_eq!(answer.header("content-range"), Some(told.as_str()), "{range}");
                assert!(answer.body == bytes[from..to], "{range}");
            } else if answer.status == 416 {
                assert_eq!(
                    answer.header("content-range"),
                    Some(format!("bytes */{n}").as_str()),
                    "{range}"
                );
                assert!(answer.body.len() < 1000, "{range}");
            } else {
                assert!(answer.body == bytes, "{range}");
            }
        }
        // A thousand ranges, and the same one over and over: never more than the file.
        let many = |one: &dyn Fn(usize) -> String| (0..1000).map(one).collect::<Vec<_>>().join(",");
        for range in [
            many(&|_| "0-".to_owned()),
            many(&|i| format!("{i}-{}", i + 9)),
            many(&|i| format!("{}-{}", i * 2, i * 2)),
        ] {
            let answer = ask(&[&format!("Range: bytes={range}")]);
            assert!(matches!(answer.status, 200 | 206 | 416), "{}", answer.status);
            assert!(answer.body.len() <= n + 1000, "{} of {n}", answer.body.len());
        }
        let range = "Range: bytes=4-7";
        for (condition, status) in [
            (format!("If-Range: {tag}"), 206),
            ("If-Range: \"other\"".to_owned(), 200),
            (format!("If-Range: W/{tag}"), 200),
            ("If-Range: Thu, 01 Jan 1970 00:00:00 GMT".to_owned(), 200),
            (format!("If-None-Match: {tag}"), 304),
            (format!("If-None-Match: \"x\", {tag}"), 304),
            ("If-None-Match: *".to_owned(), 304),
            (format!("If-Modified-Since: {modified}"), 304),
            (format!("If-Match: {tag}"), 206),
            ("If-Match: \"other\"".to_owned(), 412),
            (
                "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT".to_owned(),
                412,
            ),
        ] {
            assert_eq!(ask(&[range, &condition]).status, status, "{condition}");
        }
        let head = visitor.ask("HEAD", &path, &["Range: bytes=4-7"], None);
        assert_eq!(
            (head.status, head.header("content-length"), head.body.len()),
            (200, Some(n.to_string().as_str()), 0),
            "a range is of GET alone"
        );
    }
    fault.seen("as the standard says, on files, sound and segments");
}

#[test]
fn what_people_write_is_text_wherever_it_is_shown() {
    let mut fault = Fault::new(32, NAMES.0, NAMES.1);
    let server = Server::start();
    let mut admin = server.admin();
    let evil = "<script>alert(1)</script>\"'\u{202e}\r\nSet-Cookie: a=b";
    let about = json!({"title": evil});
    let video = admin.published(&media("av_h264_aac_faststart.mp4"), &about);
    let mut visitor = server.visitor();
    for path in [
        "/api/videos".to_owned(),
        video.clone(),
        format!("{video}/play"),
        "/api/nothing/%3Cscript%3E".to_owned(),
        "/api/videos/%3Cscript%3E".to_owned(),
    ] {
        let answer = visitor.get(&path);
        let kind = answer.header("content-type").expect("a kind");
        assert!(
            ["application/json", "application/problem+json"].contains(&kind),
            "{path}: {kind}"
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
    let file = text(&admin.get(&video).json(200)["file_path"]).to_owned();
    assert!(
        file.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b)),
        "a name of our own: {file}"
    );
    for path in [
        format!("{video}/stream"),
        format!("/videos/{file}"),
        format!("/audio/{file}"),
    ] {
        let answer = visitor.get(&path);
        assert_eq!(
            (
                answer.header("content-type"),
                answer.header("x-content-type-options")
            ),
            (Some("video/mp4"), Some("nosniff")),
            "{path}"
        );
        assert!(
            answer
                .header("content-security-policy")
                .is_some_and(|policy| policy.contains("default-src 'none'") && policy.contains("sandbox")),
            "{path}: {:?}",
            answer.headers
        );
        let saved = answer.header("content-disposition").unwrap_or_default();
        assert!(
            !saved.contains(['\r', '\n']) && answer.header("set-cookie").is_none(),
            "{saved}"
        );
    }
    // The pages themselves run nothing that stands in them, and nobody frames them.
    let page = visitor.get("/");
    let policy = page.header("content-security-policy").expect("a policy");
    for part in [
        "script-src 'self';",
        "object-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    // A page of another site can read nothing and change nothing, though the browser sends the cookie along.
    let form = [("username", "admin"), ("password", "admin123")];
    let cookie = server.visitor().form("/api/auth/login", &form, None).cookie();
    let other = "Origin: https://evil.example";
    let read = visitor.ask("GET", "/api/sources", &[&cookie, other], None);
    assert_eq!(read.header("access-control-allow-origin"), None);
    for (method, path) in [
        ("POST", "/api/videos/1/publish"),
        ("DELETE", "/api/videos/1"),
        ("POST", "/api/tags"),
    ] {
        let changed = visitor.ask(
            method,
            path,
            &[&cookie, other, "Content-Type: text/plain"],
            Some(b"{\"name\":\"x\"}"),
        );
        assert_eq!(changed.status, 401, "{method} {path}");
    }
    fault.seen("titles and names are text in pages and headers; a cookie changes nothing for another site");
}
