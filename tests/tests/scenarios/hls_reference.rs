//! `mediastack vod` answers as nginx-vod-module did: every captured request, location by location.
//!
//! Playlists, keys and subtitles are compared to the byte; segments by hash, encrypted ones in the clear, and where the
//! bytes may differ by the packets that ffprobe sees. What differs on purpose is listed in [`intended`].

mod compare;
mod locations;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use mediastack_tests::file_server::FileServer;
use mediastack_tests::hls_reference::{self as reference, Request};
use mediastack_tests::http::{Answer, Client};
use mediastack_tests::vod::Vod;

use compare::{Outcome, compare};
use locations::{Mode, location};

/// What the captured playlists call the server.
const HOST: &str = "127.0.0.1:18080";

/// Why an answer that is not like the captured one differs on purpose; `None` when it should not.
fn intended(request: &Request, target: &str, answer: &Answer) -> Option<&'static str> {
    let is = |name: &str| target.contains(name);
    let good = answer.status == 200 && answer.complete;
    let several = request
        .header
        .as_deref()
        .is_some_and(|header| header.contains(','));
    let (why, right) = if is("j_fragmented") {
        ("fragmented files are packaged", good || answer.status == 404)
    } else if is("x_truncated") && is("/seg-") {
        let cut = !answer.complete || answer.status == 0 || answer.status == 404;
        ("a cut file is packaged as far as it goes (Q7)", good || cut)
    } else if is("x_truncated") {
        ("a cut file is packaged as far as it goes (Q7)", good)
    } else if is("/event.json") {
        (
            "live and event sets are not packaged",
            matches!(answer.status, 400 | 404 | 503),
        )
    } else if is("/speed/") {
        ("nothing is played at another speed", answer.status == 400)
    } else if several {
        let kind = answer.header("content-type").unwrap_or_default();
        let parts = answer.status == 206 && answer.complete && kind.starts_with("multipart/byteranges");
        ("several ranges of a segment are whole parts (Q6)", parts)
    } else if is("-v1.m4s") && (is("d_bframes") || is("g_hevc")) {
        ("video alone is not late by the delay of its B-frames (Q4)", good)
    } else {
        return None;
    };
    right.then_some(why)
}

/// One location: how many answers are equal, which differ on purpose, and which differ.
#[derive(Debug, Default)]
struct Tally {
    equal: BTreeMap<&'static str, usize>,
    intended: BTreeMap<&'static str, usize>,
    different: Vec<String>,
}

/// The mappings with the folder of the media in them.
fn mappings(media: &Path, into: &Path) {
    let media = media.to_str().expect("a path of UTF-8");
    for entry in std::fs::read_dir(reference::folder().join("mappings")).expect("a committed folder") {
        let path = entry.expect("readable").path();
        let text = std::fs::read_to_string(&path).expect("readable");
        let name = path.file_name().expect("a file");
        std::fs::write(into.join(name), text.replace("@MEDIA@", media))
            .expect("a temporary directory is writable");
    }
}

/// Whether the request is about something that the published reference has.
fn is_there(request: &Request) -> bool {
    let missing = ["s_opus", "t_vp9", "q_mp3", "r_ac3", "playlist_adaptive", "live_"];
    !missing.iter().any(|name| request.target.contains(name))
}

fn run(
    name: &str,
    requests: &[&Request],
    media: &Path,
    mapped: &Path,
    upstream: &FileServer,
) -> Option<Tally> {
    let (mode, directives) = location(name)?;
    let prefix = format!("/{name}");
    let mut more: Vec<String> = ["--preset", "nginx-vod", "--workers", "1", "--location", &prefix]
        .map(str::to_owned)
        .into();
    let root = match mode {
        Mode::Local => media,
        Mode::File | Mode::Upstream => mapped,
    };
    let media_root = media.to_str().expect("a path of UTF-8").to_owned();
    match mode {
        Mode::Local => {}
        Mode::File => more.extend(["--mapped".to_owned(), "--media-root".to_owned(), media_root]),
        Mode::Upstream => {
            let url = upstream.url("");
            more.extend(
                [
                    "--mapped",
                    "--mapping-upstream",
                    &url,
                    "--media-root",
                    &media_root,
                ]
                .map(str::to_owned),
            );
        }
    }
    for directive in directives {
        more.extend(["--option".to_owned(), directive]);
    }
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    let server = Vod::start(root, &more);
    let mut client = Client::new(server.port(), HOST);
    let mut tally = Tally::default();
    for request in requests {
        let target = format!("{prefix}{}", request.target);
        let headers: Vec<&str> = request.header.as_deref().into_iter().collect();
        let answer = client.ask(&request.method, &target, &headers);
        let line = || format!("{} {target} {headers:?}", request.method);
        match compare(request, &answer, &mut client, &prefix) {
            Ok(Outcome::Equal(how)) => *tally.equal.entry(how).or_default() += 1,
            Err(what) => match intended(request, &target, &answer) {
                Some(why) => *tally.intended.entry(why).or_default() += 1,
                None => tally.different.push(format!("{}: {what}", line())),
            },
        }
    }
    Some(tally)
}

#[test]
fn every_captured_answer_is_given_again() {
    let Some(media) = reference::media_folder() else {
        return;
    };
    let mapped = tempfile::tempdir().expect("a temporary directory");
    mappings(&media, mapped.path());
    let upstream = FileServer::start(mapped.path());
    let requests = reference::requests();
    let mut by_location: BTreeMap<&str, Vec<&Request>> = BTreeMap::new();
    for request in requests.iter().filter(|request| is_there(request)) {
        by_location.entry(&request.location).or_default().push(request);
    }
    let tallies: Mutex<BTreeMap<&str, Tally>> = Mutex::default();
    let todo = Mutex::new(by_location.iter());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let next = todo.lock().expect("no holder panics").next();
                    let Some((name, requests)) = next else { return };
                    if let Some(tally) = run(name, requests, &media, mapped.path(), &upstream) {
                        tallies.lock().expect("no holder panics").insert(name, tally);
                    }
                }
            });
        }
    });
    let tallies = tallies.into_inner().expect("no holder panics");
    let mut different = 0;
    for (name, tally) in &tallies {
        println!(
            "{name}: equal {:?}, intended {:?}, different {}",
            tally.equal,
            tally.intended,
            tally.different.len()
        );
        for line in &tally.different {
            println!("    {line}");
        }
        different += tally.different.len();
    }
    let sum = |of: fn(&Tally) -> usize| tallies.values().map(of).sum::<usize>();
    let equal = sum(|tally| tally.equal.values().sum());
    let on_purpose = sum(|tally| tally.intended.values().sum());
    println!("in all: {equal} equal, {on_purpose} different on purpose, {different} different");
    assert!(equal > 3000, "only {equal} answers were compared");
    assert_eq!(different, 0);
}
