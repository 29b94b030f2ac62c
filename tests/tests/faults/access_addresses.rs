//! Source addresses of somebody who wants the server to look around in its own network.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use mediastack_tests::discreet::assert_tells_nothing;
use mediastack_tests::faults::{Fault, patience};
use mediastack_tests::file_server::{Effect, FileServer};
use mediastack_tests::fixtures::media;
use mediastack_tests::preload::preloaded;
use mediastack_tests::rtsp_redirect::RtspRedirect;
use mediastack_tests::server::{Api, Server};
use serde_json::{Value, json};

/// The row of addresses that are none of a source's business.
const REACH: (&str, &str) = (
    "source addresses into the own network: literal, as numbers, mapped, by redirect, playlist, key, or a name that changes its address",
    "refused before anything is connected to; the same answer whether or not something is there; networks of cameras can be allowed",
);

fn look(admin: &mut Api, url: &str) -> (Value, Duration) {
    let began = Instant::now();
    let seen = admin.post("/api/sources/test", &json!({"url": url})).json(200);
    (seen, began.elapsed())
}

#[test]
fn private_addresses_are_refused_alike_whether_anything_is_there() {
    let mut fault = Fault::new(20, REACH.0, REACH.1);
    let server = Server::start_with(&[("ALLOW_PRIVATE_SOURCES", "false")]);
    let mut admin = server.admin();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a listener");
    let open = listener.local_addr().expect("bound").port();
    let mut said = Vec::new();
    for host in [
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0x7f.1",
        "[::1]",
        "[::ffff:7f00:1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "0.0.0.0",
        "[::]",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "[fe80::1]",
        "[fc00::1]",
        "224.0.0.1",
        "255.255.255.255",
        "localhost.",
        "LOCALHOST",
        "①②⑦.⓪.⓪.①",
        "127.0.0.1.",
    ] {
        for scheme in ["http", "rtsp", "rtmp"] {
            for port in [open, 47] {
                let (seen, took) = look(
                    &mut admin,
                    &format!("{scheme}://user:hunter2@{host}:{port}/live/x"),
                );
                assert_eq!(seen["ok"], false, "{host}");
                assert!(
                    took < patience(Duration::from_secs(3)),
                    "{scheme}://{host}: {took:?}"
                );
                let error = seen["error"].as_str().expect("a reason");
                assert!(!error.contains("hunter2"), "{error}");
                assert_tells_nothing(host, error);
                said.push((host, scheme, error.replace(&format!(":{port}"), ":PORT")));
            }
        }
    }
    assert!(listener.accept().is_err(), "nobody was connected to");
    for pair in said.chunks(2) {
        assert_eq!(
            pair[0].2, pair[1].2,
            "the same whether somebody listens: {:?}",
            pair[0]
        );
    }
    for url in [
        "file:///etc/passwd",
        "/etc/passwd",
        "concat:http://127.0.0.1/a|file:///etc/passwd",
        "subfile,,start,0,end,9,,:/etc/passwd",
        "data:video/mp4;base64,AAAA",
        "gopher://127.0.0.1/",
        "ftp://127.0.0.1/x",
        "udp://127.0.0.1:1",
        "tcp://127.0.0.1:1",
        "unix:/tmp/x",
        "pipe:0",
        "crypto:http://127.0.0.1/",
        "async:http://127.0.0.1/",
        "cache:http://127.0.0.1/",
        "http://127.0.0.1 /x",
        "http://a\r\nb/",
        "http://",
        "javascript:alert(1)",
        "",
        "rtmp://",
        "http://[::1",
        "srt://127.0.0.1:1",
    ] {
        let (seen, _) = look(&mut admin, url);
        assert_eq!(seen["ok"], false, "{url}");
        for protocol in ["hls", "rtmp", "rtsp"] {
            let new = json!({"name": "x", "protocol": protocol, "url": url});
            let status = admin.post("/api/sources", &new).status;
            assert!(matches!(status, 400 | 422), "{url}: {status}");
        }
    }
    // What is stored is checked again each time: a recording says the same, and connects to nobody.
    let new = json!({"name": "x", "protocol": "hls", "url": format!("http://127.0.0.1:{open}/x.m3u8")});
    let id = admin.post("/api/sources", &new).json(201)["id"].clone();
    let target = format!("/api/sources/{id}");
    let soon = Duration::from_secs(20);
    let checked = admin.until(&target, soon, |source| source["last_check_time"].is_string());
    assert_eq!(checked["is_online"], false);
    admin.push(&format!("{target}/record/start")).json(200);
    let ended = admin.until("/api/tasks", soon, |tasks| tasks[0]["status"] == "failed");
    assert_tells_nothing("a task", &ended[0]["error_message"].to_string());
    assert!(listener.accept().is_err(), "nobody was connected to");
    assert_eq!(admin.get("/api/videos").json(200), json!([]));
    fault.seen("29 ways to write an address of the own network, each by HTTP, RTSP and RTMP");
}

#[test]
fn a_source_that_may_be_reached_leads_to_none_that_may_not() {
    let mut fault = Fault::new(20, REACH.0, REACH.1);
    // The network of the camera is allowed, and the one of the treasure beside it is not.
    let server = Server::start_with(&[
        ("ALLOW_PRIVATE_SOURCES", "false"),
        ("SOURCE_NETWORKS", "127.0.0.2/32"),
    ]);
    let mut admin = server.admin();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let camera = FileServer::start_at([127, 0, 0, 2], folder.path());
    std::fs::copy(media("av_h264_aac.ts"), folder.path().join("good.ts")).expect("a file");
    let treasure = FileServer::start(folder.path());
    let inside = treasure.url("good.ts");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a folder");
    let playlist = |segment: &str| {
        format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:20\n#EXT-X-VERSION:6\n#EXTINF:20,\n{segment}\n#EXT-X-ENDLIST\n"
        )
    };
    let (good, _) = look(&mut admin, &camera.url("good.ts"));
    assert_eq!(good["ok"], true, "{good}");
    write("good.m3u8", &playlist("good.ts"));
    let (good, _) = look(&mut admin, &camera.url("good.m3u8"));
    assert_eq!(good["ok"], true, "{good}");
    camera.fault("redirect.ts", None, Effect::Redirect(inside.clone()));
    camera.fault("hop.ts", None, Effect::Redirect("/redirect.ts".to_owned()));
    camera.fault("file.ts", None, Effect::Redirect("file:///etc/passwd".to_owned()));
    camera.fault("loop.ts", None, Effect::Redirect("/loop.ts".to_owned()));
    write("segment.m3u8", &playlist(&inside));
    write("passwd.m3u8", &playlist("file:///etc/passwd"));
    write("concat.m3u8", &playlist("concat:good.ts|/etc/passwd"));
    write(
        "number.m3u8",
        &playlist(&inside.replace("127.0.0.1", "2130706433")),
    );
    write("segment-redirect.m3u8", &playlist("redirect.ts"));
    write(
        "master.m3u8",
        &format!(
            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{}\n",
            treasure.url("good.m3u8")
        ),
    );
    write("self.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nself.m3u8\n");
    let keyed = format!(
        "#EXT-X-KEY:METHOD=AES-128,URI=\"{}\"\n#EXTINF",
        treasure.url("key.bin")
    );
    write("key.m3u8", &playlist("good.ts").replace("#EXTINF", &keyed));
    let mapped = format!("#EXT-X-MAP:URI=\"{}\"\n#EXTINF", treasure.url("init.mp4"));
    write("map.m3u8", &playlist("good.ts").replace("#EXTINF", &mapped));
    for name in [
        "redirect.ts",
        "hop.ts",
        "file.ts",
        "loop.ts",
        "segment.m3u8",
        "passwd.m3u8",
        "concat.m3u8",
        "number.m3u8",
        "segment-redirect.m3u8",
        "master.m3u8",
        "self.m3u8",
        "key.m3u8",
        "map.m3u8",
    ] {
        let (seen, took) = look(&mut admin, &camera.url(name));
        assert_eq!(seen["ok"], false, "{name}: {seen}");
        assert!(took < patience(Duration::from_secs(13)), "{name}: {took:?}");
        let error = seen["error"].as_str().expect("a reason");
        assert!(!error.contains("root:"), "{error}");
        assert_tells_nothing(name, error);
    }
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    silent.set_nonblocking(true).expect("a listener");
    let inside = format!(
        "rtsp://127.0.0.1:{}/x",
        silent.local_addr().expect("bound").port()
    );
    for (location, name) in [
        (inside.as_str(), "RTSP"),
        ("file:///etc/passwd", "a file"),
        ("http://127.0.0.1/", "HTTP"),
    ] {
        let camera = RtspRedirect::start([127, 0, 0, 2], location);
        let (seen, took) = look(&mut admin, &camera.url());
        assert_eq!(seen["ok"], false, "{name}: {seen}");
        assert!(
            camera.redirects() > 0 && took < patience(Duration::from_secs(13)),
            "{name}: {took:?}"
        );
        assert_tells_nothing(name, seen["error"].as_str().expect("a reason"));
    }
    assert!(silent.accept().is_err(), "nobody was connected to");
    assert_eq!(treasure.requests(), [""; 0], "nobody was led there");
    fault.seen("13 HTTP and HLS detours and 3 RTSP redirects: nobody was connected to");
}

#[test]
fn a_name_that_changes_its_address_gains_nothing() {
    let mut fault = Fault::new(20, REACH.0, REACH.1);
    // The first lookup leads to the camera, the second one into the network, and so on in turn.
    let shim = preloaded("names");
    let server = Server::start_with(&[
        ("ALLOW_PRIVATE_SOURCES", "false"),
        ("SOURCE_NETWORKS", "127.0.0.2/32"),
        ("LD_PRELOAD", shim.to_str().expect("a path")),
        ("REBIND_HOST", "rebind.example"),
        ("REBIND_TO", "127.0.0.2,127.0.0.1"),
    ]);
    let mut admin = server.admin();
    for scheme in ["http", "rtmp", "rtsp", "rtmps", "rtsps", "https"] {
        let camera = TcpListener::bind("127.0.0.2:0").expect("a free port");
        let port = camera.local_addr().expect("bound").port();
        let inside = TcpListener::bind(("127.0.0.1", port)).expect("the same port");
        for listener in [&camera, &inside] {
            listener.set_nonblocking(true).expect("a listener");
        }
        let mut met = 0;
        for _ in 0..2 {
            let (seen, _) = std::thread::scope(|scope| {
                let asked =
                    scope.spawn(|| look(&mut admin, &format!("{scheme}://rebind.example:{port}/live/x")));
                while !asked.is_finished() {
                    // Whoever comes is sent away.
                    met += usize::from(camera.accept().is_ok());
                    std::thread::sleep(Duration::from_millis(5));
                }
                asked.join().expect("it asks")
            });
            assert_eq!(seen["ok"], false, "{scheme}: {seen}");
        }
        assert!(met > 0, "{scheme}: the address that may be reached was reached");
        assert!(
            inside.accept().is_err(),
            "{scheme}: nobody was led into the network"
        );
    }
    fault.seen("a name that changes its address between two lookups, by six schemes: the address that was checked is the one connected to");
}
