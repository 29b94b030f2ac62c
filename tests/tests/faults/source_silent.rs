//! Rows 2 and 3: a connection that stays open and brings nothing, before and after it brought media.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use mediastack_tests::faults::lab::{Lab, SOON, gaps};
use mediastack_tests::faults::{Fault, patience};
use mediastack_tests::ports;
use mediastack_tests::proxy::Proxy;
use mediastack_tests::rtsp::{Mount, RtspServer};

const CAMERA: Mount = Mount {
    video: "h264",
    audio: "aac",
    protocols: "tcp",
};

#[test]
fn an_rtsp_connection_that_goes_silent_is_given_up_after_ten_seconds() {
    let mut fault = Fault::new(
        2,
        "RTSP half-open: TCP lives, no RTP comes",
        "noticed within 10 s by the lack of data; reconnect; state `reconnecting`",
    );
    let camera = RtspServer::start(CAMERA);
    let proxy = Proxy::start(camera.port());
    let mut lab = Lab::default();
    let (source, _) = lab.recording(&format!("rtsp://127.0.0.1:{}/live", proxy.port()));
    let connections = proxy.accepted();

    proxy.freeze();
    let frozen = Instant::now();
    lab.until_state(source, "reconnecting", Duration::from_secs(13));
    let noticed = frozen.elapsed();
    assert!(
        (8.0..11.5).contains(&noticed.as_secs_f64()),
        "by the watchdog: {noticed:?}"
    );
    lab.until_state(source, "recording", SOON);
    lab.until_more(source, 1.0, SOON);
    let recovered = frozen.elapsed();
    assert_eq!(proxy.accepted(), connections + 1);
    let ended = lab.stop(source);
    let all = gaps(&ended);
    let outage = frozen.elapsed().as_secs_f64();
    assert!(all.len() == 1 && (9.0..outage).contains(&all[0]), "{ended:#}");
    assert_eq!(
        (all.len(), ended["reconnects"].as_i64()),
        (1, Some(1)),
        "{ended:#}"
    );
    let video = lab.only_video();
    assert_eq!(lab.finished(&video).len(), 1);
    fault
        .seen(format!(
            "silence noticed after {:.1} s, one item, one gap",
            noticed.as_secs_f64()
        ))
        .recovered_in(recovered)
        .lost(all[0]);
}

/// A camera that answers everything but PLAY, and how often it was asked to play.
fn mute_camera() -> u16 {
    let port = ports::free();
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port was free a moment ago");
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut reader = BufReader::new(client.try_clone().expect("a socket"));
                let mut client = client;
                let (mut method, mut sequence) = (String::new(), String::new());
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
                    let text = line.trim().to_owned();
                    line.clear();
                    if method.is_empty() {
                        method = text.split(' ').next().unwrap_or_default().to_owned();
                    } else if let Some(number) = text.strip_prefix("CSeq:") {
                        sequence = number.trim().to_owned();
                    } else if text.is_empty() {
                        let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n\
                                   a=rtpmap:96 H264/90000\r\na=control:track1\r\n";
                        let more = match method.as_str() {
                            "OPTIONS" => {
                                "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n".to_owned()
                            }
                            "DESCRIBE" => {
                                format!(
                                    "Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
                                    sdp.len()
                                )
                            }
                            "SETUP" => "Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"
                                .to_owned(),
                            _ => {
                                method.clear();
                                continue;
                            }
                        };
                        let _ = write!(client, "RTSP/1.0 200 OK\r\nCSeq: {sequence}\r\n{more}");
                        method.clear();
                    }
                }
            });
        }
    });
    port
}

#[test]
fn a_camera_that_never_plays_is_an_error_in_words_and_costs_no_thread() {
    let mut fault = Fault::new(
        3,
        "RTSP answers OPTIONS but PLAY never",
        "connect deadline 10 s; clear reason; the thread is given back",
    );
    let port = mute_camera();
    let mut lab = Lab::default();
    let url = format!("rtsp://127.0.0.1:{port}/live");
    let began = Instant::now();
    let tested = lab
        .admin
        .post("/api/sources/test", &serde_json::json!({"url": url}))
        .json(200);
    let waited = began.elapsed();
    assert_eq!(tested["ok"], false, "{tested}");
    let reason = tested["error"].as_str().expect("a reason").to_owned();
    assert!(reason.ends_with("no answer in time"), "{reason}");
    assert!(waited < patience(Duration::from_secs(13)), "{waited:?}");

    // A recording of it says that it connects, and leaves at once when a person stops it.
    let source = lab.source(&url);
    let task = lab.record(source);
    lab.until_state(source, "connecting", SOON);
    let began = Instant::now();
    let given_up = |lab: &mut Lab| {
        let events = lab.events(task);
        events
            .iter()
            .any(|event| event.starts_with("reconnecting: ") && event.contains("no answer in time"))
    };
    ports::wait_for("the deadline", Duration::from_secs(13), || given_up(&mut lab));
    let reconnecting = began.elapsed();
    lab.until_state(source, "connecting", SOON);
    std::thread::sleep(Duration::from_secs(1));
    let stopping = Instant::now();
    let ended = lab.stop(source);
    let stopped = stopping.elapsed();
    assert!(
        stopped < Duration::from_secs(2),
        "in the middle of connecting: {stopped:?}"
    );
    assert_eq!(ended["status"], "failed", "{ended:#}");
    assert!(lab.videos().is_empty(), "nothing came");
    let threads = std::fs::read_dir(format!("/proc/{}/task", lab.server.id())).expect("it runs");
    let recorders: Vec<String> = threads
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("comm")).ok())
        .filter(|name| name.starts_with("rec-"))
        .collect();
    assert!(recorders.is_empty(), "{recorders:?}");
    fault
        .seen(format!(
            "given up after {:.1} s with \"{reason}\"; a stop in the middle took {:.2} s; no thread left",
            reconnecting.as_secs_f64(),
            stopped.as_secs_f64()
        ))
        .recovered_in(reconnecting);
}
