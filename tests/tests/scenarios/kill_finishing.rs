//! The process dies at each step of finishing, in each of the three ways to finish: nothing is lost.
//!
//! `MEDIASTACK_CRASH_AT=<step>` makes the binary abort when it comes to that step; `MEDIASTACK_FINISH=<method>` makes
//! it finish that way. Neither is for users.

use std::time::Duration;

use mediastack_tests::binary::{self, Run};
use mediastack_tests::fixtures::media;
use mediastack_tests::hls_origin::{Segments, VodHls};
use mediastack_tests::judge::{self, assert_same_packets};
use mediastack_tests::recording::{Target, assert_finished};

const LIMIT: Duration = Duration::from_secs(20);

/// A source that is the same each time, and taken faster than it plays: 20 s.
fn source() -> VodHls {
    VodHls::make(&media("av_h264_aac_faststart.mp4"), Segments::Ts, false)
}

fn record(vod: &VodHls, target: &Target, method: &str, crash_at: Option<&str>) -> Run {
    let mut command = target.command(&vod.url(), &[]);
    command.env("MEDIASTACK_FINISH", method);
    if let Some(step) = crash_at {
        command.env("MEDIASTACK_CRASH_AT", step);
    }
    binary::spawn_command(&mut command).finish(LIMIT)
}

fn crash_at_every_step(method: &str, steps: &[&str]) {
    let vod = source();
    let whole = Target::default();
    let run = record(&vod, &whole, method, None).success();
    if run.json()["finish_method"] != method {
        // Only INSERT_RANGE depends on the file system.
        assert_eq!(method, "insert_range", "{run:#?}");
        println!("skipped: {} has no INSERT_RANGE", whole.dir().display());
        return;
    }
    let expected = assert_finished(&whole.file());
    for step in steps {
        let target = Target::default();
        let run = record(&vod, &target, method, Some(step));
        assert_eq!(
            run.code, None,
            "{method} did not come to the step {step}: {run:#?}"
        );
        // A crash while recovering from the crash, too: the same steps are passed again.
        let args = ["recover".as_ref(), target.dir().as_os_str(), "--json".as_ref()];
        let mut again = binary::command(&args);
        binary::spawn_command(
            again
                .env("MEDIASTACK_FINISH", method)
                .env("MEDIASTACK_CRASH_AT", step),
        )
        .finish(LIMIT);
        binary::run(&args, LIMIT).success();
        let file = assert_finished(&target.file());
        target.assert_tidy();
        for kind in ["video", "audio"] {
            assert_same_packets(file.first(kind), expected.first(kind));
        }
    }
}

#[test]
fn into_the_reserved_room() {
    crash_at_every_step(
        "reserved",
        &["reserved:moov_written", "reserved:switched", "journal_removed"],
    );
}

#[test]
fn into_inserted_room() {
    crash_at_every_step(
        "insert_range",
        &[
            "insert_range:journaled",
            "insert_range:inserted",
            "insert_range:moov_written",
            "insert_range:switched",
            "journal_removed",
        ],
    );
}

#[test]
fn by_a_copy() {
    crash_at_every_step("copy", &["copy:copied", "copy:renamed", "journal_removed"]);
}

#[test]
fn all_ways_give_the_same_recording() {
    let vod = source();
    let files: Vec<judge::Verdict> = ["reserved", "insert_range", "copy"]
        .into_iter()
        .map(|method| {
            let target = Target::default();
            record(&vod, &target, method, None).success();
            assert_finished(&target.file())
        })
        .collect();
    for file in &files[1..] {
        for kind in ["video", "audio"] {
            assert_same_packets(file.first(kind), files[0].first(kind));
        }
    }
}
