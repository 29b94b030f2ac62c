//! Clients that cost more than they should: bodies and headers without an end, silence, drips, sockets by the hundred.

use std::time::{Duration, Instant};

use mediastack_tests::discreet::assert_tells_nothing;
use mediastack_tests::faults::Fault;
use mediastack_tests::fixtures::media;
use mediastack_tests::raw::Raw;
use mediastack_tests::server::Server;
use serde_json::json;

/// The row of clients that cost more than they should.
const CLIENTS: (&str, &str) = (
    "slow headers, bodies and readers; ten thousand idle sockets",
    "deadlines for headers, bodies and writing, a cap for all and for each client; HTTP/2 is not spoken",
);

#[test]
fn what_is_too_large_is_refused_in_words() {
    let mut fault = Fault::new(37, CLIENTS.0, CLIENTS.1);
    let server = Server::start();
    let mut admin = server.admin();
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(2 << 20));
    for (method, path) in [
        ("POST", "/api/sources"),
        ("PUT", "/api/videos/1"),
        ("POST", "/api/upload/init"),
        ("POST", "/api/view-codes/verify"),
        ("POST", "/api/sources/callback"),
        ("POST", "/api/videos/1/extract-audio"),
    ] {
        let refused = admin.ask(
            method,
            path,
            &["Content-Type: application/json"],
            Some(large.as_bytes()),
        );
        assert_eq!(
            refused.detail(413),
            "the body is larger than 1048576 bytes",
            "{path}"
        );
    }
    let mut visitor = server.visitor();
    for kind in [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ] {
        let body =
            format!("--x\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\n{large}\r\n--x--\r\n");
        let kind = format!("Content-Type: {kind}");
        let refused = visitor.ask("POST", "/api/auth/login", &[&kind], Some(body.as_bytes()));
        refused.detail(413);
    }
    // Whoever may not send it is told so, and not by a broken connection.
    let chunk = vec![0; 20 << 20];
    let refused = visitor.form(
        "/api/upload/00000000-0000-4000-8000-000000000000/chunk",
        &[("chunk_index", "0")],
        Some(("chunk", "b", &chunk)),
    );
    assert_eq!(refused.detail(401), "Could not validate credentials");
    // JSON that is deep rather than long.
    let deep = "[".repeat(500_000);
    let refused = admin.ask(
        "POST",
        "/api/sources",
        &["Content-Type: application/json"],
        Some(deep.as_bytes()),
    );
    refused.detail(422);
    let port = server.port();
    let second = Duration::from_secs(10);
    for (what, head) in [
        ("a header of a megabyte", format!("GET / HTTP/1.1\r\nHost: x\r\nX-A: {}\r\n\r\n", "a".repeat(1 << 20))),
        ("ten thousand headers", format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(10_000))),
        ("a path of a megabyte", format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(1 << 20))),
        ("no HTTP", "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03".to_owned()),
        ("two lengths", "POST /api/tags HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_owned()),
        ("a negative length", "POST /api/tags HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n".to_owned()),
        ("a broken chunk", "POST /api/view-codes/verify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nZZ\r\n".to_owned()),
        ("a header that is folded", "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n".to_owned()),
        ("a name with a blank", "GET / HTTP/1.1\r\nHost : x\r\n\r\n".to_owned()),
    ] {
        let mut raw = Raw::connect(port);
        raw.send(head.as_bytes());
        let (said, _) = raw.rest(second);
        let status = said.get(9..12).unwrap_or("closed");
        assert!(
            ["400", "414", "431", "closed"].contains(&status),
            "{what}: {}",
            said.get(..200).unwrap_or(&said)
        );
        assert_tells_nothing(what, &said);
    }
    // A body in both ways of telling its length is none that a proxy could see otherwise.
    let smuggled = "POST /api/view-codes/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
                    GET /api/auth/me HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut raw = Raw::connect(port);
    raw.send(smuggled.as_bytes());
    let (said, _) = raw.rest(Duration::from_secs(40));
    assert!(
        said.matches("HTTP/1.1 ").count() <= 2 && !said.contains(" 200 OK"),
        "{said}"
    );
    assert_eq!(visitor.get("/api/health").status, 200, "it goes on");
    assert!(!server.log().contains("panicked"), "{}", server.log());
    fault.seen("bodies, headers and paths without an end: 413, 414, 431 in words");
}

/// One limit is three seconds here, so that all of them are seen side by side.
#[test]
fn clients_that_wait_are_not_waited_for() {
    let mut fault = Fault::new(37, CLIENTS.0, CLIENTS.1);
    let limit = Duration::from_secs(3);
    let server = Server::start_with(&[("CLIENT_TIMEOUT_S", "3"), ("MAX_CONNECTIONS", "64")]);
    let mut admin = server.admin();
    let file = media("av_h264_aac_faststart.mp4");
    let video = admin.published(&file, &json!({}));
    let sound = admin.upload(&file, &json!({}));
    drop(admin);
    assert_eq!(sound["message"], "Upload completed");
    let port = server.port();
    let patience = limit + Duration::from_secs(6);
    let verify = "POST /api/view-codes/verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let (said, took) = Raw::connect(port).rest(patience);
            assert!(
                said.is_empty() && took >= limit,
                "a connection that says nothing: {took:?} {said}"
            );
        });
        scope.spawn(move || {
            let mut raw = Raw::connect(port);
            raw.send(b"GET / HTTP/1.1\r\nHost: x\r\n");
            let began = Instant::now();
            while began.elapsed() < patience && !raw.is_closed() {
                raw.send(b"A: b\r\n");
                std::thread::sleep(Duration::from_millis(500));
            }
            let took = began.elapsed();
            assert!(took >= limit && took < patience, "headers that drip: {took:?}");
        });
        scope.spawn(move || {
            let mut raw = Raw::connect(port);
            raw.send(format!("{verify}Content-Length: 1000\r\n\r\n{{").as_bytes());
            let (said, took) = raw.rest(patience);
            assert!(
                said.starts_with("HTTP/1.1 408 ") && took >= limit,
                "a body that stops: {took:?} {said}"
            );
            assert_tells_nothing("a body that stops", &said);
        });
        scope.spawn(move || {
            let mut raw = Raw::connect(port);
            raw.send(format!("{verify}Content-Length: 1000\r\n\r\n").as_bytes());
            let began = Instant::now();
            while began.elapsed() < patience && !raw.is_closed() {
                raw.send(b" ");
                std::thread::sleep(Duration::from_millis(300));
            }
            let took = began.elapsed();
            assert!(took >= limit && took < patience, "a body that drips: {took:?}");
        });
        scope.spawn(move || {
            let mut raw = Raw::connect(port);
            raw.send(b"GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n");
            let (said, took) = raw.rest(patience);
            assert!(
                said.starts_with("HTTP/1.1 200 OK") && took >= limit,
                "kept alive in vain: {took:?} {said}"
            );
        });
        // Whoever takes nothing of a large answer is cut off, and no file stays open for it.
        let (server, video) = (&server, &video);
        scope.spawn(move || {
            let mut raw = Raw::connect(port);
            let many = format!("GET {video}/stream HTTP/1.1\r\nHost: x\r\n\r\n").repeat(8);
            raw.send(many.as_bytes());
            let open = || {
                let folder = std::fs::read_dir(format!("/proc/{}/fd", server.id())).expect("a process");
                let files = folder
                    .flatten()
                    .filter_map(|entry| std::fs::read_link(entry.path()).ok());
                files
                    .filter(|path| path.extension().is_some_and(|end| end == "mp4"))
                    .count()
            };
            mediastack_tests::ports::wait_for("the file to be opened", limit, || open() > 0);
            mediastack_tests::ports::wait_for("the file to be closed", patience * 2, || open() == 0);
        });
    });
    // A crowd that says nothing takes all places, until its time is over.
    let crowd: Vec<Raw> = (0..64).map(|_| Raw::connect(port)).collect();
    let began = Instant::now();
    assert_eq!(server.visitor().get("/api/health").status, 200);
    assert!(began.elapsed() < patience, "{:?}", began.elapsed());
    for mut raw in crowd {
        raw.rest(patience);
    }
    assert!(!server.log().contains("panicked"), "{}", server.log());
    fault.seen("silence and drips of headers and bodies, and readers who take nothing: closed at the limit");
}

#[test]
fn nobody_takes_all_places_alone() {
    let mut fault = Fault::new(37, CLIENTS.0, CLIENTS.1);
    let limit = [("MAX_CONNECTIONS_PER_CLIENT", "50"), ("CLIENT_TIMEOUT_S", "20")];
    let server = Server::start_with(&limit);
    let port = server.port();
    // Who waited for the port to open has let go of his place by then, or soon.
    let mut crowd = Vec::new();
    mediastack_tests::ports::wait_for("fifty places", Duration::from_secs(20), || {
        crowd.clear();
        std::thread::sleep(Duration::from_millis(200));
        crowd.extend((0..50).map(|_| Raw::connect(port)));
        std::thread::sleep(Duration::from_millis(200));
        crowd.iter_mut().all(|raw: &mut Raw| !raw.is_closed())
    });
    let began = Instant::now();
    let (said, _) = Raw::connect(port).rest(Duration::from_secs(5));
    assert!(
        said.is_empty() && began.elapsed() < Duration::from_secs(3),
        "one too many: {said}"
    );
    // Somebody else: another address of this machine.
    let mut other = Raw::connect_from([127, 0, 0, 2], port);
    other.send(b"GET /api/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(other.rest(Duration::from_secs(5)).0.starts_with("HTTP/1.1 200 "));
    crowd.pop();
    mediastack_tests::ports::wait_for("a place to be free again", Duration::from_secs(5), || {
        let mut raw = Raw::connect(port);
        raw.send(b"GET /api/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        raw.rest(Duration::from_secs(5)).0.starts_with("HTTP/1.1 200 ")
    });
    fault.seen("one address has so many connections and no more; others are served meanwhile");
}
