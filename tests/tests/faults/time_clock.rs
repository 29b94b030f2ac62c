//! Rows 27 and 28: the wall clock is set, and the wall clock is what governments make of it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use mediastack_tests::faked_clock::{FakedClock, now};
use mediastack_tests::faults::lab::{Lab, SOON, gaps};
use mediastack_tests::faults::{Fault, pick};
use mediastack_tests::fixtures::media;
use mediastack_tests::nginx_rtmp::{NginxRtmp, WhenPublisherLeaves};
use mediastack_tests::process::output_of;
use mediastack_tests::publish::{Content, Publisher};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

const HOUR: i64 = 3600;

fn clocks() -> Fault {
    Fault::new(
        27,
        "system clock +1 h, -1 h, NTP step, suspend for 10 min",
        "monotonic clock for media; no loss by a drift reset; a schedule fires once; file names unique",
    )
}

fn zones() -> Fault {
    Fault::new(
        28,
        "DST forward and back, zone change, 29 February, new time zone data",
        "published rule; preview of the next 5 runs; the repeated hour does not overwrite",
    )
}

fn lab(clock: &FakedClock) -> Lab {
    let environment = clock.environment();
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    Lab::start(&environment)
}

#[test]
fn a_clock_that_is_set_leaves_the_media_alone() {
    let mut fault = clocks();
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let _publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_360p.flv")));
    let clock = FakedClock::ahead_by(0);
    let mut lab = lab(&clock);
    let (source, task) = lab.recording(&nginx.url("a"));
    let began = std::time::Instant::now();
    let before = lab.live(source)["received_s"].as_f64().expect("a number");
    for ahead in [HOUR, -HOUR, 0, 3, 0] {
        clock.set(ahead);
        lab.sign_in();
        let state = lab.live(source)["state"].clone();
        assert_eq!(state, "recording", "{ahead} s ahead");
        std::thread::sleep(pick(Duration::from_millis(1500), Duration::from_secs(6)));
    }
    let passed = began.elapsed().as_secs_f64();
    let came = lab.live(source)["received_s"].as_f64().expect("a number") - before;
    assert!((came - passed).abs() < 1.5, "{came} s of media in {passed} s");

    // A machine that sleeps: nothing runs, and the wall clock is ten minutes further when it wakes.
    let process = Pid::from_raw(lab.server.id().cast_signed()).expect("a process");
    kill_process(process, Signal::STOP).expect("it runs");
    std::thread::sleep(Duration::from_secs(3));
    clock.set(600);
    kill_process(process, Signal::CONT).expect("it stands still");
    lab.sign_in();
    let woke = lab.until_more(source, 2.0, SOON);
    let ended = lab.stop(source);
    assert_eq!(
        (&ended["id"], &ended["reconnects"]),
        (&json!(task), &json!(0)),
        "{ended:#}"
    );
    assert!(gaps(&ended).is_empty(), "{ended:#}");
    let video = lab.only_video();
    let file = &lab.finished(&video)[0];
    let whole = began.elapsed().as_secs_f64() + before;
    assert!(
        (file.duration - whole).abs() < 3.0,
        "{} s of {whole} s",
        file.duration
    );

    // Another recording at the same second of the same wall clock is another file.
    clock.set(600 - i64::try_from(began.elapsed().as_secs()).unwrap_or(0));
    lab.sign_in();
    lab.record(source);
    lab.until_durable(source, 1.0, SOON);
    let second = lab.stop(source);
    assert_ne!(second["file_path"], ended["file_path"]);
    assert_eq!(lab.videos().len(), 2);
    fault
        .seen(format!(
            "+1 h, -1 h, 3 s: {came:.1} s of media in {passed:.1} s, no gap, no reconnect; asleep for 3 s and 10 min of the clock: goes on"
        ))
        .recovered_in(woke)
        .lost(0.0);
}

#[test]
fn a_schedule_fires_once_whatever_the_clock_does() {
    let mut fault = clocks();
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let _publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_180p.flv")));
    // Ten seconds before an hour.
    let begin = (now() / HOUR + 5) * HOUR - 10;
    let clock = FakedClock::at(begin);
    let mut lab = lab(&clock);
    let source = lab.source(&nginx.url("a"));
    let new = json!({"source_id": source, "cron_expr": "0 * * * *", "duration_s": 600, "timezone": "UTC"});
    let schedule = lab.admin.post("/api/schedules", &new).json(201)["id"].clone();
    lab.until_durable(source, 2.0, Duration::from_secs(45));
    lab.stop(source);
    // Back by twenty seconds: the same full hour comes again. Then by a whole hour.
    clock.set_to(begin - 5);
    lab.sign_in();
    std::thread::sleep(Duration::from_secs(20));
    assert_eq!(
        lab.live(source),
        Value::Null,
        "the hour that came again starts nothing"
    );
    clock.set_to(begin - HOUR - 5);
    lab.sign_in();
    std::thread::sleep(Duration::from_secs(20));
    assert_eq!(lab.live(source), Value::Null, "the hour before it neither");
    // On by an hour and two minutes: the run of that hour begins late, once.
    clock.set_to(begin + HOUR + 130);
    lab.sign_in();
    let late = lab.until_durable(source, 1.0, Duration::from_secs(60));
    let runs = lab
        .admin
        .get(&format!("/api/schedules/{schedule}/runs"))
        .json(200);
    let runs = runs.as_array().expect("a ledger").clone();
    assert_eq!(runs.len(), 2, "{runs:#?}");
    assert!(runs.iter().all(|run| run["outcome"] == "started"), "{runs:#?}");
    lab.stop(source);
    fault
        .seen(format!(
            "back by 20 s and by an hour: not again; ahead by an hour: the missed run begins late after {:.0} s",
            late.as_secs_f64()
        ))
        .recovered_in(late);
}

fn preview(lab: &mut Lab, expression: &str, zone: &str) -> Vec<String> {
    let body = json!({"cron_expr": expression, "timezone": zone});
    let answer = lab.admin.post("/api/schedules/preview", &body).json(200);
    let runs = answer["next_runs"].as_array().expect("runs");
    runs.iter()
        .map(|run| run.as_str().expect("a time").to_owned())
        .collect()
}

#[test]
fn the_next_five_runs_follow_the_published_rule() {
    let mut fault = zones();
    // Noon of 24 October 2026, of 26 March 2027, and of 1 January 2027, in UTC.
    let days = [
        (
            1_792_843_200,
            "30 2 * * *",
            [
                "2026-10-25T02:30:00+02:00",
                "2026-10-26T02:30:00+01:00",
                "2026-10-27T02:30:00+01:00",
            ],
        ),
        (
            1_792_843_200,
            "30 */1 25 10 *",
            [
                "2026-10-25T00:30:00+02:00",
                "2026-10-25T01:30:00+02:00",
                "2026-10-25T02:30:00+02:00",
            ],
        ),
        (
            1_806_062_400,
            "30 2 * * *",
            [
                "2027-03-27T02:30:00+01:00",
                "2027-03-28T03:00:00+02:00",
                "2027-03-29T02:30:00+02:00",
            ],
        ),
        (
            1_798_804_800,
            "0 8 29 2 *",
            [
                "2028-02-29T08:00:00+01:00",
                "2032-02-29T08:00:00+01:00",
                "2036-02-29T08:00:00+01:00",
            ],
        ),
    ];
    let clock = FakedClock::ahead_by(0);
    let mut lab = lab(&clock);
    for (at, expression, expected) in days {
        clock.set_to(at);
        lab.sign_in();
        let runs = preview(&mut lab, expression, "Europe/Berlin");
        assert_eq!(runs.len(), 5, "{runs:?}");
        assert_eq!(runs[..3], expected, "{expression}: {runs:?}");
    }
    // The hour that comes twice is two hours for an expression of intervals.
    clock.set_to(1_792_843_200);
    lab.sign_in();
    let twice = preview(&mut lab, "30 */1 25 10 *", "Europe/Berlin");
    assert_eq!(twice[3], "2026-10-25T02:30:00+01:00", "{twice:?}");

    // Another zone moves what is planned at once.
    let source = lab.source("rtmp://127.0.0.1:1/live/a");
    let new = json!({"source_id": source, "cron_expr": "0 8 * * *", "timezone": "Europe/Berlin"});
    let schedule = lab.admin.post("/api/schedules", &new).json(201);
    assert_eq!(schedule["next_run_at"], "2026-10-25T08:00:00+01:00");
    let target = format!("/api/schedules/{}", schedule["id"]);
    let moved = lab
        .admin
        .put(&target, &json!({"timezone": "Asia/Tokyo"}))
        .json(200);
    assert_eq!(moved["next_run_at"], "2026-10-25T08:00:00+09:00", "{moved:#}");
    fault.seen("skipped local time runs at the end of the gap, repeated one runs once, 29 February in leap years, a new zone replans");
}

/// Time zone data in which the hall is so many hours ahead of UTC, and in which there is the server's own zone.
fn zone_data(folder: &Path, hours: u32) {
    let text = folder.join("rules");
    let zones = format!("Zone Test/Hall {hours}:00 - HALL\nZone Asia/Shanghai 8:00 - CST\n");
    std::fs::write(&text, zones).expect("writable");
    output_of(Command::new("/usr/sbin/zic").arg("-d").arg(folder).arg(&text));
}

#[test]
fn new_time_zone_data_moves_what_is_planned() {
    let mut fault = zones();
    let folder = tempfile::tempdir().expect("a temporary directory");
    zone_data(folder.path(), 3);
    let mut lab = Lab::start(&[("TZDIR", folder.path().to_str().expect("UTF-8"))]);
    let source = lab.source("rtmp://127.0.0.1:1/live/a");
    let plan = |lab: &mut Lab, expression: &str| {
        let new = json!({"source_id": source, "cron_expr": expression, "timezone": "Test/Hall"});
        let schedule = lab.admin.post("/api/schedules", &new).json(201);
        (
            format!("/api/schedules/{}", schedule["id"]),
            schedule["next_run_at"].as_str().expect("a time").to_owned(),
        )
    };
    let (yearly, before) = plan(&mut lab, "0 8 29 2 *");
    assert!(before.ends_with("T08:00:00+03:00"), "{before}");
    // Any hour will do for this one, so it stays where it is.
    let (hourly, kept) = plan(&mut lab, "30 * * * *");
    lab.server.stop();
    zone_data(folder.path(), 5);
    lab.server.restart();
    lab.sign_in();
    let moved = before.replace("+03:00", "+05:00");
    lab.admin.until(&yearly, SOON, |schedule| {
        schedule["next_run_at"] == moved.as_str()
    });
    let now = lab.admin.get(&hourly).json(200);
    let minute = |text: &str| text[14..19].to_owned();
    assert_eq!(
        minute(now["next_run_at"].as_str().expect("a time")),
        minute(&kept)
    );
    assert!(
        lab.server.log().contains("by the rules of its zone"),
        "{}",
        lab.server.log()
    );
    fault.seen("new time zone data moves planned runs to their local time");
}

#[test]
fn the_repeated_hour_overwrites_nothing() {
    let mut fault = zones();
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let _publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_180p.flv")));
    // 02:00 in Berlin on 25 October 2026 is midnight and one o'clock in UTC.
    let first = 1_792_886_400;
    let clock = FakedClock::at(first - 8);
    let mut lab = lab(&clock);
    let source = lab.source(&nginx.url("a"));
    let hourly =
        json!({"source_id": source, "cron_expr": "0 * * * *", "duration_s": 10, "timezone": "Europe/Berlin"});
    let schedule = lab.admin.post("/api/schedules", &hourly).json(201)["id"].clone();
    let two = |lab: &mut Lab, count: usize| {
        lab.admin.until("/api/tasks", Duration::from_secs(60), |tasks| {
            let tasks = tasks.as_array().map(Vec::as_slice).unwrap_or_default();
            tasks.iter().filter(|task| task["status"] == "completed").count() == count
        })
    };
    two(&mut lab, 1);
    clock.set_to(first + HOUR - 8);
    lab.sign_in();
    // A change of the plan makes the server look at its clock now; by itself it does so every half minute.
    let other = json!({"source_id": source, "cron_expr": "0 0 1 1 *", "is_active": false});
    lab.admin.post("/api/schedules", &other).json(201);
    let tasks = two(&mut lab, 2);
    let runs = lab
        .admin
        .get(&format!("/api/schedules/{schedule}/runs"))
        .json(200);
    assert_eq!(runs.as_array().map(Vec::len), Some(2), "{runs:#}");
    assert_ne!(tasks[0]["file_path"], tasks[1]["file_path"]);
    let videos = lab.videos();
    assert_eq!(videos.len(), 2, "{videos:#?}");
    for video in &videos {
        let files = lab.finished(video);
        assert!(files[0].duration > 4.0, "{video:#}");
    }
    fault
        .seen("02:00 came twice: two recordings, two files, two items")
        .lost(0.0);
}
