use mediastack_tests::fixtures::media;
use mediastack_tests::hls_origin::{LiveHls, Segments};
use mediastack_tests::judge::Times;
use mediastack_tests::recording::{Plan, record_beside_ffmpeg};

#[test]
fn a_live_playlist_of_fmp4_segments() {
    let live = LiveHls::start(&media("live_360p.flv"), Segments::Fmp4);
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
