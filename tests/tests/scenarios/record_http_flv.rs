use mediastack_tests::file_server::FileServer;
use mediastack_tests::fixtures::media;
use mediastack_tests::judge::Times;
use mediastack_tests::recording::{Plan, record_beside_ffmpeg};

#[test]
fn an_endless_flv_over_http() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let server = FileServer::start(dir.path());
    server.live_flv("live.flv", &media("live_360p.flv"));
    let plan = Plan {
        url: &server.url("live.flv"),
        options: &[],
        input: &[],
        output: &[],
        copied: &["video", "audio"],
        times: Times::All,
    };
    record_beside_ffmpeg(plan, 5);
}
