use mediastack_tests::judge::Times;
use mediastack_tests::recording::{Plan, record_beside_ffmpeg};
use mediastack_tests::rtsp::{Mount, RtspServer};

#[test]
fn h264_and_aac_over_udp() {
    let server = RtspServer::start(Mount {
        video: "h264",
        audio: "aac",
        protocols: "udp",
    });
    let plan = Plan {
        url: &server.url(),
        options: &["--rtsp-transport", "udp"],
        input: &["-rtsp_transport", "udp"],
        output: &[],
        copied: &["video", "audio"],
        times: Times::MostSteps,
    };
    record_beside_ffmpeg(plan, 5);
}
