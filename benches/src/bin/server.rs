//! `mediastack serve` under load: `server [--quick] [PART…]`, of `idle api waits stop large many`. Prints Markdown.

use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mediastack_benches::cost::{median, memory};
use mediastack_benches::load::{Requests, Server};
use mediastack_benches::media;
use mediastack_benches::origin::Origin;
use mediastack_benches::serve::{self, Site};
use mediastack_benches::table::{digits, head, megabytes, row, time};
use mediastack_tests::nginx_rtmp::{NginxRtmp, WhenPublisherLeaves};
use mediastack_tests::publish::{Content, Publisher};
use serde_json::{Value, json};

type Done = Result<(), Box<dyn Error>>;

fn main() -> Done {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let named: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|name| !name.starts_with("--"))
        .collect();
    let wanted = |name: &str| named.is_empty() || named.contains(&name);
    let program = media::mediastack()?;
    println!("## The server\n");
    println!(
        "`wrk` and the sources run on the same machine, over loopback. `static` is nginx with one worker that sends the same answer as a file.\n"
    );
    if wanted("idle") {
        idle(&program, quick)?;
    }
    if wanted("api") {
        api(&program, quick)?;
    }
    if wanted("waits") {
        waits(&program, quick)?;
    }
    if wanted("stop") {
        stop(&program, quick)?;
    }
    if wanted("large") {
        large(&program, quick)?;
    }
    if wanted("many") {
        many(&program, quick)?;
    }
    Ok(())
}

fn seconds(value: f64) -> String {
    time(Duration::from_secs_f64(value))
}

fn idle(program: &Path, quick: bool) -> Done {
    println!("### Start and rest\n");
    let mut starts = Vec::new();
    for _ in 0..9 {
        let folder = media::scratch()?;
        starts.push(serve::start_up(program, folder.path())?);
    }
    let site = Site::start(program, media::scratch()?)?;
    thread::sleep(Duration::from_secs(if quick { 5 } else { 30 }));
    let rest = memory(site.server.child());
    let before = site.server.spent()?;
    thread::sleep(Duration::from_secs(10));
    let after = site.server.spent()?;
    let spent = after.user + after.system - before.user - before.system;
    head(&["what", "figure"]);
    row(&[
        &"exec to the first healthy answer, empty folders, median of 9",
        &seconds(median(starts)),
    ]);
    row(&[&"memory at rest, RSS", &megabytes(rest.rss)]);
    row(&[&"memory at rest, PSS", &megabytes(rest.pss)]);
    row(&[&"processor at rest", &format!("{} %", digits(spent * 10.0))]);
    println!();
    Ok(())
}

struct Load {
    name: &'static str,
    method: &'static str,
    paths: Vec<String>,
    /// As the administrator.
    signed_in: bool,
}

fn loads(videos: u32) -> Vec<Load> {
    let get = |name, paths, signed_in| Load {
        name,
        method: "GET",
        paths,
        signed_in,
    };
    let pages = (0..400).map(|page| {
        let skip = u64::from(videos).saturating_sub(20) * page / 400;
        format!("/api/videos?skip={skip}")
    });
    let words = (0..100).map(|number| format!("/api/videos?search=Lecture+{}", number * 7));
    let views = (1..=videos.min(1000)).map(|id| format!("/api/videos/{id}/view"));
    let one = |path: &str| vec![path.to_owned()];
    vec![
        get("GET /api/videos", one("/api/videos"), false),
        get("the same, signed in", one("/api/videos"), true),
        get("any page", pages.collect(), false),
        get("a search", words.collect(), false),
        Load {
            name: "POST …/view",
            method: "POST",
            paths: views.collect(),
            signed_in: false,
        },
        get("GET /api/system/status", one("/api/system/status"), true),
        get("GET /api/tasks/live", one("/api/tasks/live"), true),
    ]
}

fn api(program: &Path, quick: bool) -> Done {
    let length = if quick { 2 } else { 8 };
    for videos in [1_000, if quick { 2_000 } else { 100_000 }] {
        println!("### {videos} videos, 16 connections\n");
        let mut site = Site::start(program, media::scratch()?)?;
        site.with_database(|path| serve::fill(path, videos))?;
        head(&[
            "request",
            "requests/s",
            "p50",
            "p99",
            "CPU of one",
            "static requests/s",
        ]);
        for load in loads(videos) {
            let headers = if load.signed_in {
                site.bearer().to_vec()
            } else {
                Vec::new()
            };
            let requests = Requests {
                method: load.method,
                paths: &load.paths,
                headers: &headers,
                pause: Duration::ZERO,
            };
            // The first request reads the library.
            let first = load.paths.first().map_or("/", String::as_str);
            let answer = site.server.ask(load.method, first, &headers, b"")?;
            let outcome = site.server.load_of(&requests, 16, length)?;
            let folder = media::scratch()?;
            fs::write(folder.path().join("answer"), &answer.body)?;
            let peer = Server::nginx(folder.path())?.load(&["/answer".to_owned()], 16, length)?;
            let cpu = (outcome.spent.user + outcome.spent.system) / outcome.requests;
            row(&[
                &load.name,
                &digits(outcome.requests / outcome.seconds),
                &seconds(outcome.latency.0),
                &seconds(outcome.latency.1),
                &seconds(cpu),
                &digits(peer.requests / peer.seconds),
            ]);
        }
        println!(
            "\nMemory afterwards: {} (RSS).\n",
            megabytes(memory(site.server.child()).rss)
        );
    }
    Ok(())
}

/// Asks for `path` fifty times a second while `busy` works; the seconds that each answer took.
fn beside<T>(site: &Site, path: &str, busy: impl FnOnce() -> io::Result<T>) -> io::Result<(T, Vec<f64>)> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut times = Vec::new();
            while !over.load(Ordering::Relaxed) {
                times.push(site.timed("GET", path, None)?.1);
                thread::sleep(Duration::from_millis(20));
            }
            Ok::<_, io::Error>(times)
        });
        let done = busy();
        over.store(true, Ordering::Relaxed);
        let times = asking
            .join()
            .map_err(|_| io::Error::other("the asking thread panicked"))?;
        Ok((done?, times?))
    })
}

fn percentile(times: &[f64], part: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len().saturating_sub(1) as f64 * part).round() as usize;
    sorted.get(at).copied().unwrap_or(0.0)
}

fn said(name: &str, times: &[f64], more: &str) {
    row(&[
        &name,
        &times.len(),
        &seconds(percentile(times, 0.5)),
        &seconds(percentile(times, 0.99)),
        &seconds(percentile(times, 1.0)),
        &more,
    ]);
}

/// What a request waits for others.
fn waits(program: &Path, quick: bool) -> Done {
    println!("### `GET /api/videos` while others work, 50 a second over connections of their own\n");
    let mut site = Site::start(program, media::scratch()?)?;
    site.with_database(|path| serve::fill(path, 1_000))?;
    head(&["others", "requests", "p50", "p99", "longest", "and"]);
    let ((), alone) = beside(&site, "/api/videos", || {
        thread::sleep(Duration::from_secs(5));
        Ok(())
    })?;
    said("nobody", &alone, "");
    let (tries, guessed) = beside(&site, "/api/videos", || guess(&site))?;
    said("eight clients that guess passwords", &guessed, &tries);
    let film = media::broadcast(if quick { 20 } else { 770 })?;
    let bytes = fs::metadata(&film)?.len();
    let mut completion = 0.0;
    let (id, sent) = beside(&site, "/api/videos", || upload(&site, &film))?;
    said(
        &format!("an upload of {}", megabytes(bytes)),
        &sent,
        &format!("{} chunks", bytes.div_ceil(CHUNK)),
    );
    let (answer, completed) = beside(&site, "/api/videos", || {
        let (answer, took) = site.timed("POST", &format!("/api/upload/{id}/complete"), Some(&json!({})))?;
        completion = took;
        thread::sleep(Duration::from_secs(3));
        Ok(answer)
    })?;
    said(
        "its completion",
        &completed,
        &format!("completed in {}", seconds(completion)),
    );
    let play = site.ask("GET", &format!("/api/videos/{}/play", answer["video_id"]), None)?;
    println!(
        "\nIt plays at {}.\n",
        if play["hls_url"].is_string() {
            "once"
        } else {
            "no address"
        }
    );
    Ok(())
}

/// Eight clients guess for five seconds; what they were told.
fn guess(site: &Site) -> io::Result<String> {
    let end = Instant::now() + Duration::from_secs(5);
    let counts: Vec<(u32, u32)> = thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|client| {
                scope.spawn(move || {
                    let (mut refused, mut limited) = (0, 0);
                    let kind = [("Content-Type", "application/x-www-form-urlencoded")];
                    while Instant::now() < end {
                        let form = format!("username=admin{client}&password=guess");
                        match site.server.ask("POST", "/api/auth/login", &kind, form.as_bytes()) {
                            Ok(answer) if answer.status == 401 => refused += 1,
                            Ok(answer) if answer.status == 429 => limited += 1,
                            _ => {}
                        }
                    }
                    (refused, limited)
                })
            })
            .collect();
        clients
            .into_iter()
            .filter_map(|client| client.join().ok())
            .collect()
    });
    let refused: u32 = counts.iter().map(|count| count.0).sum();
    let limited: u32 = counts.iter().map(|count| count.1).sum();
    Ok(format!("{refused} times 401, {limited} times 429"))
}

const CHUNK: u64 = 8 << 20;

/// Sends a file in chunks; the upload's name.
fn upload(site: &Site, file: &Path) -> io::Result<String> {
    use std::io::Read;
    let size = fs::metadata(file)?.len();
    let init = json!({"filename": "talk.mp4", "file_size": size, "chunk_size": CHUNK});
    let init = site.ask("POST", "/api/upload/init", Some(&init))?;
    let id = init["task_id"].as_str().unwrap_or_default().to_owned();
    let mut reader = fs::File::open(file)?;
    let [(_, bearer)] = site.bearer();
    for index in 0..size.div_ceil(CHUNK) {
        let mut body = format!(
            "--edge\r\nContent-Disposition: form-data; name=\"chunk_index\"\r\n\r\n{index}\r\n\
             --edge\r\nContent-Disposition: form-data; name=\"chunk\"; filename=\"blob\"\r\n\r\n"
        )
        .into_bytes();
        (&mut reader).take(CHUNK).read_to_end(&mut body)?;
        body.extend_from_slice(b"\r\n--edge--\r\n");
        let headers = [
            ("Authorization", bearer),
            ("Content-Type", "multipart/form-data; boundary=edge"),
        ];
        let path = format!("/api/upload/{id}/chunk");
        let answer = site.server.ask("POST", &path, &headers, &body)?;
        if answer.status != 200 {
            let said = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(io::Error::other(format!(
                "chunk {index}: {} {said}",
                answer.status
            )));
        }
    }
    Ok(id)
}

/// From the request to stop until the video is listed and its playlist is there.
fn stop(program: &Path, quick: bool) -> Done {
    println!("### Stop → video in the list → playlist\n");
    head(&["recording", "bytes", "stop answers", "listed", "playlist there"]);
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let _publisher = Publisher::start(
        &nginx.url("a"),
        &Content::of(media::film(media::Container::Flv, 10)?),
    );
    let site = Site::start(program, media::scratch()?)?;
    let length = if quick { 20.0 } else { 300.0 };
    let name = format!("{length} s of RTMP, 8 Mbit/s");
    stopped(&site, &name, &nginx.url("a"), |live| {
        live["durable_s"].as_f64() >= Some(length)
    })?;
    println!();
    Ok(())
}

/// The same of a recording of many gigabytes, taken in as fast as it goes.
fn large(program: &Path, quick: bool) -> Done {
    println!("### Stop of a large recording → video in the list → playlist\n");
    head(&["recording", "bytes", "stop answers", "listed", "playlist there"]);
    let bytes = if quick { 500_000_000 } else { 11_000_000_000 };
    let origin = Origin::start_at(&media::film(media::Container::Flv, 10)?, 400)?;
    let site = Site::start(program, media::scratch()?)?;
    stopped(&site, "HTTP-FLV as fast as it goes", &origin.url(), |live| {
        live["durable_bytes"].as_u64() >= Some(bytes)
    })?;
    println!();
    Ok(())
}

fn stopped(site: &Site, name: &str, url: &str, enough: impl Fn(&Value) -> bool) -> Done {
    let source = site.record("Hall", url)?;
    let limit = Duration::from_secs(900);
    site.until("/api/tasks/live", limit, |live| {
        live.as_array().is_some_and(|all| all.iter().any(&enough))
    })?;
    let start = Instant::now();
    let task = site.ask("POST", &format!("/api/sources/{source}/record/stop"), None)?;
    let answered = start.elapsed().as_secs_f64();
    let videos = site.ask("GET", "/api/videos", None)?;
    let listed = start.elapsed().as_secs_f64();
    let play = site.ask("GET", &format!("/api/videos/{}/play", videos[0]["id"]), None)?;
    let path = play["hls_url"].as_str().unwrap_or_default();
    let playlist = site.server.ask("GET", path, &site.bearer(), b"")?;
    let there = start.elapsed().as_secs_f64();
    if playlist.status != 200 || task["status"] == "failed" {
        return Err(format!("{task} {play} {}", playlist.status).into());
    }
    row(&[
        &name,
        &megabytes(task["file_size"].as_u64().unwrap_or(0)),
        &seconds(answered),
        &seconds(listed),
        &seconds(there),
    ]);
    Ok(())
}

/// Many recordings in one server while viewers pull segments.
fn many(program: &Path, quick: bool) -> Done {
    const RECORDINGS: u32 = 64;
    let length = if quick { 10 } else { 60 };
    println!("### {RECORDINGS} recordings and 200 viewers\n");
    let origin = Origin::start(&media::live()?)?;
    let site = Site::start(program, media::scratch()?)?;
    let id = upload(&site, &media::broadcast(20)?)?;
    let video =
        site.ask("POST", &format!("/api/upload/{id}/complete"), Some(&json!({})))?["video_id"].clone();
    site.ask("POST", &format!("/api/videos/{video}/publish"), None)?;
    let play = site.ask("GET", &format!("/api/videos/{video}/play"), None)?;
    let folder = play["hls_url"]
        .as_str()
        .unwrap_or_default()
        .replace("index.m3u8", "");
    let segments: Vec<String> = (1..=60)
        .map(|number| format!("{folder}seg-{number}-v1-a1.ts"))
        .collect();
    for number in 0..RECORDINGS {
        site.record(&format!("Camera {number}"), &origin.url())?;
    }
    site.until("/api/tasks/live", Duration::from_secs(30), |live| {
        let all = live.as_array().map(Vec::as_slice).unwrap_or_default();
        all.len() == RECORDINGS as usize && all.iter().all(|one| one["durable_s"].as_f64() > Some(4.0))
    })?;
    head(&[
        "viewers",
        "segments/s",
        "MB/s",
        "segment p99",
        "API p50",
        "API p99",
        "longest",
        "recording behind by at most",
        "memory (RSS)",
    ]);
    let loads = [
        ("none", 0, Duration::ZERO),
        (
            "200, one segment in ten seconds each",
            200,
            Duration::from_secs(10),
        ),
        ("200, as fast as they can", 200, Duration::ZERO),
        ("none", 0, Duration::ZERO),
    ];
    for (name, viewers, pause) in loads {
        let mut behind: f64 = 0.0;
        let requests = Requests {
            method: "GET",
            paths: &segments,
            headers: &[],
            pause,
        };
        let ((outcome, late), times) = beside(&site, "/api/tasks/live", || {
            thread::scope(|scope| {
                let load = scope.spawn(|| {
                    if viewers == 0 {
                        thread::sleep(Duration::from_secs(u64::from(length)));
                        return Ok(None);
                    }
                    site.server.load_of(&requests, viewers, length).map(Some)
                });
                while !load.is_finished() {
                    let live = site.ask("GET", "/api/tasks/live", None)?;
                    for one in live.as_array().map(Vec::as_slice).unwrap_or_default() {
                        let lag = one["received_s"].as_f64().unwrap_or(0.0)
                            - one["durable_s"].as_f64().unwrap_or(0.0);
                        behind = behind.max(lag);
                    }
                    thread::sleep(Duration::from_millis(200));
                }
                let outcome = load.join().map_err(|_| io::Error::other("the load panicked"))??;
                Ok((outcome, behind))
            })
        })?;
        let of = |value: f64| {
            if outcome.is_some() {
                digits(value)
            } else {
                "".to_owned()
            }
        };
        let load = outcome.unwrap_or_default();
        row(&[
            &name,
            &of(load.requests / load.seconds),
            &of(load.bytes / load.seconds / 1e6),
            &if outcome.is_some() {
                seconds(load.latency.1)
            } else {
                String::new()
            },
            &seconds(percentile(&times, 0.5)),
            &seconds(percentile(&times, 0.99)),
            &seconds(percentile(&times, 1.0)),
            &seconds(late),
            &megabytes(memory(site.server.child()).rss),
        ]);
    }
    let live = site.ask("GET", "/api/tasks/live", None)?;
    let all = live.as_array().map(Vec::as_slice).unwrap_or_default();
    let sum = |name: &str| all.iter().filter_map(|one| one[name].as_u64()).sum::<u64>();
    println!(
        "\nOf {} recordings at the end: {} gaps, {} reconnects. A fragment is two seconds, so that being behind by less is none.\n",
        all.len(),
        sum("gaps"),
        sum("reconnects")
    );
    Ok(())
}
