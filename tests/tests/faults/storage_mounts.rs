//! Row 23 on real file systems: one that turns read-only, one that is unmounted, one without inodes. Needs root; says so where it is missing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use mediastack_tests::faults::Fault;
use mediastack_tests::faults::lab::{Lab, SOON};
use mediastack_tests::fixtures::media;
use mediastack_tests::nginx_rtmp::{NginxRtmp, WhenPublisherLeaves};
use mediastack_tests::ports;
use mediastack_tests::publish::{Content, Publisher};
use tempfile::TempDir;

/// A file system of its own, mounted until this is dropped.
struct Mounted {
    dir: TempDir,
    image: Option<PathBuf>,
}

fn run(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of UTF-8")
}

impl Mounted {
    /// A tmpfs with these options; `None` where mounting is not allowed.
    fn tmpfs(options: &str) -> Option<Mounted> {
        let mounted = Mounted::place(None);
        run(
            "mount",
            &["-t", "tmpfs", "-o", options, "tmpfs", text(&mounted.point())],
        )
        .then_some(mounted)
    }

    /// An ext4 in a file; `None` where that is not allowed.
    fn ext4() -> Option<Mounted> {
        let mut mounted = Mounted::place(None);
        let image = mounted.dir.path().join("image");
        std::fs::File::create(&image)
            .and_then(|file| file.set_len(96 << 20))
            .expect("a temporary directory is writable");
        mounted.image = Some(image.clone());
        let made = run("mkfs.ext4", &["-q", "-F", text(&image)]);
        (made && mounted.mount()).then_some(mounted)
    }

    fn place(image: Option<PathBuf>) -> Mounted {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(dir.path().join("videos")).expect("a temporary directory is writable");
        Mounted { dir, image }
    }

    fn mount(&self) -> bool {
        let image = self.image.as_deref().expect("it has an image");
        run(
            "mount",
            &["-o", "loop,errors=remount-ro", text(image), text(&self.point())],
        )
    }

    fn point(&self) -> PathBuf {
        self.dir.path().join("videos")
    }

    /// Takes it away under its users.
    fn vanish(&self) {
        assert!(run("umount", &["-l", text(&self.point())]));
    }

    /// Makes the kernel find an error in it, after which it is read-only.
    fn break_it(&self) -> bool {
        let output = Command::new("findmnt")
            .args(["-n", "-o", "SOURCE", text(&self.point())])
            .output();
        let source = output
            .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
            .unwrap_or_default();
        let device = source.rsplit('/').next().unwrap_or_default();
        std::fs::write(format!("/sys/fs/ext4/{device}/trigger_fs_error"), "a test").is_ok()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        while run("umount", &["-l", text(&self.point())]) {}
    }
}

fn on_air() -> (NginxRtmp, Publisher) {
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_360p.flv")));
    (nginx, publisher)
}

fn lab_on(mounted: &Mounted) -> Lab {
    Lab::start(&[("STORAGE_PATH", text(&mounted.point())), ("MIN_FREE_SPACE", "0")])
}

fn entries(folder: &Path) -> Vec<String> {
    let read = std::fs::read_dir(folder).expect("a folder").flatten();
    read.map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

const SKIPPED: &str = "skipped: mounting a file system is not allowed here";

#[test]
fn a_file_system_that_turns_read_only_ends_the_recording_with_an_event() {
    let Some(mounted) = Mounted::ext4() else {
        println!("{SKIPPED}");
        return;
    };
    let (nginx, _publisher) = on_air();
    let mut lab = lab_on(&mounted);
    let (source, task) = lab.recording(&nginx.url("a"));
    let shown = lab.live(source)["durable_s"].as_f64().expect("it runs");
    if !mounted.break_it() {
        println!("skipped: the kernel makes no errors for a test");
        lab.stop(source);
        return;
    }
    let mut fault = Fault::new(
        23,
        "the file system turns read-only",
        "the recording ends with an event; what was shown is there; nothing is written elsewhere",
    );
    let ended = lab.until_ended(task, SOON);
    assert_eq!(ended["status"], "interrupted", "{ended:#}");
    let events = lab.events(task);
    assert!(
        events.iter().any(|event| event.starts_with("storage:")),
        "{events:#?}"
    );
    let video = lab.only_video();
    assert!(
        video["duration"].as_f64() >= Some(shown.floor()),
        "{shown}: {video:#}"
    );
    let refused = lab.admin.push(&format!("/api/sources/{source}/record/start"));
    assert!(
        refused.status >= 400 || lab.until_ended(task + 1, SOON)["status"] == "failed",
        "{}",
        refused.text()
    );
    lab.server.stop();
    // Mounted anew, it is checked and finished.
    mounted.vanish();
    assert!(mounted.mount(), "it can be mounted again");
    let mounted_again = Instant::now();
    lab.server.restart();
    lab.sign_in();
    let journal = lab_file(&mounted, &video).with_extension("mp4.journal");
    ports::wait_for("the finished file", Duration::from_secs(60), || !journal.exists());
    let file = mediastack_tests::recording::assert_finished(&lab_file(&mounted, &video));
    assert!(file.duration >= shown - 0.05, "{shown} {}", file.duration);
    fault
        .seen("ended with an event; finished when it was mounted again")
        .recovered_in(mounted_again.elapsed())
        .lost(0.0);
}

fn lab_file(mounted: &Mounted, video: &serde_json::Value) -> PathBuf {
    mounted.point().join(video["file_path"].as_str().expect("a name"))
}

#[test]
fn nothing_is_written_where_a_disk_was_unmounted() {
    let Some(mounted) = Mounted::ext4() else {
        println!("{SKIPPED}");
        return;
    };
    let mut fault = Fault::new(
        23,
        "the storage folder's disk is unmounted under a recording",
        "nothing is written below the mount point; what was recorded is on the disk",
    );
    let (nginx, _publisher) = on_air();
    let mut lab = lab_on(&mounted);
    let (source, task) = lab.recording(&nginx.url("a"));
    let shown = lab.live(source)["durable_s"].as_f64().expect("it runs");
    mounted.vanish();
    assert_eq!(entries(&mounted.point()), Vec::<String>::new());
    assert_eq!(lab.admin.get("/api/ready").status, 503);
    let other = lab.source(&nginx.url("a"));
    assert_eq!(
        lab.admin
            .push(&format!("/api/sources/{other}/record/start"))
            .status,
        503
    );
    let ended = lab.stop(source);
    assert_eq!(ended["status"], "interrupted", "{ended:#}");
    let events = lab.events(task);
    assert!(
        events.iter().any(|event| event.starts_with("storage:")),
        "{events:#?}"
    );
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(
        entries(&mounted.point()),
        Vec::<String>::new(),
        "nothing is written there"
    );
    lab.server.stop();
    assert_eq!(entries(&mounted.point()), Vec::<String>::new(), "nor at the end");
    assert!(mounted.mount(), "it can be mounted again");
    let back = Instant::now();
    lab.server.restart();
    lab.sign_in();
    let videos = lab.admin.until("/api/videos", SOON, |videos| {
        videos.as_array().is_some_and(|all| all.len() == 1)
    });
    let file = lab_file(&mounted, &videos[0]);
    ports::wait_for("the finished file", Duration::from_secs(60), || {
        !file.with_extension("mp4.journal").exists()
    });
    let file = mediastack_tests::recording::assert_finished(&file);
    assert!(file.duration >= shown - 0.05, "{shown} {}", file.duration);
    fault
        .seen("nothing was written below the mount point; finished when the disk was back")
        .recovered_in(back.elapsed())
        .lost(0.0);
}

#[test]
fn without_inodes_a_recording_waits_for_one() {
    let Some(mounted) = Mounted::tmpfs("size=64m,nr_inodes=40") else {
        println!("{SKIPPED}");
        return;
    };
    let mut fault = Fault::new(
        23,
        "no inode is left",
        "the recording waits and says so, and begins when there is one",
    );
    let (nginx, _publisher) = on_air();
    let mut lab = lab_on(&mounted);
    let junk = mounted.point().join("junk");
    std::fs::create_dir(&junk).expect("there are some");
    let mut count = 0;
    while std::fs::write(junk.join(count.to_string()), "").is_ok() {
        count += 1;
    }
    let source = lab.source(&nginx.url("a"));
    lab.record(source);
    lab.until_state(source, "disk_full", SOON);
    std::fs::remove_dir_all(&junk).expect("it is there");
    let room = Instant::now();
    lab.until_durable(source, 2.0, SOON);
    fault.recovered_in(room.elapsed());
    lab.stop(source);
    let video = lab.only_video();
    mediastack_tests::recording::assert_finished(&lab_file(&mounted, &video));
    fault.seen("shown as full, began by itself");
}
