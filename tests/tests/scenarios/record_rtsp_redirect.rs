//! RTSP servers that send us elsewhere.

use std::time::Duration;

use mediastack_tests::recording::{Target, assert_finished};
use mediastack_tests::rtsp::{Mount, RtspServer};
use mediastack_tests::rtsp_redirect::RtspRedirect;

#[test]
fn a_redirect_is_followed_and_a_loop_is_not() {
    let camera = RtspServer::start(Mount {
        video: "h264",
        audio: "none",
        protocols: "tcp",
    });
    let front = RtspRedirect::start([127, 0, 0, 1], &camera.url());
    let target = Target::default();
    let limit = Duration::from_secs(30);
    let run = target
        .record(&front.url(), &["--duration", "3s"])
        .finish(limit)
        .success();
    assert_eq!(run.json()["status"], "completed");
    assert_eq!(front.redirects(), 1);
    assert_finished(&target.file());

    let ring = RtspRedirect::start([127, 0, 0, 1], "rtsp://127.0.0.1:{port}/again");
    let target = Target::default();
    let run = target.record(&ring.url(), &["--duration", "3s"]).finish(limit);
    assert!(run.stderr.contains("more than 5 redirects"), "{}", run.stderr);
    run.clear_error();
    assert_eq!(ring.redirects() % 6, 0, "six openings each time");
}
