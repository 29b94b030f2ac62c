//! Rows 15 to 17: an HLS origin that stumbles, lies, or stands still.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mediastack_tests::faults::lab::{Lab, SOON, gaps};
use mediastack_tests::faults::{Fault, pick};
use mediastack_tests::fixtures::media;
use mediastack_tests::hls_window::{LiveWindow, cut};
use mediastack_tests::judge::Verdict;
use mediastack_tests::origin::Reply;

/// Whole minutes of content are cut in a moment, since nothing is encoded.
fn window(seconds: u32) -> LiveWindow {
    LiveWindow::start(cut(&media("live_360p.flv"), seconds))
}

/// The one recording that was made, when it was stopped: its item, its gaps, its file.
#[track_caller]
fn stopped(lab: &mut Lab, source: i64) -> (serde_json::Value, Vec<f64>, Verdict) {
    let ended = lab.stop(source);
    let video = lab.only_video();
    let mut parts = lab.finished(&video);
    assert_eq!(parts.len(), 1, "one file: {ended:#}");
    (ended.clone(), gaps(&ended), parts.remove(0))
}

#[test]
fn a_playlist_that_is_away_for_20_seconds_costs_what_left_the_window() {
    let mut fault = Fault::new(
        15,
        "HLS playlist answers 404 or 5xx for 20 s, then is back",
        "goes on in the same recording; missing sequence numbers are a listed gap",
    );
    let away = pick(Duration::from_secs(9), Duration::from_secs(20));
    let origin = window(120);
    let mut lab = Lab::default();
    let (source, _) = lab.recording(&origin.url());
    let failures = AtomicUsize::new(0);
    let head = origin.head();
    origin.script(move |asked, _| {
        let wrong = [404, 503, 500, 502];
        (asked.path == "index.m3u8")
            .then(|| Reply::status(wrong[failures.fetch_add(1, Ordering::Relaxed) % wrong.len()]))
    });
    std::thread::sleep(away);
    origin.heal();
    let back = Instant::now();
    // Six segments are in the window; what was added before and is not there any more is lost.
    let lost = (origin.head() - head).saturating_sub(6);
    lab.until_more(source, 3.0, SOON);
    let recovered = back.elapsed();
    let (ended, gaps, file) = stopped(&mut lab, source);
    assert_eq!(ended["reconnects"], 0, "{ended:#}");
    assert_eq!(gaps.len(), 1, "{ended:#}");
    let cause = ended["gaps"][0]["cause"].as_str().expect("a text").to_owned();
    assert!(cause.contains("left the playlist"), "{ended:#}");
    assert!(
        (gaps[0] - lost as f64).abs() < 2.5,
        "{lost} segments of a second: {ended:#}"
    );
    assert!(file.duration > 5.0);
    fault
        .seen(format!(
            "{away:?} away: no reconnect, gap of {:.1} s: {cause}",
            gaps[0]
        ))
        .recovered_in(recovered)
        .lost(gaps[0]);
}

/// What is wrong with one segment, and whether it is wrong for ever.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    Missing,
    Truncated,
    Lies,
    Drips,
    Garbage,
}

#[track_caller]
fn one_bad_segment(wrong: Wrong, times: u64) -> (Lab, serde_json::Value, Vec<f64>, Verdict, LiveWindow) {
    let origin = window(100);
    let mut lab = Lab::default();
    let (source, _) = lab.recording(&origin.url());
    let bad = origin.head() + 2;
    let count = Arc::new(AtomicU64::new(0));
    let segment = origin.segment(bad).bytes;
    origin.script(move |asked, _| {
        if asked.path != format!("{bad}.ts") || count.fetch_add(1, Ordering::Relaxed) >= times {
            return None;
        }
        let whole = Reply::ok("video/mp2t", Arc::clone(&segment));
        let half = segment.len() / 2;
        Some(match wrong {
            Wrong::Missing => Reply::status(404),
            Wrong::Truncated => whole.cut_after(half),
            Wrong::Lies => whole.claiming(segment.len() as u64 * 2),
            Wrong::Drips => whole.dripping(1),
            Wrong::Garbage => Reply::ok("video/mp2t", vec![0x47; 188 * 40]),
        })
    });
    lab.until_live(source, Duration::from_secs(60), |_| origin.head() > bad + 7);
    lab.until_more(source, 2.0, SOON);
    let (ended, gaps, file) = stopped(&mut lab, source);
    (lab, ended, gaps, file, origin)
}

#[test]
fn a_segment_that_is_bad_once_is_fetched_again() {
    let mut fault = Fault::new(
        16,
        "segment 404, truncated, Content-Length that lies, drip of 1 B/s",
        "tried again within the target duration, then a gap; a partial segment is never appended",
    );
    for wrong in [Wrong::Missing, Wrong::Truncated] {
        let (_, ended, gaps, file, _) = one_bad_segment(wrong, 1);
        assert!(gaps.is_empty(), "{wrong:?}: {ended:#}");
        assert_no_hole(&file, &[]);
    }
    fault.seen("bad once: fetched again, nothing missing").lost(0.0);
}

#[test]
fn a_segment_that_stays_bad_is_a_gap() {
    let mut fault = Fault::new(
        16,
        "segment 404, truncated, Content-Length that lies, drip of 1 B/s",
        "tried again within the target duration, then a gap; a partial segment is never appended",
    );
    let all = [
        Wrong::Truncated,
        Wrong::Drips,
        Wrong::Missing,
        Wrong::Lies,
        Wrong::Garbage,
    ];
    let all = &all[..pick(2, all.len())];
    std::thread::scope(|scope| {
        let tests: Vec<_> = all
            .iter()
            .map(|wrong| (wrong, scope.spawn(move || one_bad_segment(*wrong, u64::MAX))))
            .collect();
        for (wrong, test) in tests {
            let (_, ended, gaps, file, _) = test.join().expect("the test of a segment failed");
            assert_eq!(ended["reconnects"], 0, "{wrong:?}: {ended:#}");
            if matches!(wrong, Wrong::Garbage) {
                // Nothing is wrong with its transport; that a second is missing shows in the times only, where holes count from a second.
                let missing = longest_step(&file);
                assert!(gaps.len() <= 1 && missing < 1.1, "{missing} s: {ended:#}");
                fault.seen(format!("{wrong:?} for ever: a hole of {missing:.2} s"));
                continue;
            }
            assert_eq!(gaps.len(), 1, "{wrong:?}: {ended:#}");
            assert!((0.5..2.0).contains(&gaps[0]), "one segment: {wrong:?}: {ended:#}");
            assert_no_hole(&file, &gaps);
            fault
                .seen(format!("{wrong:?} for ever: gap of {:.2} s", gaps[0]))
                .lost(gaps[0]);
        }
    });
}

/// The longest time from one picture to the next.
fn longest_step(file: &Verdict) -> f64 {
    let packets = &file.first("video").packets;
    let steps = packets.windows(2).map(|pair| pair[1].dts - pair[0].dts);
    steps.fold(0.0, f64::max)
}

/// Asserts that the pictures have no holes but these.
#[track_caller]
fn assert_no_hole(file: &Verdict, holes: &[f64]) {
    let packets = &file.first("video").packets;
    let found: Vec<f64> = packets
        .windows(2)
        .map(|pair| pair[1].dts - pair[0].dts)
        .filter(|step| *step > 0.06)
        .collect();
    assert!(found.len() <= holes.len(), "{found:?} {holes:?}");
}

#[test]
fn an_origin_that_begins_anew_is_followed() {
    let mut fault = Fault::new(
        17,
        "media sequence reset, variant gone, discontinuity, ad break, playlist stale for ever",
        "followed, or ended with a reason after some target durations; no endless loop",
    );
    let origin = window(100);
    let mut lab = Lab::default();
    let (source, _) = lab.recording(&origin.url());

    // An advertisement of two segments with another picture size and clock, marked as such.
    let advert = cut(&media("live_180p.flv"), 8);
    let start = origin.head() + 1;
    origin.script(move |asked, mut listing| {
        if let Some(number) = asked.path.strip_prefix("ad") {
            let number: usize = number.strip_suffix(".ts")?.parse().ok()?;
            return Some(Reply::ok("video/mp2t", Arc::clone(&advert[number].bytes)));
        }
        if asked.path != "index.m3u8" {
            return None;
        }
        let mut text = String::new();
        for (number, tags) in &mut listing.entries {
            if *number == start || *number == start + 2 {
                tags.push("#EXT-X-DISCONTINUITY".to_owned());
            }
        }
        for line in listing.text().lines() {
            let name = match line
                .strip_suffix(".ts")
                .and_then(|number| number.parse::<usize>().ok())
            {
                Some(number) if (start..start + 2).contains(&number) => format!("ad{}.ts", number - start),
                _ => line.to_owned(),
            };
            text += &format!("{name}\n");
        }
        Some(Reply::playlist(&text))
    });
    lab.until_live(source, Duration::from_secs(40), |_| origin.head() > start + 8);

    // The origin counts from 0 again.
    origin.script(|asked, mut listing| {
        (asked.path == "index.m3u8").then(|| {
            listing.sequence %= 7;
            listing.reply()
        })
    });
    let reset = Instant::now();
    lab.until_more(source, 4.0, SOON);
    let recovered = reset.elapsed();
    let ended = lab.stop(source);
    assert_eq!(ended["reconnects"], 0, "{ended:#}");
    let video = lab.only_video();
    let parts = lab.finished(&video);
    let widths: Vec<_> = parts
        .iter()
        .map(|part| part.first("video").fields["width"].as_u64().unwrap_or(0))
        .collect();
    assert_eq!(
        widths,
        [640, 320, 640],
        "the advertisement is a part of its own: {ended:#}"
    );
    assert!((1.0..3.5).contains(&parts[1].duration), "{}", parts[1].duration);
    fault
        .seen("an advertisement is a part of its own; a reset sequence is followed without a reconnect")
        .recovered_in(recovered);
}

#[test]
fn a_playlist_that_stands_still_ends_the_recording_in_words() {
    let mut fault = Fault::new(
        17,
        "media sequence reset, variant gone, discontinuity, ad break, playlist stale for ever",
        "followed, or ended with a reason after some target durations; no endless loop",
    );
    let origin = window(200);
    let mut lab = Lab::default();
    let (source, task) = lab.recording(&origin.url());
    let standing = std::sync::Mutex::new(None);
    origin.script(move |asked, listing| {
        if asked.path != "index.m3u8" {
            return None;
        }
        let mut standing = standing.lock().expect("no holder panics");
        Some(standing.get_or_insert(listing).reply())
    });
    let began = Instant::now();
    let asked = origin.origin().count("index.m3u8");
    lab.until_state(source, "reconnecting", Duration::from_secs(45));
    let noticed = began.elapsed();
    assert!((20.0..40.0).contains(&noticed.as_secs_f64()), "{noticed:?}");
    let requests = origin.origin().count("index.m3u8") - asked;
    assert!(
        requests < noticed.as_secs() as usize * 3,
        "{requests} requests in {noticed:?}"
    );
    // Nobody loops: the same window again brings nothing new.
    let before = lab.live(source)["received_s"].as_f64().unwrap_or(0.0);
    std::thread::sleep(pick(Duration::from_secs(4), Duration::from_secs(40)));
    let after = lab.live(source)["received_s"].as_f64().unwrap_or(0.0);
    assert!(
        (after - before).abs() < 0.5,
        "the same media again: {before} {after}"
    );
    let events = lab.events(task);
    // The origin wakes up, and so does the recording.
    origin.heal();
    let woke = Instant::now();
    lab.until_more(source, 2.0, Duration::from_secs(45));
    let recovered = woke.elapsed();
    let ended = lab.stop(source);
    let all = gaps(&ended);
    assert_eq!(all.len(), 1, "{ended:#}\n{events:?}");
    let video = lab.only_video();
    assert_eq!(lab.finished(&video).len(), 1);
    fault
        .seen(format!(
            "a playlist that stands still is noticed after {:.0} s, {requests} requests; goes on when it moves",
            noticed.as_secs_f64()
        ))
        .recovered_in(recovered);
}

#[test]
fn a_variant_that_disappears_is_replaced() {
    let mut fault = Fault::new(
        17,
        "media sequence reset, variant gone, discontinuity, ad break, playlist stale for ever",
        "followed, or ended with a reason after some target durations; no endless loop",
    );
    let origin = window(150);
    let mut lab = Lab::default();
    let big = Arc::new(AtomicUsize::new(1));
    let there = Arc::clone(&big);
    origin.script(move |asked, listing| match asked.path.as_str() {
        "master.m3u8" => {
            let mut text = String::from("#EXTM3U\n");
            if there.load(Ordering::Relaxed) == 1 {
                text += "#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=1280x720\nbig.m3u8\n";
            }
            text += "#EXT-X-STREAM-INF:BANDWIDTH=400000,RESOLUTION=640x360\nindex.m3u8\n";
            Some(Reply::playlist(&text))
        }
        "big.m3u8" if there.load(Ordering::Relaxed) == 1 => Some(listing.reply()),
        "big.m3u8" => Some(Reply::status(404)),
        _ => None,
    });
    let (source, _) = lab.recording(&origin.origin().url("master.m3u8"));
    assert!(origin.origin().count("big.m3u8") > 0, "the best variant is taken");
    big.store(0, Ordering::Relaxed);
    let gone = Instant::now();
    let seen = origin.origin().count("index.m3u8");
    mediastack_tests::ports::wait_for("the other variant", Duration::from_secs(60), || {
        origin.origin().count("index.m3u8") > seen
    });
    lab.until_more(source, 2.0, SOON);
    let recovered = gone.elapsed();
    let ended = lab.stop(source);
    let all = gaps(&ended);
    let video = lab.only_video();
    assert_eq!(lab.finished(&video).len(), 1);
    fault
        .seen("a variant that is gone is replaced by another after the playlist's patience of 30 s")
        .recovered_in(recovered)
        .lost(all.iter().sum());
}
