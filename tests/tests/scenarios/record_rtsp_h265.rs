use mediastack_tests::judge::Times;
use mediastack_tests::recording::{Plan, record_beside_ffmpeg};
use mediastack_tests::rtsp::{Mount, RtspServer};

#[test]
fn h265_is_recorded_as_hvc1() {
    let server = RtspServer::start(Mount {
        video: "h265",
        audio: "aac",
        protocols: "tcp",
    });
    let plan = Plan {
        url: &server.url(),
        options: &["--rtsp-transport", "tcp"],
        input: &["-rtsp_transport", "tcp"],
        output: &["-tag:v", "hvc1"],
        copied: &["video", "audio"],
        times: Times::MostSteps,
    };
    let outcome = record_beside_ffmpeg(plan, 5);
    assert_eq!(outcome.ours.first("video").tag, "hvc1");
}
