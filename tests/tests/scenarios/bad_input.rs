//! Hostile files and addresses: a clear error, in bounded time and memory.

use std::time::Duration;

use mediastack_tests::binary;
use mediastack_tests::file_server::FileServer;
use mediastack_tests::fixtures::{corrupt, media};
use mediastack_tests::recording::Target;

const LIMIT: Duration = Duration::from_secs(20);
const MEMORY: u64 = 1 << 30;

/// Nothing can be made of these; of the others (cut, damaged, many tracks) something may.
const HOPELESS: [&str; 12] = [
    "deep.mp4",
    "empty.mp4",
    "huge_box.mp4",
    "huge_box_32.mp4",
    "max_box.mp4",
    "no_tracks.mp4",
    "one_byte.mp4",
    "random.ts",
    "text.mp4",
    "tiny_box.mp4",
    "truncated_in_moov.mp4",
    "zeros.mp4",
];

#[test]
fn files() {
    for path in corrupt() {
        let name = path.file_name().and_then(|n| n.to_str()).expect("an ASCII name");
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (file, out) = (path.to_str().expect("UTF-8"), dir.path().join("out.mp4"));
        let out = out.to_str().expect("UTF-8");
        for args in [vec!["probe", file, "--json"], vec!["remux", file, out, "--json"]] {
            let run = binary::run_in_memory(&args, MEMORY, LIMIT);
            if run.code == Some(0) {
                // A parser may well find a table of lies well-formed; only a copy has to follow it.
                assert!(
                    args[0] == "probe" || !HOPELESS.contains(&name),
                    "{args:?} made something: {run:#?}"
                );
                run.json();
            } else {
                run.clear_error();
            }
        }
        let left: Vec<_> = std::fs::read_dir(dir.path())
            .expect("there")
            .map(|e| e.expect("readable").path())
            .collect();
        assert!(
            left.iter().all(|p| p.ends_with("out.mp4")),
            "{name} left {left:?}"
        );
    }
}

#[test]
fn addresses() {
    let secret = tempfile::NamedTempFile::new().expect("a temporary file");
    let local = secret.path().display();
    let fixture = media("av_h264_aac.ts");
    let fixture = fixture.display();
    for url in [
        format!("file://{fixture}"),
        format!("file:{fixture}"),
        format!("{fixture}"),
        format!("concat:{fixture}|{local}"),
        format!("subfile,,start,0,end,100,,:{fixture}"),
        format!("crypto:{fixture}"),
        "pipe:0".into(),
        "-".into(),
        "".into(),
        "data:text/plain,hello".into(),
        "tcp://127.0.0.1:1".into(),
        "udp://127.0.0.1:1234".into(),
        "ftp://127.0.0.1/a".into(),
        "http://".into(),
        "rtmp:///live".into(),
        "rtsp://127.0.0.1:99999/live".into(),
        format!("http://127.0.0.1/{}", "a".repeat(100_000)),
    ] {
        let target = Target::default();
        // `--` because an address may begin with a dash.
        let out = target.file();
        let args = [
            "record",
            "--duration",
            "2s",
            "--max-reconnect-time",
            "1s",
            "--",
            &url,
            out.to_str().expect("UTF-8"),
        ];
        let run = binary::run_in_memory(&args, MEMORY, LIMIT).clear_error();
        assert!(
            run.stderr.len() < 2000,
            "a short line: {} bytes",
            run.stderr.len()
        );
        assert!(target.entries().is_empty(), "{url} left {:?}", target.entries());
    }
}

#[test]
fn hosts_that_do_not_answer() {
    for url in [
        "rtmp://127.0.0.1:1/live/a",
        "rtsp://127.0.0.1:1/live",
        "http://127.0.0.1:1/a.m3u8",
        "http://no.such.host.invalid/a.flv",
    ] {
        let target = Target::default();
        let running = target.record(url, &["--duration", "2s", "--max-reconnect-time", "2s"]);
        let run = running.finish(LIMIT);
        assert_ne!(run.code, Some(0), "{run:#?}");
        assert!(
            !run.stderr.contains("panicked") && run.code != Some(101),
            "{run:#?}"
        );
    }
}

#[test]
fn a_playlist_cannot_name_local_files() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let stolen = media("av_h264_aac.ts");
    let text = format!(
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{0}\n#EXTINF:2,\n{0}\n#EXT-X-ENDLIST\n",
        stolen.display()
    );
    std::fs::write(dir.path().join("a.m3u8"), text).expect("writable");
    let server = FileServer::start(dir.path());
    let target = Target::default();
    let run = target
        .record(&server.url("a.m3u8"), &["--max-reconnect-time", "2s"])
        .finish(LIMIT);
    assert_ne!(run.code, Some(0), "{run:#?}");
    assert!(!target.file().exists(), "something was recorded");
}

#[test]
fn a_playlist_in_disguise_is_not_followed() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let out = dir.path().join("out.mp4");
    for (name, text) in [
        (
            "a.mp4",
            format!(
                "ffconcat version 1.0\nfile {}\n",
                media("av_h264_aac.ts").display()
            ),
        ),
        (
            "b.mp4",
            format!(
                "#EXTM3U\n#EXTINF:2,\n{}\n#EXT-X-ENDLIST\n",
                media("av_h264_aac.ts").display()
            ),
        ),
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("writable");
        binary::run(&["remux".as_ref(), path.as_os_str(), out.as_os_str()], LIMIT).clear_error();
    }
}
