use mediastack_tests::fixtures::media;
use mediastack_tests::judge::Times;
use mediastack_tests::nginx_rtmp::{NginxRtmp, WhenPublisherLeaves};
use mediastack_tests::publish::{Content, Publisher};
use mediastack_tests::recording::{Plan, Target, record_beside_ffmpeg};

fn record(fixture: &str) {
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let url = nginx.url("a");
    let _publisher = Publisher::start(&url, &Content::of(media(fixture)));
    let plan = Plan {
        url: &url,
        options: &[],
        input: &[],
        output: &[],
        copied: &["video", "audio"],
        times: Times::All,
    };
    record_beside_ffmpeg(plan, 5);
}

#[test]
fn a_live_encoder_is_recorded() {
    record("live_360p.flv");
}

#[test]
fn b_frames_are_recorded() {
    record("av_h264_aac.flv");
}

#[test]
fn an_output_that_exists_is_refused_unless_told_otherwise() {
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let _publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_360p.flv")));
    let target = Target::default();
    std::fs::write(target.file(), "precious").expect("writable");
    let limit = std::time::Duration::from_secs(20);
    target
        .record(&nginx.url("a"), &["--duration", "1s"])
        .finish(limit)
        .clear_error();
    assert_eq!(std::fs::read(target.file()).expect("still there"), b"precious");
    target
        .record(&nginx.url("a"), &["--duration", "1s", "--overwrite"])
        .finish(limit)
        .success();
    mediastack_tests::recording::assert_finished(&target.file());
}
