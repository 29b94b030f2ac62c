//! Rows 22 and 23: each single call that a recording, its finish and an upload make to write fails once, with a full disk and with a
//! broken one.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mediastack_tests::binary::{self, Run};
use mediastack_tests::fail::{Call, Failing, How};
use mediastack_tests::faults::{Fault, pick};
use mediastack_tests::fixtures::media;
use mediastack_tests::hls_origin::{Segments, VodHls};
use mediastack_tests::judge::{Verdict, assert_same_packets};
use mediastack_tests::recording::{Target, assert_finished};
use mediastack_tests::server::Server;
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);

/// A source that is the same each time, and taken faster than it plays: 20 s.
fn source() -> VodHls {
    VodHls::make(&media("av_h264_aac_faststart.mp4"), Segments::Ts, false)
}

fn record(vod: &VodHls, target: &Target, method: &str, failing: &Failing) -> Run {
    let mut command = target.command(&vod.url(), &[]);
    failing.preload(&mut command, &[target.dir()]);
    binary::spawn_command(command.env("MEDIASTACK_FINISH", method)).finish(LIMIT)
}

/// How much of a whole recording is there, as a count of pictures, all of them its first ones.
#[track_caller]
fn pictures(file: &Verdict, whole: &Verdict) -> usize {
    let (ours, all) = (&file.first("video").packets, &whole.first("video").packets);
    for (index, (ours, expected)) in ours.iter().zip(all).enumerate() {
        assert_eq!(ours.hash, expected.hash, "picture {index}");
    }
    assert!(ours.len() <= all.len());
    ours.len()
}

/// One run with one failing call.
struct Try {
    call: Call,
    nth: u64,
    how: How,
}

/// Every call of a recording and of its finish, or some of them, fails once.
fn fail_each(method: &'static str, how: How, fault: &mut Fault) {
    let vod = source();
    let (whole, counted) = (Target::default(), Failing::default());
    let run = record(&vod, &whole, method, &counted).success();
    if run.json()["finish_method"] != method {
        assert_eq!(method, "insert_range", "{run:#?}");
        println!("skipped: {} has no INSERT_RANGE", whole.dir().display());
        return;
    }
    let expected = assert_finished(&whole.file());
    let mut tries = Vec::new();
    for call in Call::ALL {
        let count = counted.calls(call);
        // In a sample the first ones, the last ones, which are the finish, and one between.
        let step = pick(count.div_ceil(3).max(1), 1);
        let mut numbers: Vec<u64> = (1..=count)
            .step_by(step as usize)
            .chain(count.checked_sub(1))
            .chain([count])
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.retain(|nth| (1..=count).contains(nth));
        tries.extend(numbers.into_iter().map(|nth| Try { call, nth, how }));
    }
    let next = AtomicUsize::new(0);
    let lost = Mutex::new((0_usize, 0_usize, 0_usize));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(one) = tries.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let target = Target::default();
                    let failing = Failing::default();
                    failing.fail(&[one.call], one.nth, one.how);
                    let run = record(&vod, &target, method, &failing);
                    let context = format!("{method}: {:?} {} {:?}: {run:#?}", one.call, one.nth, one.how);
                    let (shown, resumed) = judge(&run, &target, &expected, &context);
                    let all = expected.first("video").packets.len();
                    let missing = all - shown;
                    if one.how != How::Broken {
                        assert_eq!(missing, 0, "there was room again: {context}");
                    }
                    let mut sum = lost.lock().expect("no holder panics");
                    sum.0 = sum.0.max(missing);
                    sum.1 += usize::from(missing == 0);
                    sum.2 += usize::from(resumed);
                }
            });
        }
    });
    let (most, complete, resumed) = lost.into_inner().expect("no holder panics");
    fault.seen(format!(
        "{method}: {} calls failed one at a time; {resumed} runs went on by themselves, {complete} recordings are complete",
        tries.len()
    ));
    if how != How::Broken {
        fault.lost(most as f64 * expected.first("video").frame());
    }
}

/// What is there after a run and, when it was not finished, a recovery: how many pictures, and whether it took no recovery.
fn judge(run: &Run, target: &Target, expected: &Verdict, context: &str) -> (usize, bool) {
    assert!(matches!(run.code, Some(0 | 10)), "{context}");
    assert!(!run.stderr.contains("panicked"), "{context}");
    let report = run.json();
    let said = report["duration_s"].as_f64().unwrap_or(0.0);
    if run.code != Some(0) {
        let args = ["recover".as_ref(), target.dir().as_os_str(), "--json".as_ref()];
        let recovered = binary::run(&args, LIMIT);
        assert_eq!(recovered.code, Some(0), "{recovered:#?}\n{context}");
    }
    if !target.file().exists() {
        assert!(said == 0.0, "nothing is left of {said} s: {context}");
        target.assert_tidy();
        return (0, false);
    }
    let file = assert_finished(&target.file());
    target.assert_tidy();
    assert!(
        file.duration >= said - 0.05,
        "{} s are there, {said} s were told: {context}",
        file.duration
    );
    (pictures(&file, expected), run.code == Some(0))
}

const FULL: (&str, &str) = (
    "no space left at each single write of a recording and of its finish",
    "finished fragments intact; the state is true; it goes on by itself when there is room",
);
const BROKEN: (&str, &str) = (
    "EIO at each single write and sync of a recording and of its finish",
    "what was shown as recorded is there; a failed sync is not taken for a good one; the file opens",
);

#[test]
fn no_space_for_a_recording_in_reserved_room() {
    let mut fault = Fault::new(22, FULL.0, FULL.1);
    fail_each("reserved", How::NoSpace, &mut fault);
}

#[test]
fn no_space_for_a_recording_in_inserted_room() {
    let mut fault = Fault::new(22, FULL.0, FULL.1);
    fail_each("insert_range", How::NoSpace, &mut fault);
}

#[test]
fn no_space_for_a_recording_that_is_copied() {
    let mut fault = Fault::new(22, FULL.0, FULL.1);
    fail_each("copy", How::NoSpace, &mut fault);
}

#[test]
fn half_a_write_is_gone_on_with() {
    let mut fault = Fault::new(22, "a short write", "the rest is written too");
    let vod = source();
    let (whole, counted) = (Target::default(), Failing::default());
    record(&vod, &whole, "reserved", &counted).success();
    let expected = assert_finished(&whole.file());
    let count = counted.calls(Call::Write);
    let mut tried = 0;
    for nth in (1..=count).step_by(pick(count.div_ceil(4), 1) as usize) {
        let (target, failing) = (Target::default(), Failing::default());
        failing.fail(&[Call::Write], nth, How::Short);
        let run = record(&vod, &target, "reserved", &failing);
        assert_eq!((run.code, failing.failed()), (Some(0), 1), "{nth}: {run:#?}");
        let file = assert_finished(&target.file());
        for kind in ["video", "audio"] {
            assert_same_packets(file.first(kind), expected.first(kind));
        }
        tried += 1;
    }
    fault
        .seen(format!("{tried} writes were cut in half, and nothing is missing"))
        .lost(0.0);
}

#[test]
fn a_broken_disk_under_a_recording_in_reserved_room() {
    let mut fault = Fault::new(23, BROKEN.0, BROKEN.1);
    fail_each("reserved", How::Broken, &mut fault);
}

#[test]
fn a_broken_disk_under_a_recording_in_inserted_room() {
    let mut fault = Fault::new(23, BROKEN.0, BROKEN.1);
    fail_each("insert_range", How::Broken, &mut fault);
}

#[test]
fn a_broken_disk_under_a_recording_that_is_copied() {
    let mut fault = Fault::new(23, BROKEN.0, BROKEN.1);
    fail_each("copy", How::Broken, &mut fault);
}

#[test]
fn each_write_of_an_upload() {
    let mut fault = Fault::new(
        22,
        "no space or EIO at each single write of an upload",
        "the upload is refused in words, is gone on with where it was, and becomes the file that was sent",
    );
    let failing = Failing::default();
    let mut server = Server::prepare(&[]);
    let storage = server.storage();
    for (name, value) in failing.environment(&[&storage]) {
        server.set(name, &value);
    }
    server.restart();
    let mut admin = server.admin();
    let file = media("rotated_h264_aac.mp4");
    let bytes = std::fs::read(&file).expect("a file");
    const CHUNK: usize = 1 << 16;
    // An upload that tries each request again until it is taken, as a client does.
    let mut upload = |failing: &Failing| -> (Vec<u16>, String) {
        let mut refused = Vec::new();
        let mut again = |answer: &mut dyn FnMut() -> mediastack_tests::http::Answer| loop {
            let answer = answer();
            if answer.status == 200 {
                return answer.json(200);
            }
            assert!(
                matches!(answer.status, 500 | 503 | 507),
                "{}: {}",
                answer.status,
                answer.text()
            );
            refused.push(answer.status);
            assert!(refused.len() < 5, "{refused:?}: {}", answer.text());
        };
        let init = json!({"filename": "a.mp4", "file_size": bytes.len(), "chunk_size": CHUNK});
        let id = again(&mut || admin.post("/api/upload/init", &init))["task_id"].clone();
        let target = format!("/api/upload/{}", id.as_str().expect("an id"));
        for (index, chunk) in bytes.chunks(CHUNK).enumerate() {
            let fields = [("chunk_index", index.to_string())];
            let fields: Vec<(&str, &str)> = fields
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            again(&mut || {
                admin.form(
                    &format!("{target}/chunk"),
                    &fields,
                    Some(("chunk", "blob", chunk)),
                )
            });
        }
        let done = again(&mut || admin.post(&format!("{target}/complete"), &json!({"title": "a"})));
        failing.heal();
        let video = admin.get(&format!("/api/videos/{}", done["video_id"])).json(200);
        (refused, video["file_path"].as_str().expect("a name").to_owned())
    };
    let kinds = [Call::Create, Call::Write, Call::Sync, Call::Rename];
    let mut tried = 0;
    let mut seen = std::collections::BTreeSet::new();
    for how in [How::NoSpace, How::Broken] {
        for kind in kinds {
            for nth in (1..=pick(9, 24)).step_by(pick(4, 1)) {
                failing.fail(&[kind], nth, how);
                let (refused, name) = upload(&failing);
                assert_eq!(
                    std::fs::read(storage.join(&name)).expect("it is there"),
                    bytes,
                    "{kind:?} {nth} {how:?}"
                );
                let words: Vec<u16> = refused;
                seen.extend(words);
                tried += 1;
            }
        }
    }
    fault
        .seen(format!(
            "{tried} uploads with one failing call each became the file that was sent; refusals: {seen:?}"
        ))
        .lost(0.0);
    drop(admin);
    server.stop();
    server.assert_agrees();
}
