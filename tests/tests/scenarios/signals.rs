//! Ctrl-C and `docker stop` end a recording as a finished file, at once.

use std::time::{Duration, Instant};

use mediastack_tests::binary::Running;
use mediastack_tests::fixtures::media;
use mediastack_tests::monitor::Monitor;
use mediastack_tests::nginx_rtmp::{NginxRtmp, WhenPublisherLeaves};
use mediastack_tests::proxy::Proxy;
use mediastack_tests::publish::{Content, Publisher};
use mediastack_tests::recording::{Target, assert_finished};
use rustix::process::Signal;
use serde_json::Value;

/// `stop` returns within a second; the rest is for a busy machine.
const LIMIT: Duration = Duration::from_millis(1500);

#[track_caller]
fn stop(running: Running, signal: Signal) -> Value {
    let asked = Instant::now();
    running.signal(signal);
    let run = running.finish(Duration::from_secs(10)).success();
    assert!(asked.elapsed() < LIMIT, "{:?} after {signal:?}", asked.elapsed());
    let report = run.json();
    assert_eq!(report["status"], "interrupted", "{report:#}");
    report
}

#[test]
fn a_signal_finishes_the_file() {
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let _publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_360p.flv")));
    for signal in [Signal::INT, Signal::TERM] {
        let target = Target::default();
        let running = target.record(&nginx.url("a"), &[]);
        target.wait_until_recording();
        stop(running, signal);
        assert_finished(&target.file());
        target.assert_tidy();
    }
}

#[test]
fn a_silent_source_does_not_delay_it() {
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let proxy = Proxy::start(nginx.port());
    let _publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_360p.flv")));
    let target = Target::default();
    let running = target.record(&format!("rtmp://127.0.0.1:{}/live/a", proxy.port()), &[]);
    target.wait_until_recording();
    proxy.freeze();
    std::thread::sleep(Duration::from_secs(1));
    stop(running, Signal::INT);
    assert_finished(&target.file());
}

#[test]
fn a_source_that_is_gone_does_not_delay_it() {
    let mut nginx = NginxRtmp::start(WhenPublisherLeaves::DropPlayers);
    let _publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_360p.flv")));
    drop(Monitor::start_on_air(&nginx.url("a")));
    let target = Target::default();
    let running = target.record(&nginx.url("a"), &[]);
    target.wait_until_recording();
    nginx.kill();
    std::thread::sleep(Duration::from_secs(3));
    stop(running, Signal::TERM);
    assert_finished(&target.file());
}
