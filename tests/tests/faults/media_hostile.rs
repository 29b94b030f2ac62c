//! Media that was made to hurt: parameter sets, pictures and units of any size, hundreds of tracks, bits that flip. As an upload and
//! as a live source it costs a bounded piece of memory and a clear reason, and a recording beside it does not notice.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use mediastack_tests::faults::Fault;
use mediastack_tests::file_server::FileServer;
use mediastack_tests::fixtures::{corrupt, media};
use mediastack_tests::hls_origin::{LiveHls, Segments};
use mediastack_tests::process::output_of;
use mediastack_tests::server::{Api, Server};
use mediastack_tests::ts::{self, Ts, annex_b, h264_sps, nals};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);

const TITLE: &str = "Huge parameter sets, 16 384² pictures, units of 100 MB, 200 tracks, bits that flip";
const EXPECTED: &str = "refused or read within the memory; other recordings don't notice";

/// What the server may take more than at rest for uploads, whatever comes: libav's pictures are in other processes.
const UPLOADS: u64 = 100 << 20;

/// The same for live sources: the largest thing that it holds is a unit of one, of which libav makes copies before we see how large it is.
const SOURCES: u64 = 640 << 20;
const GIANT: &str = "a unit of 100 MB";

/// The video of a fixture as Annex B.
fn plain_h264(folder: &Path) -> Vec<u8> {
    let path = folder.join("plain.h264");
    let mut command = Command::new("ffmpeg");
    command
        .args(["-nostdin", "-v", "error", "-y", "-i"])
        .arg(media("av_h264_aac.ts"));
    command.args([
        "-map",
        "0:v",
        "-c",
        "copy",
        "-bsf:v",
        "h264_mp4toannexb",
        "-f",
        "h264",
    ]);
    output_of(command.arg(&path));
    fs::read(path).expect("a file")
}

/// Frames of one stream, 25 a second: before each key frame the sets.
fn stream(kind: u8, sets: &[&[u8]], frames: &[Vec<u8>]) -> Vec<u8> {
    let mut ts = Ts::new(&[kind]);
    for (time, frame) in (1..).zip(frames) {
        let units = sets.iter().copied().chain([frame.as_slice()]);
        ts.frame(0, 90_000 + time * 3600, &annex_b(units));
    }
    ts.finish()
}

/// Every hostile stream that is MPEG-TS, with what it is.
fn streams(folder: &Path) -> Vec<(&'static str, Vec<u8>)> {
    let plain = plain_h264(folder);
    let units = nals(&plain);
    let of = |kind: u8| {
        units
            .iter()
            .find(|unit| unit[0] & 31 == kind)
            .copied()
            .expect("it has one")
    };
    let (sps, pps) = (of(7), of(8));
    let slices: Vec<Vec<u8>> = units
        .iter()
        .filter(|unit| matches!(unit[0] & 31, 1 | 5))
        .take(100)
        .map(|unit| unit.to_vec())
        .collect();
    let wide = |width, height| {
        let set = h264_sps(width, height);
        stream(ts::H264, &[&set, pps], &slices)
    };
    let long_sps = [sps, &vec![0x55; 70_000]].concat();
    // A video parameter set of HEVC, and nothing that it could be of use for.
    let long_vps = [vec![0x40, 1], vec![0x55; 70_000]].concat();
    let giant = [slices[0].as_slice(), &vec![0x5a; 100 << 20]].concat();
    let (before, after) = slices.split_at(50);
    let with_giant = [before, &[giant], after].concat();
    let mut flipped = slices.clone();
    let mut random: u32 = 1;
    for slice in &mut flipped {
        for _ in 0..slice.len() / 100 + 1 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = random as usize % slice.len();
            slice[at] ^= 1 << (random >> 29);
        }
    }
    let mut many = Ts::new(&[[ts::H264].as_slice(), &[ts::AAC; 199]].concat());
    for (time, slice) in (1..).zip(&slices) {
        many.frame(0, 90_000 + time * 3600, &annex_b([sps, pps, slice.as_slice()]));
        for track in 1..200 {
            // ADTS, mono, 48 kHz, silence of one frame.
            let sound = [0xff, 0xf1, 0x4c, 0x40, 0x01, 0x7f, 0xfc, 0x01, 0x18, 0x20, 0x07];
            many.frame(track, 90_000 + time * 3600, &sound);
        }
    }
    vec![
        ("a picture of 16384 x 16384", wide(1024, 1024)),
        ("a picture of 20000 x 20000", wide(1250, 1250)),
        ("a picture of a million wide", wide(65_535, 1)),
        (
            "a sequence parameter set of 70 kB",
            stream(ts::H264, &[&long_sps, pps], &slices),
        ),
        (
            "a video parameter set of 70 kB",
            stream(ts::HEVC, &[&long_vps], &slices),
        ),
        ("sets without end", stream(ts::H264, &[sps; 2000], &slices[..10])),
        (GIANT, stream(ts::H264, &[sps, pps], &with_giant)),
        ("bits that flip", stream(ts::H264, &[sps, pps], &flipped)),
        ("200 tracks", many.finish()),
    ]
}

/// Kilobytes of memory that the server has, and had at most.
fn memory(server: &Server, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse::<u64>().ok())
        .expect("a number")
        << 10
}

/// A recording of a good source, that runs beside.
fn begin(admin: &mut Api, url: &str) -> Value {
    let new = json!({"name": "The other one", "protocol": "hls", "url": url});
    let id = admin.post("/api/sources", &new).json(201)["id"].clone();
    admin.push(&format!("/api/sources/{id}/record/start")).json(200);
    admin.until("/api/tasks/live", SOON, |live| {
        live[0]["durable_s"].as_f64() > Some(2.0)
    });
    id
}

/// Ends it: it has no gap, and is as long as it took.
#[track_caller]
fn end(admin: &mut Api, id: &Value, began: Instant) {
    let least = began.elapsed().as_secs_f64() - 6.0;
    let task = admin.push(&format!("/api/sources/{id}/record/stop")).json(200);
    assert_eq!(task["gaps"], json!([]), "{task}");
    assert!(
        task["duration"].as_f64() >= Some(least),
        "at least {least} s: {task}"
    );
    assert_eq!(task["reconnects"], 0, "{task}");
}

#[test]
fn an_upload_is_taken_or_refused_for_a_reason_within_the_memory() {
    let mut fault = Fault::new(14, TITLE, EXPECTED);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let origin = LiveHls::start(&media("live_360p.flv"), Segments::Ts);
    let server = Server::start();
    let mut admin = server.admin();
    let other = begin(&mut admin, &origin.url());
    let (began, rest) = (Instant::now(), memory(&server, "VmRSS:"));
    let mut files: Vec<(String, Vec<u8>)> = streams(folder.path())
        .into_iter()
        .map(|(what, bytes)| (what.to_owned(), bytes))
        .collect();
    for path in corrupt() {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let bytes = fs::read(path).expect("a file");
        // An upload of nothing is refused before it begins.
        if !bytes.is_empty() {
            files.push((name, bytes));
        }
    }
    for (what, bytes) in &files {
        let init = json!({"filename": "x.ts", "file_size": bytes.len(), "chunk_size": 32 << 20});
        let init = admin.post("/api/upload/init", &init).json(200);
        let task = format!("/api/upload/{}", init["task_id"].as_str().expect("an id"));
        for (index, chunk) in bytes.chunks(32 << 20).enumerate() {
            let index = index.to_string();
            let sent = admin.form(
                &format!("{task}/chunk"),
                &[("chunk_index", &index)],
                Some(("chunk", "b", chunk)),
            );
            sent.json(200);
        }
        let asked = Instant::now();
        let answer = admin.push(&format!("{task}/complete"));
        assert!(
            asked.elapsed() < Duration::from_secs(20),
            "{what}: {:?}",
            asked.elapsed()
        );
        match answer.status {
            200 => {}
            400 => assert!(
                answer.text().contains("The file is not taken: "),
                "{what}: {}",
                answer.text()
            ),
            _ => panic!("{what}: {}", answer.text()),
        }
    }
    // What was taken is made into MP4, and pictures are taken of it.
    let jobs = admin.until("/api/jobs", Duration::from_secs(240), |jobs| {
        let jobs = jobs.as_array().expect("a list");
        jobs.iter()
            .all(|job| !matches!(job["status"].as_str(), Some("pending" | "processing")))
    });
    for job in jobs.as_array().expect("a list") {
        let why = job["error_message"].as_str().unwrap_or_default();
        assert!(job["status"] == "completed" || !why.is_empty(), "{job}");
        assert!(!why.contains("internal") && !why.contains("crash"), "{job}");
    }
    let most = memory(&server, "VmHWM:");
    assert!(
        most < rest + UPLOADS,
        "{} MB, {} MB at rest",
        most >> 20,
        rest >> 20
    );
    end(&mut admin, &other, began);
    assert!(!server.log().contains("panicked"), "{}", server.log());
    fault.seen(format!(
        "{} uploads cost the server {} MB at most, and the recording beside nothing",
        files.len(),
        most.saturating_sub(rest) >> 20
    ));
}

#[test]
fn a_live_source_ends_or_is_recorded_within_the_memory() {
    let mut fault = Fault::new(14, TITLE, EXPECTED);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let origin = LiveHls::start(&media("live_360p.flv"), Segments::Ts);
    let hostile = FileServer::start(folder.path());
    let server = Server::start();
    let mut admin = server.admin();
    let other = begin(&mut admin, &origin.url());
    let (began, rest) = (Instant::now(), memory(&server, "VmRSS:"));
    let all = streams(folder.path());
    let mut sources = Vec::new();
    for (number, (what, bytes)) in all.iter().enumerate() {
        fs::write(folder.path().join(format!("{number}.ts")), bytes).expect("a file");
        let list = format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{number}.ts\n#EXT-X-ENDLIST\n");
        fs::write(folder.path().join(format!("{number}.m3u8")), list).expect("a file");
        let new = json!({"name": what, "protocol": "hls", "url": hostile.url(&format!("{number}.m3u8"))});
        let id = admin.post("/api/sources", &new).json(201)["id"].clone();
        admin.push(&format!("/api/sources/{id}/record/start")).json(200);
        sources.push(id);
    }
    let tasks = admin.until("/api/tasks", Duration::from_secs(120), |tasks| {
        let tasks = tasks.as_array().expect("a list");
        let going = |task: &&Value| {
            matches!(
                task["status"].as_str(),
                Some("pending" | "recording" | "stopping")
            )
        };
        tasks.iter().filter(going).count() == 1
    });
    for (id, (what, _)) in sources.iter().zip(&all) {
        let task = tasks
            .as_array()
            .expect("a list")
            .iter()
            .find(|task| task["source_id"] == *id);
        let task = task.expect("it was started");
        let why = task["error_message"].as_str().unwrap_or_default();
        assert!(task["status"] == "completed" || !why.is_empty(), "{what}: {task}");
        if *what == GIANT {
            assert_eq!(task["status"], "completed", "{task}");
            let events = admin.get(&format!("/api/tasks/{}/events", task["id"])).text();
            let told = |were: &str| events.contains(&format!("{were} dropped: larger than 32 MiB"));
            assert!(told("packet was") || told("packets were"), "{events}");
        }
    }
    let most = memory(&server, "VmHWM:");
    assert!(
        most < rest + SOURCES,
        "{} MB, {} MB at rest",
        most >> 20,
        rest >> 20
    );
    end(&mut admin, &other, began);
    assert!(!server.log().contains("panicked"), "{}", server.log());
    fault.seen(format!(
        "{} live sources at once cost the server {} MB at most, and the recording beside nothing",
        all.len(),
        most.saturating_sub(rest) >> 20
    ));
}
