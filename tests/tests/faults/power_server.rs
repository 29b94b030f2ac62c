//! Row 25: a power cut at any moment of a server's life, database included: rows and files agree, and what was shown is there.
//!
//! A server records two sources with every operation on its data folder written down. For each cut the folder is built as a disk would
//! have it (see [`mediastack_tests::power::Disk`]), and a server is started on it. Of SQLite the shared memory file is left out, which
//! holds nothing that outlives a process.

use std::time::{Duration, Instant};

use mediastack_tests::faults::lab::{Lab, SOON};
use mediastack_tests::faults::{Fault, pick};
use mediastack_tests::fixtures::media;
use mediastack_tests::nginx_rtmp::{NginxRtmp, WhenPublisherLeaves};
use mediastack_tests::power::{Disk, Log, Names, Preloaded, Random, Unsynced, read_tree, write_tree};
use mediastack_tests::publish::{Content, Publisher};
use mediastack_tests::recording::assert_finished;
use mediastack_tests::server::Server;

/// What was shown, and how much of the log was there then.
struct Shown {
    log: usize,
    task: i64,
    durable: f64,
}

#[test]
fn of_a_whole_server() {
    let mut fault = Fault::new(
        25,
        "power cut of a server, database included (drop un-flushed writes)",
        "what was shown as recorded is there; rows and files agree (fsck exits 0); the source can be recorded at once",
    );
    let cuts = std::env::var("MEDIASTACK_POWER_CUTS")
        .ok()
        .and_then(|cuts| cuts.parse().ok())
        .unwrap_or(pick(4, 200));
    let seed = std::env::var("MEDIASTACK_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(20_261_129);
    println!("{cuts} cuts, MEDIASTACK_SEED={seed}");
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_360p.flv")));
    let mut lab = Lab::default();
    let sources = [lab.source(&nginx.url("a")), lab.source(&nginx.url("a"))];
    lab.server.stop();
    let data = lab.server.data();
    let before = read_tree(&data);
    let preloaded = Preloaded::new(&data);
    for (name, value) in preloaded.environment() {
        lab.server.set(name, &value);
    }
    lab.server.restart();
    lab.sign_in();
    let tasks: Vec<i64> = sources.iter().map(|source| lab.record(*source)).collect();
    let files: Vec<_> = tasks
        .iter()
        .map(|task| lab.task(*task)["file_path"].clone())
        .collect();
    let mut shown = Vec::new();
    let until = Instant::now() + Duration::from_secs(9);
    while Instant::now() < until {
        for (source, task) in sources.iter().zip(&tasks) {
            let durable = lab.live(*source)["durable_s"].as_f64().unwrap_or(0.0);
            shown.push(Shown {
                log: preloaded.len(),
                task: *task,
                durable,
            });
        }
        std::thread::sleep(Duration::from_millis(150));
    }
    for (source, task) in sources.iter().zip(&tasks) {
        let ended = lab.stop(*source);
        shown.push(Shown {
            log: preloaded.len(),
            task: *task,
            durable: ended["duration"].as_f64().unwrap_or(0.0) - 0.5,
        });
    }
    lab.server.stop();
    // Nobody is there to be recorded when the power is back: each start is short.
    drop(publisher);
    let (log, offsets) = Log::parse_with_offsets(&preloaded.bytes());
    let mut random = Random::new(seed);
    let mut recovered = Duration::ZERO;
    let mut with_media = 0;
    for number in 0..cuts {
        let at = random.below(log.operations.len() + 1);
        let names = [Names::ByFolder, Names::WithFile][random.below(2)];
        let unsynced = match random.below(3) {
            0 => Unsynced::Lost,
            1 => Unsynced::Kept,
            _ => Unsynced::Torn(random.draw()),
        };
        let context = format!(
            "cut {number}: before {}, {names:?}, {unsynced:?}",
            at.checked_sub(1)
                .map_or("all".to_owned(), |last| log.describe(last))
        );
        let mut disk = Disk::new(names, &before);
        log.operations[..at]
            .iter()
            .for_each(|operation| disk.apply(operation));
        let folder = disk.after_power_cut(unsynced);
        let mut server = Server::prepare(&[]);
        write_tree(&server.data(), &folder);
        let begun = Instant::now();
        server.restart();
        let admin = server.admin();
        let mut lab = Lab { server, admin };
        let written = offsets.get(at.wrapping_sub(1)).copied().unwrap_or(0);
        for (task, file) in tasks.iter().zip(&files) {
            let promised = shown
                .iter()
                .filter(|shown| shown.task == *task && shown.log <= written)
                .map(|shown| shown.durable)
                .fold(0.0, f64::max);
            // Its number may be given to another one when its row is not there.
            let found = lab.admin.get(&format!("/api/tasks/{task}"));
            if found.status != 200 || found.json(200)["file_path"] != *file {
                assert!(
                    promised <= 0.0,
                    "{context}: task {task} is gone, {promised} s were shown"
                );
                continue;
            }
            let ended = lab.until_ended(*task, SOON);
            let length = ended["duration"].as_f64().unwrap_or(0.0);
            assert!(
                length >= promised.floor(),
                "{context}: {promised} s were shown: {ended:#}"
            );
            if length > 0.0 {
                let path = lab
                    .server
                    .storage()
                    .join(ended["file_path"].as_str().expect("a name"));
                let file = assert_finished(&path);
                assert!(
                    file.duration + 0.05 >= promised,
                    "{context}: {promised} s were shown, {} are there",
                    file.duration
                );
                with_media += 1;
            }
        }
        recovered = recovered.max(begun.elapsed());
        lab.server.stop();
        let agrees = lab.server.fsck(&[]);
        assert_eq!(agrees.code, Some(0), "{context}: {:#}", agrees.json());
    }
    assert!(with_media > 0, "every cut came before there was media");
    fault
        .seen(format!(
            "{cuts} cuts among {} operations; {with_media} recordings recovered",
            log.operations.len()
        ))
        .recovered_in(recovered)
        .lost(0.0);
}
