use mediastack_tests::fixtures::media;
use mediastack_tests::hls_origin::{LiveHls, Segments};
use mediastack_tests::judge::Times;
use mediastack_tests::recording::{Plan, record_beside_ffmpeg};

#[test]
fn a_live_playlist_of_ts_segments() {
    let live = LiveHls::start(&media("live_360p.flv"), Segments::Ts);
    let plan = Plan {
        url: &live.url(),
        options: &[],
        input: &[],
        output: &[],
        copied: &["video", "audio"],
        times: Times::All,
    };
    record_beside_ffmpeg(plan, 6);
}

#[test]
fn a_segment_that_is_gone_is_a_listed_gap() {
    use mediastack_tests::file_server::Effect;
    use mediastack_tests::recording::{Target, assert_finished};
    use std::time::Duration;

    let live = LiveHls::start(&media("live_360p.flv"), Segments::Ts);
    live.server().fault("seg00005.ts", None, Effect::Status(404));
    let target = Target::default();
    let run = target
        .record(&live.url(), &["--duration", "8s"])
        .finish(Duration::from_secs(40))
        .success();
    let report = run.json();
    assert_eq!(report["gaps"].as_array().map(Vec::len), Some(1), "{report:#}");
    let length = report["gaps"][0]["length_s"].as_f64().unwrap_or_default();
    assert!((0.5..2.5).contains(&length), "{report:#}");
    assert_finished(&target.file());
}

#[test]
fn a_segment_that_fails_once_is_fetched_again() {
    use mediastack_tests::file_server::Effect;
    use mediastack_tests::recording::{Target, assert_finished};
    use std::time::Duration;

    let live = LiveHls::start(&media("live_360p.flv"), Segments::Ts);
    live.server().fault("seg00004.ts", Some(1), Effect::Status(503));
    live.server()
        .fault("seg00005.ts", Some(1), Effect::Truncate(10_000));
    live.server().fault("index.m3u8", Some(1), Effect::Status(500));
    let target = Target::default();
    let run = target
        .record(&live.url(), &["--duration", "6s"])
        .finish(Duration::from_secs(40))
        .success();
    let report = run.json();
    assert_eq!(report["gaps"].as_array().map(Vec::len), Some(0), "{report:#}");
    assert_finished(&target.file());
}
