//! The harness against itself: each server serves what a recording will be taken from, and ffmpeg can read it.

use std::time::Duration;

use mediastack_tests::file_server::{Effect, FileServer};
use mediastack_tests::fixtures::media;
use mediastack_tests::hls_origin::{LiveHls, Segments, VodHls};
use mediastack_tests::judge::{
    self, Times, assert_faststart, assert_same_over_common_span, assert_same_packets,
};
use mediastack_tests::monitor::Monitor;
use mediastack_tests::nginx_rtmp::{NginxRtmp, WhenPublisherLeaves};
use mediastack_tests::ports;
use mediastack_tests::proxy::Proxy;
use mediastack_tests::publish::{Content, Publisher};
use mediastack_tests::reference::{self, Reference};
use mediastack_tests::rtsp::{Mount, RtspServer};

const SHORT: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_secs(20);

/// Two players of one source get the same packets; gives the tracks as `codec` names.
fn two_players(url: &str, times: Times, input: &[&str], output: &[&str]) -> Vec<String> {
    let mut players = [
        Reference::start(url, SHORT, input, output),
        Reference::start(url, SHORT, input, output),
    ];
    let files: Vec<_> = players
        .iter_mut()
        .map(|p| judge::probe(p.finish(LIMIT)))
        .collect();
    for (a, b) in files[0].tracks.iter().zip(&files[1].tracks) {
        assert_same_over_common_span(a, b, 10, times);
    }
    files[0].tracks.iter().map(|t| t.codec.clone()).collect()
}

#[test]
fn nginx_rtmp_gives_every_player_the_same_packets() {
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let url = nginx.url("a");
    let mut publisher = Publisher::start(&url, &Content::of(media("live_360p.flv")));
    let monitor = Monitor::start(&url);
    assert_eq!(two_players(&url, Times::All, &[], &[]), ["h264", "aac"]);
    ports::wait_for("packets at the monitor", SHORT, || monitor.count() > 25);
    publisher.assert_alive();
}

#[test]
fn nginx_rtmp_keeps_or_drops_the_players_of_a_dead_publisher() {
    for leave in [WhenPublisherLeaves::KeepPlayers, WhenPublisherLeaves::DropPlayers] {
        let nginx = NginxRtmp::start(leave);
        let late = Content::of(media("live_180p.flv")).starting_at(Duration::from_secs(100));
        let mut publisher = Publisher::start(&nginx.url("a"), &late);
        let mut player = Monitor::start_on_air(&nginx.url("a"));
        publisher.kill();
        let mut early = Monitor::start(&nginx.url("a"));
        if leave == WhenPublisherLeaves::DropPlayers {
            ports::wait_for("both players to end", LIMIT, || {
                player.has_ended() && early.has_ended()
            });
        } else {
            std::thread::sleep(Duration::from_secs(1));
            assert!(!player.has_ended() && !early.has_ended());
            publisher.restart(&late);
            ports::wait_for("packets of the new publisher", LIMIT, || early.count() > 5);
        }
    }
}

#[test]
fn a_frozen_proxy_keeps_its_sockets_and_a_new_connection_works() {
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let proxy = Proxy::start(nginx.port());
    let _publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_360p.flv")));
    let url = format!("rtmp://127.0.0.1:{}/live/a", proxy.port());
    let monitor = Monitor::start(&url);
    ports::wait_for("the first packets", LIMIT, || monitor.count() > 5);
    proxy.freeze();
    std::thread::sleep(Duration::from_millis(300));
    let frozen = monitor.count();
    let second = Monitor::start(&url);
    ports::wait_for("packets over a new connection", LIMIT, || second.count() > 5);
    assert_eq!(monitor.count(), frozen);
    proxy.thaw();
    ports::wait_for("the frozen connection to go on", LIMIT, || {
        monitor.count() > frozen
    });
    proxy.cut();
    std::thread::sleep(Duration::from_millis(300));
    let cut = second.count();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(second.count(), cut);
}

#[test]
fn the_rtsp_server_speaks_tcp_and_udp() {
    let server = RtspServer::start(Mount {
        video: "h264",
        audio: "aac",
        protocols: "both",
    });
    for transport in ["tcp", "udp"] {
        assert_eq!(
            two_players(
                &server.url(),
                Times::MostSteps,
                &["-rtsp_transport", transport],
                &[]
            ),
            ["h264", "aac"]
        );
    }
}

#[test]
fn the_rtsp_server_has_g711() {
    for (audio, codec) in [("alaw", "pcm_alaw"), ("mulaw", "pcm_mulaw")] {
        let server = RtspServer::start(Mount {
            video: "h264",
            audio,
            protocols: "tcp",
        });
        let dir = tempfile::tempdir().expect("a temporary directory");
        let out = dir.path().join("a.mkv");
        let mut ffmpeg = std::process::Command::new("ffmpeg");
        ffmpeg.args([
            "-nostdin",
            "-v",
            "error",
            "-rtsp_transport",
            "tcp",
            "-i",
            &server.url(),
            "-t",
            "1",
            "-c",
            "copy",
        ]);
        mediastack_tests::process::output_of(ffmpeg.arg(&out));
        assert_eq!(judge::probe(&out).first("audio").codec, codec);
    }
}

#[test]
fn the_rtsp_server_has_h265() {
    let server = RtspServer::start(Mount {
        video: "h265",
        audio: "aac",
        protocols: "tcp",
    });
    assert_eq!(
        two_players(
            &server.url(),
            Times::MostSteps,
            &["-rtsp_transport", "tcp"],
            &["-tag:v", "hvc1"]
        ),
        ["hevc", "aac"]
    );
}

#[test]
fn the_hls_origin_is_live_in_both_containers() {
    for segments in [Segments::Ts, Segments::Fmp4] {
        let live = LiveHls::start(&media("live_360p.flv"), segments);
        assert_eq!(
            two_players(&live.url(), Times::All, &[], &[]),
            ["h264", "aac"],
            "{segments:?}"
        );
    }
}

#[test]
fn the_hls_origin_has_encrypted_files() {
    let vod = VodHls::make(&media("av_h264_aac_faststart.mp4"), Segments::Ts, true);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let out = dir.path().join("a.mp4");
    let mut ffmpeg = std::process::Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-i", &vod.url(), "-c", "copy"]);
    mediastack_tests::process::output_of(ffmpeg.arg(&out));
    let whole = judge::probe(&media("av_h264_aac.ts"));
    assert_eq!(
        judge::probe(&out).first("video").packets.len(),
        whole.first("video").packets.len()
    );
    assert!(vod.server().requests().iter().any(|r| r == "/key.bin"));
}

#[test]
fn the_file_server_answers_with_ranges_and_faults() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(dir.path().join("a.bin"), (0_u8..100).collect::<Vec<_>>()).expect("writable");
    let server = FileServer::start(dir.path());
    let get = |options: &[&str]| {
        let mut client = std::process::Command::new("ffmpeg");
        client
            .args(["-v", "error"])
            .args(options)
            .args(["-f", "data", "-i", &server.url("a.bin")]);
        let out = client
            .args(["-map", "0", "-c", "copy", "-f", "data", "-"])
            .output()
            .expect("ffmpeg starts");
        out.stdout
    };
    assert_eq!(get(&[]).len(), 100);
    assert_eq!(
        get(&["-offset", "90", "-seekable", "1"]),
        (90_u8..100).collect::<Vec<_>>()
    );
    server.fault("a.bin", None, Effect::Truncate(40));
    assert_eq!(get(&["-reconnect", "0"]).len(), 40);
    server.clear_faults();
    server.fault("a.bin", Some(1), Effect::Status(503));
    assert!(get(&[]).is_empty());
    assert_eq!(get(&[]).len(), 100);
    server.fault("a.bin", Some(1), Effect::Redirect("/a.bin".into()));
    assert_eq!(get(&[]).len(), 100);
    server.live_flv("live.flv", &media("live_360p.flv"));
    assert_eq!(
        two_players(&server.url("live.flv"), Times::All, &[], &[]),
        ["h264", "aac"]
    );
}

#[test]
fn the_judge_sees_what_is_wrong() {
    let good = judge::probe(&media("av_h264_aac_faststart.mp4"));
    good.assert_clean();
    good.assert_duration();
    good.assert_starts_together();
    assert_faststart(&media("av_h264_aac_faststart.mp4"));
    for name in ["av_h264_aac_moov_last.mp4", "av_h264_aac_fragmented.mp4"] {
        assert!(
            std::panic::catch_unwind(|| assert_faststart(&media(name))).is_err(),
            "{name}"
        );
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let out = dir.path().join("a.mp4");
    reference::copy(&media("av_h264_aac.mkv"), &out, &[]);
    let copied = judge::probe(&out);
    assert_same_packets(good.first("video"), copied.first("video"));
    let mut lossy = judge::probe(&out);
    lossy.tracks[0].packets.remove(100);
    let differ = || assert_same_over_common_span(&lossy.tracks[0], copied.first("video"), 10, Times::All);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(differ)).is_err());
}
