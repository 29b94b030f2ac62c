//! A connection that stays open and brings nothing: a router forgot it, a camera hangs.

use std::time::Duration;

use mediastack_tests::fixtures::media;
use mediastack_tests::nginx_rtmp::{NginxRtmp, WhenPublisherLeaves};
use mediastack_tests::proxy::Proxy;
use mediastack_tests::publish::{Content, Publisher};
use mediastack_tests::recording::{Target, assert_finished};
use rustix::process::Signal;

#[test]
fn silence_for_ten_seconds_means_connect_again() {
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let proxy = Proxy::start(nginx.port());
    let _publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_360p.flv")));
    let target = Target::default();
    let running = target.record(&format!("rtmp://127.0.0.1:{}/live/a", proxy.port()), &[]);
    target.wait_until_recording();
    let before = proxy.accepted();
    proxy.freeze();
    mediastack_tests::ports::wait_for("a new connection", Duration::from_secs(14), || {
        proxy.accepted() > before
    });
    std::thread::sleep(Duration::from_secs(4));
    running.signal(Signal::INT);
    let report = running.finish(Duration::from_secs(5)).success().json();

    assert_eq!(report["reconnects"], 1, "{report:#}");
    let gaps = report["gaps"].as_array().expect("gaps");
    assert_eq!(gaps.len(), 1, "{report:#}");
    let length = gaps[0]["length_s"].as_f64().unwrap_or_default();
    assert!((8.0..16.0).contains(&length), "{report:#}");
    assert!(
        gaps[0]["cause"].as_str().is_some_and(|c| !c.is_empty()),
        "{report:#}"
    );
    assert_finished(&target.file());
}
