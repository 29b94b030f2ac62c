use std::time::Duration;

use mediastack_tests::fixtures::media;
use mediastack_tests::hls_origin::{Segments, VodHls};
use mediastack_tests::judge;
use mediastack_tests::recording::{Target, assert_finished};

/// A playlist with an end is taken whole, faster than it plays.
fn record(segments: Segments, encrypted: bool) {
    let vod = VodHls::make(&media("av_h264_aac_faststart.mp4"), segments, encrypted);
    let target = Target::default();
    let run = target
        .record(&vod.url(), &[])
        .finish(Duration::from_secs(30))
        .success();
    assert_eq!(run.json()["status"], "completed");
    assert!(run.wall < Duration::from_secs(15), "{:?}", run.wall);
    let ours = assert_finished(&target.file());
    let whole = judge::probe(&media("av_h264_aac_faststart.mp4"));
    for kind in ["video", "audio"] {
        assert_eq!(
            ours.first(kind).packets.len(),
            whole.first(kind).packets.len(),
            "{kind}"
        );
    }
}

#[test]
fn encrypted_segments() {
    record(Segments::Ts, true);
}

#[test]
fn plain_segments() {
    record(Segments::Ts, false);
}

#[test]
fn fmp4_segments() {
    record(Segments::Fmp4, false);
}
