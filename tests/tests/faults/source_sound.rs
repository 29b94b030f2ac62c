//! Row 13: sound of codecs that browsers don't take, and a track that nobody knows.

use std::time::Duration;

use mediastack_tests::faults::lab::{Lab, SOON};
use mediastack_tests::faults::{Fault, pick};
use mediastack_tests::fixtures::media;
use mediastack_tests::rtsp_relay::{Feed, Relay};

/// A name, ffmpeg's options, and the codec in the file.
type Sound = (&'static str, &'static [&'static str], &'static str);

const SOUNDS: [Sound; 6] = [
    (
        "G.711 A-law",
        &["-c:a", "pcm_alaw", "-ar", "8000", "-ac", "1"],
        "aac",
    ),
    (
        "G.726",
        &["-c:a", "g726", "-ar", "8000", "-ac", "1", "-b:a", "32k"],
        "aac",
    ),
    ("Opus", &["-c:a", "libopus", "-b:a", "64k"], "opus"),
    (
        "G.711 mu-law",
        &["-c:a", "pcm_mulaw", "-ar", "8000", "-ac", "1"],
        "aac",
    ),
    ("G.722", &["-c:a", "g722", "-ar", "16000", "-ac", "1"], "aac"),
    ("L16", &["-c:a", "pcm_s16be", "-ar", "44100", "-ac", "1"], "aac"),
];

#[test]
fn no_sound_keeps_a_picture_from_being_recorded() {
    let mut fault = Fault::new(
        13,
        "G.711, G.726, Opus, an unknown data track",
        "video always copied; audio copied where MP4 and browsers take it, else AAC; an unknown track is dropped with an event",
    );
    let mut lab = Lab::default();
    let mut cameras = Vec::new();
    for (name, options, codec) in &SOUNDS[..pick(3, SOUNDS.len())] {
        let feed = Feed {
            file: media("live_360p.flv"),
            sound: options.to_vec(),
            data: true,
        };
        let camera = Relay::start(&feed);
        let source = lab.source(&camera.url());
        let task = lab.record(source);
        cameras.push((name, codec, camera, source, task));
    }
    for (name, codec, camera, source, task) in &mut cameras {
        lab.until_durable(*source, 5.0, SOON + Duration::from_secs(10));
        camera.assert_alive();
        let ended = lab.stop(*source);
        assert_eq!(ended["status"], "interrupted", "{name}: {ended:#}");
        let video = lab
            .admin
            .get(&format!("/api/videos/{}", ended["video_id"]))
            .json(200);
        let files = lab.opened(&video);
        assert_eq!(files.len(), 1, "{name}");
        let (picture, sound) = (files[0].first("video"), files[0].first("audio"));
        assert_eq!(
            (picture.codec.as_str(), sound.codec.as_str()),
            ("h264", **codec),
            "{name}: {video:#}"
        );
        let apart = (picture.end() - sound.end()).abs();
        // A packet of G.726 has a quarter of a second.
        assert!(apart < 1.0, "{name}: sound ends {apart} s beside the picture");
        assert!(sound.length() > 4.0, "{name}: {} s of sound", sound.length());
        let events = lab.events(*task);
        let data = events
            .iter()
            .find(|event| event.starts_with("track: ") && event.contains("is not recorded"));
        assert!(data.is_some(), "{name}: the track of data is told of: {events:?}");
        fault.seen(format!("{name}: {}", sound.codec));
    }
    fault.seen("the track of data is dropped with an event").lost(0.0);
}
