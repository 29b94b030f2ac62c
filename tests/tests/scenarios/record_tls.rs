//! RTMPS and RTSPS, with certificates of cameras.

use std::time::Duration;

use mediastack_tests::fixtures::media;
use mediastack_tests::judge::{self, Times, Verdict, assert_same_over_common_span};
use mediastack_tests::nginx_rtmp::{NginxRtmp, WhenPublisherLeaves};
use mediastack_tests::publish::{Content, Publisher};
use mediastack_tests::recording::{Target, assert_finished};
use mediastack_tests::reference::Reference;
use mediastack_tests::rtsp::{Mount, RtspServer};
use mediastack_tests::tls::TlsProxy;

const LIMIT: Duration = Duration::from_secs(30);

fn recorded(url: &str) -> Verdict {
    let target = Target::default();
    let run = target.record(url, &["--duration", "5s"]).finish(LIMIT).success();
    let report = run.json();
    assert_eq!(
        (&report["status"], &report["reconnects"], &report["gaps"]),
        (&"completed".into(), &0.into(), &serde_json::json!([])),
        "{report:#}"
    );
    let ours = assert_finished(&target.file());
    assert!((ours.duration - 5.0).abs() < 1.1, "{} s", ours.duration);
    ours
}

#[test]
fn rtmp_over_tls() {
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let _publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_360p.flv")));
    let tls = TlsProxy::start(nginx.port());
    let mut plain = Reference::start(&nginx.url("a"), Duration::from_secs(7), &[], &[]);
    let ours = recorded(&format!("rtmps://localhost:{}/live/a", tls.port()));
    let plain = judge::probe(plain.finish(LIMIT));
    for kind in ["video", "audio"] {
        let (ours, plain) = (ours.first(kind), plain.first(kind));
        assert_same_over_common_span(ours, plain, ours.packets.len() / 3, Times::All);
    }
}

#[test]
fn rtsp_over_tls() {
    let camera = RtspServer::start(Mount {
        video: "h264",
        audio: "aac",
        protocols: "tcp",
    });
    let tls = TlsProxy::start(camera.port());
    // The server has a picture of its own for each port that it is asked by, so that there is nothing to compare with.
    let ours = recorded(&format!("rtsps://127.0.0.1:{}/live", tls.port()));
    assert!(ours.first("video").packets.len() > 100 && ours.first("audio").packets.len() > 200);
}
