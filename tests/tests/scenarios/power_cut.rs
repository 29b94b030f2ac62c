//! A power cut at any moment of recording, of finishing and of recovering: `recover` gives a file that opens, and of what was
//! on its way to the disk at most one fragment (two seconds or one GOP) is missing.
//!
//! A recording is made once for each way to finish, with every operation on its files written down. For each cut the folder is
//! built as a disk would have it (see [`mediastack_tests::power::Disk`] for what is assumed), recovered and judged.
//! `MEDIASTACK_POWER_CUTS` sets how many cuts there are in all, `MEDIASTACK_SEED` which.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mediastack_tests::binary::{self, Run};
use mediastack_tests::fixtures::media;
use mediastack_tests::hls_origin::{Segments, VodHls};
use mediastack_tests::judge::{Track, Verdict};
use mediastack_tests::power::{
    Disk, Entries, Folder, Log, Names, Operation, Random, Recorded, Unsynced, read_folder, write_folder,
};
use mediastack_tests::recording::{Target, assert_finished};

const LIMIT: Duration = Duration::from_secs(60);
/// Two seconds and the GOP of the source, in seconds.
const MAY_BE_MISSING: f64 = 2.0 + 1.0;
const MEDIA: &str = "out.mp4";
const JOURNAL: &str = "out.mp4.journal";

#[test]
fn finishing_into_the_reserved_room() {
    cut_while("reserved");
}

#[test]
fn finishing_into_inserted_room() {
    cut_while("insert_range");
}

#[test]
fn finishing_by_a_copy() {
    cut_while("copy");
}

/// Cuts the power of a recording that finishes by `method`, and of its recovery.
fn cut_while(method: &'static str) {
    let vod = VodHls::make(&media("av_h264_aac_faststart.mp4"), Segments::Ts, false);
    let target = Target::default();
    let mut command = target.command(&vod.url(), &[]);
    let Recorded { run, log } = Recorded::run(command.env("MEDIASTACK_FINISH", method), target.dir(), LIMIT);
    let run = run.success();
    if run.json()["finish_method"] != method {
        // Only INSERT_RANGE depends on the file system.
        assert_eq!(method, "insert_range", "{run:#?}");
        println!("skipped: {} has no INSERT_RANGE", target.dir().display());
        return;
    }
    let whole = read_folder(target.dir());
    let entries = journal_of(&log);
    let scene = Scene {
        method,
        url: vod.url(),
        expected: assert_finished(&target.file()),
        whole: entries.fragments.len(),
        entries,
    };
    scene.assert_log_is_whole(&log, &Folder::new(), &whole);
    scene.assert_durable_in_time(&log);

    let (budget, seed) = (
        number("MEDIASTACK_POWER_CUTS", 150).div_ceil(3),
        number("MEDIASTACK_SEED", 20_241_122),
    );
    println!("MEDIASTACK_POWER_CUTS={} MEDIASTACK_SEED={seed}", budget * 3);
    let mut random = Random::new(seed as u64);
    let cuts = choose(&log, scene.finishing_from(&log), budget - budget / 4, &mut random);
    scene.try_all(&log, &Folder::new(), &cuts);

    // Recovery is cut, too: of what a cut in the middle of the recording left.
    let middle = log.operations.len() / 2;
    let mut disk = Disk::new(Names::ByFolder, &Folder::new());
    log.operations[..middle]
        .iter()
        .for_each(|operation| disk.apply(operation));
    let left = disk.after_power_cut(Unsynced::Lost);
    let folder = tempfile::tempdir().expect("a temporary directory");
    write_folder(folder.path(), &left);
    let recovery = Recorded::run(&mut recover_command(folder.path(), method), folder.path(), LIMIT);
    recovery.run.success();
    scene.assert_log_is_whole(&recovery.log, &left, &read_folder(folder.path()));
    let cuts = choose(&recovery.log, 0, budget / 4, &mut random);
    let whole = Entries::parse(&left[JOURNAL]).fragments.len();
    let scene = Scene { whole, ..scene };
    scene.try_all(&recovery.log, &left, &cuts);
}

/// One power cut: before which operation, of what disk, and what became of the bytes that were not synced.
#[derive(Debug, Clone, Copy)]
struct Cut {
    before: usize,
    names: Names,
    unsynced: Unsynced,
}

/// What every cut of one recording is judged by.
struct Scene {
    method: &'static str,
    url: String,
    /// The recording that was not cut.
    expected: Verdict,
    /// The journal as it was when finishing began.
    entries: Entries,
    /// How many of its fragments can be there at most.
    whole: usize,
}

impl Scene {
    /// The log must explain every byte, or the cuts mean nothing.
    fn assert_log_is_whole(&self, log: &Log, before: &Folder, after: &Folder) {
        let mut disk = Disk::new(Names::ByFolder, before);
        log.operations.iter().for_each(|operation| disk.apply(operation));
        assert!(
            &disk.cached() == after && &disk.after_power_cut(Unsynced::Lost) == after,
            "{}: the log doesn't lead to the files that are there, or not everything was synced in the end",
            self.method
        );
        assert!(self.entries.fragments.len() >= 8, "{:#?}", self.entries);
    }

    /// A fragment is safe before the next one is written: one at most is on its way at any time, and it is short.
    fn assert_durable_in_time(&self, log: &Log) {
        for (track, id) in self.expected.tracks.iter().zip(1..) {
            let packets = self
                .entries
                .fragments
                .iter()
                .filter_map(|entry| entry.packets.get(&id));
            let longest = packets.max().map_or(0.0, |count| *count as f64 * track.frame());
            assert!(
                longest <= MAY_BE_MISSING,
                "a fragment has {longest} s of {}",
                track.kind
            );
        }
        let mut disk = Disk::new(Names::ByFolder, &Folder::new());
        for (index, operation) in log.operations.iter().enumerate() {
            disk.apply(operation);
            let written = self.written(&disk);
            let durable = self.durable(&disk);
            assert!(
                durable + 1 >= written,
                "{}: {durable} of {written} fragments are safe after {}",
                self.method,
                log.describe(index)
            );
        }
    }

    /// The first operation with every fragment safe.
    fn finishing_from(&self, log: &Log) -> usize {
        let mut disk = Disk::new(Names::ByFolder, &Folder::new());
        let done = log.operations.iter().position(|operation| {
            disk.apply(operation);
            self.durable(&disk) == self.whole
        });
        done.expect("every fragment becomes durable")
    }

    /// How many fragments were written, safe or not.
    fn written(&self, disk: &Disk) -> usize {
        let len = disk.cached_len(MEDIA).unwrap_or(0) as u64;
        let written = self.entries.fragments.iter().take_while(|entry| entry.end <= len);
        written.count().min(self.whole)
    }

    /// How many fragments the recorder may show as recorded: they are in the journal, and that is safe.
    fn durable(&self, disk: &Disk) -> usize {
        match disk.durable(JOURNAL) {
            Some(journal) => Entries::parse(journal).fragments.len(),
            // Not begun, or finished.
            None if disk.cached_len(MEDIA).is_none() => 0,
            None => self.whole,
        }
    }

    fn try_all(&self, log: &Log, before: &Folder, cuts: &[Cut]) {
        let next = AtomicUsize::new(0);
        let nothing = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while let Some(cut) = cuts.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let _context = Context(format!(
                            "{}: {cut:?}: before {}",
                            self.method,
                            log.describe(cut.before)
                        ));
                        let mut disk = Disk::new(cut.names, before);
                        log.operations[..cut.before]
                            .iter()
                            .for_each(|operation| disk.apply(operation));
                        let required = match cut.unsynced {
                            // What was written whole is found even if the journal doesn't know it yet.
                            Unsynced::Kept => self.written(&disk).max(self.durable(&disk)),
                            Unsynced::Lost | Unsynced::Torn(_) => self.durable(&disk),
                        };
                        if !self.recovers(&disk.after_power_cut(cut.unsynced), required) {
                            nothing.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        println!(
            "{}: {} cuts among {} operations, {} of them before anything was safe",
            self.method,
            cuts.len(),
            log.operations.len(),
            nothing.into_inner()
        );
    }

    /// Recovers a folder and asserts that at least `required` fragments are there; false when there were none.
    fn recovers(&self, folder: &Folder, required: usize) -> bool {
        let target = Target::default();
        write_folder(target.dir(), folder);
        let run = binary::spawn_command(&mut recover_command(target.dir(), self.method)).finish(LIMIT);
        let report = run.success().json();
        let files = report["files"].as_array().expect("a list of files");
        assert!(files.iter().all(|file| file["error"].is_null()), "{report:#}");
        let mut found = read_folder(target.dir());
        if required == 0 && !folder.contains_key(JOURNAL) && found == *folder && found.len() == 1 {
            // The file's name survived and the journal's did not, before there was any media: an empty file may be left.
            let left = found.remove(MEDIA).expect("no other file is made first");
            assert!(!left.windows(4).any(|bytes| bytes == b"moof"), "{report:#}");
            std::fs::remove_file(target.file()).expect("it is there");
        }
        if found.is_empty() {
            assert_eq!(required, 0, "nothing was recovered: {report:#}");
            assert_can_be_recorded(&self.url, &target);
            return false;
        }
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            [MEDIA],
            "only the recording is left: {report:#}"
        );
        let file = assert_finished(&target.file());
        self.assert_prefix(&file, required);
        recover(target.dir()).success();
        assert!(
            read_folder(target.dir()) == found,
            "a second recovery changed something"
        );
        true
    }

    /// Asserts that the file holds the packets of the first fragments, at least of `required`.
    fn assert_prefix(&self, file: &Verdict, required: usize) {
        let kinds: Vec<&str> = self
            .expected
            .tracks
            .iter()
            .map(|track| track.kind.as_str())
            .collect();
        // `track_ID` is the place among the tracks, from 1.
        let packets: BTreeMap<u64, usize> = (1..)
            .zip(&kinds)
            .filter_map(|(id, kind)| Some((id, find(file, kind)?.packets.len())))
            .collect();
        let fragments =
            (1..=self.entries.fragments.len()).find(|count| self.entries.packets(*count) == packets);
        let fragments = fragments.unwrap_or_else(|| panic!("{packets:?} packets are not whole fragments"));
        assert!(
            fragments >= required,
            "{fragments} fragments were recovered, {required} were safe"
        );
        for track in &file.tracks {
            let expected = find(&self.expected, &track.kind).expect("no track is invented");
            for (index, (packet, expected)) in track.packets.iter().zip(&expected.packets).enumerate() {
                let same = packet.hash == expected.hash
                    && packet.key == expected.key
                    && (packet.pts - expected.pts).abs() < 1e-5
                    && (packet.dts - expected.dts).abs() < 1e-5;
                assert!(
                    same,
                    "{} packet {index}: {packet:?}, recorded was {expected:?}",
                    track.kind
                );
            }
        }
    }
}

/// The moments worth trying, `count` in all. From `finishing` on, where the most can go wrong: each moment on a disk that
/// tears, then with nothing or everything that was not synced; that is two thirds. Before it: just before and just after each
/// sync, drawn at random. What is left of `count` is any moment, torn.
fn choose(log: &Log, finishing: usize, count: usize, random: &mut Random) -> Vec<Cut> {
    let is_sync = |index: &usize| {
        let operation = log.operations.get(*index);
        matches!(
            operation,
            Some(Operation::SyncBegin { .. } | Operation::SyncEnd { .. })
        )
    };
    let end = log.operations.len();
    let late: Vec<usize> = (finishing..=end).collect();
    let early: Vec<usize> = (0..finishing)
        .filter(is_sync)
        .flat_map(|index| [index, index + 1])
        .collect();
    let mut cut = |before: usize, torn: bool| {
        let names = [Names::ByFolder, Names::WithFile][random.below(2)];
        let unsynced = match random.below(3) {
            0 if !torn => Unsynced::Kept,
            1 | 2 if !torn => Unsynced::Lost,
            _ => Unsynced::Torn(random.draw()),
        };
        Cut {
            before,
            names,
            unsynced,
        }
    };
    let mut torn: Vec<Cut> = late.iter().map(|before| cut(*before, true)).collect();
    let mut whole: Vec<Cut> = late.iter().map(|before| cut(*before, false)).collect();
    let mut begun: Vec<Cut> = early
        .iter()
        .flat_map(|before| [cut(*before, true), cut(*before, false)])
        .collect();
    let mut cuts = draw(&mut torn, count * 2 / 3, random);
    cuts.extend(draw(&mut whole, count * 2 / 3 - cuts.len(), random));
    cuts.extend(draw(&mut begun, count - cuts.len(), random));
    while cuts.len() < count {
        let before = random.below(end + 1);
        cuts.push(Cut {
            before,
            names: [Names::ByFolder, Names::WithFile][random.below(2)],
            unsynced: Unsynced::Torn(random.draw()),
        });
    }
    cuts
}

/// Takes `count` out of a list, or all.
fn draw(list: &mut Vec<Cut>, count: usize, random: &mut Random) -> Vec<Cut> {
    (0..count.min(list.len()))
        .map(|_| list.swap_remove(random.below(list.len())))
        .collect()
}

/// The journal as it was last before it was removed.
fn journal_of(log: &Log) -> Entries {
    let mut disk = Disk::new(Names::ByFolder, &Folder::new());
    let mut last = Entries::default();
    for operation in &log.operations {
        disk.apply(operation);
        if let (Operation::SyncEnd { .. }, Some(journal)) = (operation, disk.durable(JOURNAL)) {
            last = Entries::parse(journal);
        }
    }
    last
}

fn find<'a>(file: &'a Verdict, kind: &str) -> Option<&'a Track> {
    file.tracks.iter().find(|track| track.kind == kind)
}

fn recover_command(folder: &Path, method: &str) -> std::process::Command {
    let args = ["recover".as_ref(), folder.as_os_str(), "--json".as_ref()];
    let mut command = binary::command(&args);
    command.env("MEDIASTACK_FINISH", method);
    command
}

fn recover(folder: &Path) -> Run {
    binary::spawn_command(&mut recover_command(folder, "auto")).finish(LIMIT)
}

/// Nothing is in the way of a new recording of the same name. Tried a few times, since it takes a second.
fn assert_can_be_recorded(url: &str, target: &Target) {
    static TRIED: AtomicUsize = AtomicUsize::new(0);
    if TRIED.fetch_add(1, Ordering::Relaxed) >= 3 {
        return;
    }
    target.record(url, &["--duration", "2s"]).finish(LIMIT).success();
    assert_finished(&target.file());
}

fn number(variable: &str, default: usize) -> usize {
    let value = std::env::var(variable).ok();
    value.map_or(default, |value| {
        value
            .parse()
            .unwrap_or_else(|_| panic!("{variable}={value:?} is no number"))
    })
}

/// Says which cut it was when an assertion fails.
struct Context(String);

impl Drop for Context {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}
