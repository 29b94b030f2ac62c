//! Rows 11 and 12: a recording that can't begin yet, or never.

use std::time::{Duration, Instant};

use mediastack_tests::faults::lab::{Lab, SOON};
use mediastack_tests::faults::{Fault, patience, pick};
use mediastack_tests::fixtures::media;
use mediastack_tests::rtsp_relay::{Feed, Relay};

use crate::hostile::{Stream, forget_peak, peak, serve};

#[test]
fn without_a_key_frame_there_is_an_event_and_no_empty_item() {
    let mut fault = Fault::new(
        11,
        "the first key frame comes after 30 s, or never",
        "waits with bounded memory; event `no_key_frame`; no empty item called complete",
    );
    let late = pick(13_000, 30_000);
    let stream = |name, until: i64| {
        let stream = Stream::long(name, "live_360p.flv", 39_000);
        stream.without(move |sent| sent.tag.is_key() && sent.truth < until)
    };
    let comes = serve(&stream("late", late));
    let never = serve(&stream("never", i64::MAX));
    let mut lab = Lab::default();
    forget_peak(lab.server.id());
    let before = peak(lab.server.id());
    let with = lab.source(&comes.url("live.flv"));
    let without = lab.source(&never.url("live.flv"));
    let began = Instant::now();
    let task = lab.record(with);
    let hopeless = lab.record(without);
    let told = |lab: &mut Lab, task| {
        lab.events(task)
            .iter()
            .any(|event| event.starts_with("no_key_frame: "))
    };
    for task in [task, hopeless] {
        mediastack_tests::ports::wait_for("the event", Duration::from_secs(30), || told(&mut lab, task));
    }
    let noticed = began.elapsed();
    assert!(noticed > Duration::from_secs(9), "{noticed:?}");
    let grown = peak(lab.server.id()) - before;
    lab.until_durable(with, 3.0, Duration::from_secs(60));
    let ended = lab.stop(with);
    let files = {
        let video = lab
            .admin
            .get(&format!("/api/videos/{}", ended["video_id"]))
            .json(200);
        lab.finished(&video)
    };
    assert!(files[0].first("video").packets[0].key);
    let failed = lab.stop(without);
    assert_eq!(failed["status"], "failed", "{failed:#}");
    let why = failed["error_message"].as_str().expect("a reason").to_owned();
    assert_eq!(lab.videos().len(), 1, "nothing comes of the other");
    assert!(grown < 48.0, "{grown} MiB");
    fault
        .seen(format!(
            "told after {:.0} s; begins with the key frame after {} s; never: failed, \"{why}\", no item; {grown:.0} MiB for both",
            noticed.as_secs_f64(),
            late / 1000
        ));
}

#[test]
fn sound_that_is_announced_and_never_comes_is_not_waited_for() {
    let mut fault = Fault::new(
        12,
        "the stream declares audio that never comes",
        "starts within 3 s without it",
    );
    let camera = Relay::start(&Feed {
        file: media("live_360p.flv"),
        // Its codec is known from packets only.
        sound: vec!["-c:a", "libmp3lame", "-b:a", "64k"],
        data: false,
    });
    camera.mute_sound();
    let mut lab = Lab::default();
    let source = lab.source(&camera.url());
    let task = lab.record(source);
    let (_, waited) = lab.until_live(source, SOON, |live| live["received_s"].as_f64() > Some(0.0));
    let waited = waited.as_secs_f64();
    // Three seconds, and what connecting and groups of pictures take on a busy machine.
    assert!(
        waited < patience(Duration::from_secs(8)).as_secs_f64(),
        "{waited} s"
    );
    lab.until_durable(source, 3.0, SOON);
    let ended = lab.stop(source);
    let video = lab.only_video();
    let file = &lab.finished(&video)[0];
    assert_eq!(file.tracks.len(), 1, "{ended:#}");
    let events = lab.events(task);
    let told = events
        .iter()
        .find(|event| event.contains("was announced and has sent nothing"));
    assert!(told.is_some(), "{events:?}");
    fault
        .seen(format!(
            "media after {waited:.1} s; {}",
            told.map(String::as_str).unwrap_or_default()
        ))
        .lost(0.0);
}
