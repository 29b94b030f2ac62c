//! The command line as a shell sees it: words, exit codes, JSON; without any server.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const SECRET: &str = "hunter2";

fn mediastack(arguments: &[&str], folder: &Path) -> Output {
    command(arguments, folder).output().expect("runs")
}

fn command(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mediastack"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_remove("RUST_LOG")
        .env_remove("MEDIASTACK_URL")
        .stdin(Stdio::null());
    command
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// Exactly one line on standard error, from us.
fn complaint(output: &Output) -> String {
    let text = stderr(output);
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("mediastack: "), "{text}");
    text
}

/// The one object on standard output.
fn object(output: &Output) -> Value {
    let text = stdout(output);
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).expect("JSON")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("exits")
}

/// A port of this machine on which nobody listens.
fn closed_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}

#[test]
fn help_and_version_go_to_standard_output() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in [
        &["--help"][..],
        &["record", "--help"],
        &["recover", "--help"],
        &["remux", "--help"],
        &["--version"],
    ] {
        let output = mediastack(arguments, folder.path());
        assert_eq!(code(&output), 0, "{arguments:?}");
        assert!(stderr(&output).is_empty());
        assert!(stdout(&output).lines().count() >= 1);
    }
    let help = stdout(&mediastack(&["--help"], folder.path()));
    assert!(help.contains("Exit codes:") && help.contains("130"), "{help}");
    let record = stdout(&mediastack(&["record", "--help"], folder.path()));
    for word in [
        "--duration",
        "--rtsp-transport",
        "--audio",
        "--max-reconnect-time",
        "--json",
        "--overwrite",
        "MEDIASTACK_URL",
    ] {
        assert!(record.contains(word), "{word}");
    }
    assert!(!record.contains("MEDIASTACK_CRASH_AT"));
    let version = stdout(&mediastack(&["--version"], folder.path()));
    assert!(version.contains("libavformat"), "{version}");
}

#[test]
fn a_wrong_option_is_one_line_and_code_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("rtsp://u:{SECRET}@127.0.0.1/a");
    for arguments in [
        &["record", &url, "a.mp4", "--duration", "ten"][..],
        &["record", &url, "a.mp4", "--duration", "5x"],
        &["record", &url, "a.mp4", "--duration", "-5"],
        &["record", &url, "a.mp4", "--duration", "0"],
        &["record", &url, "a.mp4", "--max-reconnect-time", "1h1h"],
        &["record", &url, "a.mp4", "--audio", "loud"],
        &["record", &url, "a.mp4", "--rtsp-transport", "pigeon"],
        &["record", &url, "a.mp4", "--log", "no=such=level"],
        &["record", &url, "a.mp4", &url],
        &["record", "a.mp4", &format!("--{url}")],
        &["record", &format!("--url={url}"), "a.mp4"],
        &["record", &url],
        &["record", &url, "a.mp4", "--json=no"],
        &[&url],
    ] {
        let output = mediastack(arguments, folder.path());
        assert_eq!(code(&output), 2, "{arguments:?}");
        let text = complaint(&output);
        assert!(!text.contains(SECRET), "{text}");
        assert!(stdout(&output).is_empty());
    }
    assert_eq!(fs::read_dir(folder.path()).expect("reads").count(), 0);
}

#[test]
fn other_schemes_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("in.mp4"), b"media").expect("writes");
    for url in [
        "file:in.mp4",
        "file:///etc/passwd",
        "concat:in.mp4|in.mp4",
        "subfile,,start,0,end,9,,:in.mp4",
        "data:video/mp4;base64,AAAA",
        "pipe:0",
        "tcp://127.0.0.1:1",
        "crypto:in.mp4",
        "ftp://127.0.0.1/a",
        "in.mp4",
        "",
        "-x",
    ] {
        let output = mediastack(&["record", "--", url, "a.mp4"], folder.path());
        assert_eq!(code(&output), 2, "{url}");
        complaint(&output);
        assert!(!folder.path().join("a.mp4").exists());
    }
}

#[test]
fn credentials_are_never_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = closed_port();
    for scheme in ["rtmp", "rtsp", "http"] {
        let url = format!("{scheme}://user:{SECRET}@127.0.0.1:{port}/a?token={SECRET}");
        let arguments = ["record", &url, "a.mp4", "--json", "--log", "trace"];
        let output = mediastack(&arguments, folder.path());
        assert_eq!(code(&output), 7, "{scheme}: {}", stderr(&output));
        let text = stdout(&output) + &stderr(&output);
        assert!(!text.contains(SECRET), "{text}");
        assert!(text.contains("127.0.0.1"), "{text}");
    }
    for url in [
        format!("bad://u:{SECRET}@h/a"),
        format!("rtsp:/u:{SECRET}@h/a"),
        format!("rtsp://u:{SECRET}@"),
        format!("rtsp://u:{SECRET}@h o/a"),
        format!("rtsp://u:{SECRET}@h/#a"),
    ] {
        let output = mediastack(&["record", &url, "a.mp4"], folder.path());
        assert_eq!(code(&output), 2);
        assert!(!complaint(&output).contains(SECRET), "{}", stderr(&output));
    }
}

#[test]
fn an_address_can_come_from_the_environment_or_standard_input() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("http://u:{SECRET}@127.0.0.1:{}/a", closed_port());
    let arguments = ["record", "-", "a.mp4", "--json"];
    let output = command(&arguments, folder.path())
        .env("MEDIASTACK_URL", &url)
        .output()
        .expect("runs");
    assert_eq!(code(&output), 7, "{}", stderr(&output));
    let mut child = command(&arguments, folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut stdin = child.stdin.take().expect("piped");
    writeln!(stdin, "{url}").expect("writes");
    let output = child.wait_with_output().expect("ends");
    assert_eq!(code(&output), 7, "{}", stderr(&output));
    assert_eq!(code(&mediastack(&arguments, folder.path())), 2);
}

#[test]
fn an_output_that_exists_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("http://127.0.0.1:{}/a", closed_port());
    let path = folder.path().join("a.mp4");
    fs::write(&path, b"precious").expect("writes");
    let output = mediastack(&["record", &url, "a.mp4"], folder.path());
    assert_eq!(code(&output), 2);
    assert!(complaint(&output).contains("a.mp4"));
    // Even where it may be replaced, a source that gives nothing replaces nothing.
    let output = mediastack(&["record", &url, "a.mp4", "--overwrite"], folder.path());
    assert_eq!(code(&output), 7);
    assert_eq!(fs::read(&path).expect("reads"), b"precious");
    let output = mediastack(&["record", &url, "no/such/folder.mp4"], folder.path());
    assert_eq!(code(&output), 5);
    complaint(&output);
}

#[test]
fn a_failure_is_an_object_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("http://127.0.0.1:{}/a", closed_port());
    let output = mediastack(&["record", &url, "a.mp4", "--json"], folder.path());
    assert_eq!(code(&output), 7);
    complaint(&output);
    let object_ = object(&output);
    assert_eq!(object_["status"], "failed");
    assert_eq!(object_["error"]["kind"], "unreachable");
    assert!(
        object_["error"]["message"]
            .as_str()
            .is_some_and(|text| text.contains("127.0.0.1"))
    );
    for (key, empty) in [
        ("duration_s", serde_json::json!(0.0)),
        ("size_bytes", serde_json::json!(0)),
        ("tracks", serde_json::json!([])),
        ("parts", serde_json::json!([])),
        ("gaps", serde_json::json!([])),
        ("reconnects", serde_json::json!(0)),
        ("finish_method", Value::Null),
    ] {
        assert_eq!(object_[key], empty, "{key}");
    }
    assert!(object_["finish_ms"].is_number());
    for arguments in [
        &["record", "file:x", "a.mp4", "--json"][..],
        &["record", "--json"],
        &["record", &url, "a.mp4", "--duration", "x", "--json"],
    ] {
        let output = mediastack(arguments, folder.path());
        assert_eq!(code(&output), 2);
        let object = object(&output);
        assert_eq!(object["status"], "failed");
        assert_eq!(object["error"]["kind"], "invalid_input");
    }
    assert_eq!(fs::read_dir(folder.path()).expect("reads").count(), 0);
}

#[test]
fn recover_tells_what_it_cannot_do() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("text.mp4"), b"this is a text file").expect("writes");
    for (path, code_, kind) in [("none.mp4", 5, "not_found"), ("text.mp4", 4, "malformed")] {
        let output = mediastack(&["recover", path, "--json"], folder.path());
        assert_eq!(code(&output), code_, "{}", stderr(&output));
        complaint(&output);
        let object = object(&output);
        assert_eq!(object["files"][0]["outcome"], "failed");
        assert_eq!(object["files"][0]["path"], path);
        assert_eq!(object["files"][0]["error"]["kind"], kind);
    }
    let output = mediastack(&["recover", ".", "--json"], folder.path());
    assert_eq!(code(&output), 0);
    assert_eq!(object(&output)["files"], serde_json::json!([]));
    assert_eq!(
        fs::read(folder.path().join("text.mp4")).expect("reads"),
        b"this is a text file"
    );
}

#[test]
fn remux_refuses_what_is_no_media_and_writes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("text.ts"), b"this is a text file").expect("writes");
    fs::write(folder.path().join("empty.mp4"), b"").expect("writes");
    for (input, kinds) in [
        ("none.mp4", &["not_found"][..]),
        ("text.ts", &["malformed", "unsupported"]),
        ("empty.mp4", &["malformed", "unsupported"]),
    ] {
        let output = mediastack(&["remux", input, "out.mp4", "--json"], folder.path());
        complaint(&output);
        let object = object(&output);
        assert_eq!(object["status"], "failed");
        let kind = object["error"]["kind"].as_str().expect("a word");
        assert!(kinds.contains(&kind), "{input}: {kind}");
        assert!(matches!(code(&output), 3..=5), "{input}");
    }
    assert_eq!(fs::read_dir(folder.path()).expect("reads").count(), 2);
}

#[test]
fn nobody_reading_is_no_reason_to_fail() {
    let folder = tempfile::tempdir().expect("a folder");
    let closed = || {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        Stdio::from(writer)
    };
    let status = command(&["recover", ".", "--json"], folder.path())
        .stdout(closed())
        .stderr(closed())
        .status()
        .expect("runs");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_signal_while_connecting_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    // A source that takes the connection and never answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!(
        "rtsp://127.0.0.1:{}/a",
        listener.local_addr().expect("bound").port()
    );
    for signal in ["-INT", "-TERM"] {
        let child = command(&["record", &url, "a.mp4", "--json"], folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let connection = listener.accept().expect("connects");
        let pid = child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().expect("runs");
        assert!(sent.success());
        let output = child.wait_with_output().expect("ends");
        drop(connection);
        assert_eq!(code(&output), 130, "{}", stderr(&output));
        let object = object(&output);
        assert_eq!(object["status"], "failed");
        assert_eq!(object["end"], "stopped");
        assert_eq!(object["error"]["kind"], "cancelled");
        assert_eq!(fs::read_dir(folder.path()).expect("reads").count(), 0);
    }
}
