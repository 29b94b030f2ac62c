//! Whole processes beside their peers, and a table of what criterion measured: `compare [--quick] [SECTION…]`, where a section is
//! `remux`, `finish`, `recordings` or `criterion`; all without one. Prints Markdown.

use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use mediacore::mp4::SampleIndex;
use mediacore::record::finish::Method;
use mediastack_benches::cost::{Cost, Memory, children_cpu, median, memory, run};
use mediastack_benches::finish::{finish, second_pass};
use mediastack_benches::media::{self, Container};
use mediastack_benches::origin::Origin;
use mediastack_benches::table::{digits, head, megabytes, row, time};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    arguments.retain(|argument| argument != "--quick");
    if let Some(unknown) = arguments.iter().find(|name| !SECTIONS.contains(&name.as_str())) {
        return Err(format!("no section {unknown}; there are {}", SECTIONS.join(", ")).into());
    }
    let wanted = |section: &str| arguments.is_empty() || arguments.iter().any(|name| name == section);
    println!("# Measured\n");
    machine()?;
    if wanted("remux") {
        remux_files(if quick { 3 } else { 9 })?;
    }
    if wanted("finish") {
        finishing(quick)?;
    }
    if wanted("recordings") {
        recordings(if quick { 1 } else { 3 })?;
    }
    if wanted("criterion") {
        in_process()?;
    }
    Ok(())
}

const SECTIONS: [&str; 4] = ["remux", "finish", "recordings", "criterion"];

/// Where and with what this was measured.
fn machine() -> io::Result<()> {
    let first = |path: &str, name: &str| -> io::Result<String> {
        let text = fs::read_to_string(path)?;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        Ok(line
            .unwrap_or_default()
            .trim_start_matches([' ', '\t', ':'])
            .to_owned())
    };
    let said = |program: &str, argument: &str| -> io::Result<String> {
        let output = Command::new(program)
            .arg(argument)
            .stdin(Stdio::null())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.lines().next().unwrap_or_default().to_owned())
    };
    let ffmpeg = said("ffmpeg", "-version")?;
    println!(
        "{}, {} processors, {}; Linux {}, {}; {}; {}. `make bench`.\n",
        first("/proc/cpuinfo", "model name")?,
        thread::available_parallelism()?,
        first("/proc/meminfo", "MemTotal")?,
        fs::read_to_string("/proc/sys/kernel/osrelease")?.trim(),
        file_system(&media::folder()?)?,
        ffmpeg.split(" Copyright").next().unwrap_or_default(),
        said("date", "-uI")?,
    );
    Ok(())
}

/// The type of the file system that holds `folder`.
fn file_system(folder: &Path) -> io::Result<String> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let found = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(mount, _)| folder.starts_with(mount))
        .max_by_key(|(mount, _)| mount.len());
    Ok(found.map_or_else(String::new, |(_, kind)| kind.to_owned()))
}

/// One file to faststart MP4: `mediastack remux` and `ffmpeg -c copy -movflags +faststart` by turns.
fn remux_files(pairs: u32) -> Result<(), Box<dyn Error>> {
    println!("## Remux to faststart MP4\n");
    let mediastack = media::mediastack()?;
    let starts = (0..9)
        .map(|_| run(Command::new(&mediastack).arg("--version")))
        .collect::<io::Result<Vec<_>>>()?;
    println!(
        "Five minutes of 720p H.264 at 8 Mbit/s and AAC from the page cache; whole programs by turns, medians of {pairs} rounds and \
         of their ratios. CPU is user and system time. `mediastack` syncs what it made; ffmpeg and `cp` don't, so ffmpeg \
         stands here alone and followed by `sync OUT`. Starting and loading libav alone takes {} of CPU (`mediastack --version`).\n",
        cpu(&starts)
    );
    head(&[
        "input",
        "mediastack: wall, CPU",
        "ffmpeg: wall, CPU",
        "ffmpeg and sync: wall, CPU",
        "`cp`: wall, CPU",
        "**CPU ratio**",
        "**wall ratio**",
        "both synced: CPU, wall ratio",
    ]);
    let folder = media::scratch()?;
    let output = folder.path().join("out.mp4");
    for container in Container::ALL {
        let input = media::film(container, 10)?;
        eprintln!("remux {}", input.display());
        let mut costs: [Vec<Cost>; 4] = Default::default();
        for round in 0..=pairs {
            let ours = timed(&output, || {
                run(Command::new(&mediastack).arg("remux").arg(&input).arg(&output))
            })?;
            let theirs = timed(&output, || run(&mut media::ffmpeg_copy(&input, &output, true)))?;
            let synced = timed(&output, || {
                let made = run(&mut media::ffmpeg_copy(&input, &output, true))?;
                let synced = run(Command::new("sync").arg(&output))?;
                Ok(Cost {
                    wall: made.wall + synced.wall,
                    cpu: made.cpu + synced.cpu,
                })
            })?;
            let floor = timed(&output, || {
                run(Command::new("cp").arg("--reflink=never").arg(&input).arg(&output))
            })?;
            // The first round fills the page cache.
            if round > 0 {
                for (list, cost) in costs.iter_mut().zip([ours, theirs, synced, floor]) {
                    list.push(cost);
                }
            }
        }
        let [ours, theirs, synced, floor] = &costs;
        let ratio = |peers: &[Cost], which: fn((f64, f64)) -> f64| {
            let ratios = ours
                .iter()
                .zip(peers)
                .map(|(ours, peer)| which(ours.ratio(*peer)));
            digits(median(ratios))
        };
        let size = fs::metadata(&input)?.len();
        row(&[
            &format!("{}, {}", container.extension().to_uppercase(), megabytes(size)),
            &format!("{}, {}", wall(ours), cpu(ours)),
            &format!("{}, {}", wall(theirs), cpu(theirs)),
            &format!("{}, {}", wall(synced), cpu(synced)),
            &format!("{}, {}", wall(floor), cpu(floor)),
            &ratio(theirs, |(_, cpu)| cpu),
            &ratio(theirs, |(wall, _)| wall),
            &format!(
                "{}, {}",
                ratio(synced, |(_, cpu)| cpu),
                ratio(synced, |(wall, _)| wall)
            ),
        ]);
    }
    println!();
    Ok(())
}

/// Runs something that makes `output`, and removes that: what is not on the disk yet never gets there.
fn timed(output: &Path, run: impl FnOnce() -> io::Result<Cost>) -> io::Result<Cost> {
    let cost = run()?;
    fs::remove_file(output)?;
    Ok(cost)
}

fn wall(costs: &[Cost]) -> String {
    time(Duration::from_secs_f64(median(
        costs.iter().map(|cost| cost.wall.as_secs_f64()),
    )))
}

fn cpu(costs: &[Cost]) -> String {
    time(Duration::from_secs_f64(median(
        costs.iter().map(|cost| cost.cpu.as_secs_f64()),
    )))
}

/// The end of a recording, by size and method.
fn finishing(quick: bool) -> Result<(), Box<dyn Error>> {
    println!("## Finishing a recording\n");
    println!(
        "Recordings at 8 Mbit/s (2 GB are 36 minutes), synced as they grow. Finished durably: every step is synced. ffmpeg's second \
         pass is `-c copy -movflags +faststart` less `-c copy` of the same file from the page cache, and is not synced. \
         Written: all bytes given to the disk from the first packet to the end, fragments' headers and journal too, \
         beyond those of the samples.\n"
    );
    head(&[
        "media",
        "method",
        "finished in",
        "written beyond the media",
        "file beyond the media",
        "ffmpeg's second pass",
        "ratio",
    ]);
    let times = if quick { 1 } else { 3 };
    for size in [64, 512, 2048] {
        let folder = media::scratch()?;
        let path = folder.path().join("recording.mp4");
        let mut peer = None;
        for method in [Method::Reserved, Method::InsertRange, Method::Copy] {
            eprintln!("finish {size} MiB by {method}");
            let mut runs = Vec::new();
            for _ in 0..times {
                match finish(&path, size << 20, method) {
                    Ok(finished) => runs.push(finished),
                    Err(error) => eprintln!("finish by {method}: {error}"),
                }
            }
            let Some(last) = runs.last() else { continue };
            let peer = match peer {
                Some(peer) => peer,
                None => {
                    let passes = (0..times)
                        .map(|_| second_pass(&path))
                        .collect::<io::Result<Vec<_>>>()?;
                    *peer.insert(median(passes.iter().map(|cost| cost.wall.as_secs_f64())))
                }
            };
            let ours = median(runs.iter().map(|run| run.time.as_secs_f64()));
            let beyond = |bytes: u64| {
                let more = bytes as f64 / last.media as f64 - 1.0;
                format!("{:.2} %", more * 100.0)
            };
            row(&[
                &megabytes(last.media),
                &method,
                &time(Duration::from_secs_f64(ours)),
                &beyond(last.written),
                &beyond(last.size),
                &time(Duration::from_secs_f64(peer)),
                &if peer > 0.0 {
                    format!("{:.4}", ours / peer)
                } else {
                    "lost in noise".to_owned()
                },
            ]);
        }
    }
    println!();
    Ok(())
}

/// Recordings at once.
const COUNT: u32 = 64;
/// How long each is.
const SECONDS: u64 = 30;

/// What many recordings cost together.
struct Load {
    cpu: Duration,
    memory: Memory,
}

/// Many recordings of one live source: one process of ours, as many of ffmpeg.
fn recordings(rounds: u32) -> Result<(), Box<dyn Error>> {
    println!("## {COUNT} recordings at once\n");
    println!(
        "{SECONDS} s each of one HTTP-FLV origin on this machine, 360p H.264 at 800 kbit/s and AAC: all in one process, \
         which syncs every fragment and keeps a journal, and one `ffmpeg -c copy -movflags +faststart` process for each, \
         which does neither. CPU of all processes from start to end, medians of {rounds} round(s). Memory at its highest: \
         PSS, which counts what processes share once; RSS in brackets.\n"
    );
    head(&[
        "",
        "CPU",
        "CPU of a recording for a second",
        "memory",
        "of a recording",
    ]);
    let origin = Origin::start(&media::live()?)?;
    let mut loads: [Vec<Load>; 2] = Default::default();
    for round in 1..=rounds {
        eprintln!("recordings, round {round}");
        loads[0].push(ours(&origin)?);
        loads[1].push(theirs(&origin)?);
    }
    let middle = |loads: &[Load], value: fn(&Load) -> f64| median(loads.iter().map(value));
    let name = [
        format!("mediacore, {COUNT} in one process"),
        format!("ffmpeg, {COUNT} processes"),
    ];
    let value: [fn(&Load) -> f64; 3] = [
        |load| load.cpu.as_secs_f64(),
        |load| load.memory.pss as f64,
        |load| load.memory.rss as f64,
    ];
    let middles = loads
        .each_ref()
        .map(|loads| value.map(|value| middle(loads, value)));
    let count = f64::from(COUNT);
    for (name, [cpu, pss, rss]) in name.iter().zip(middles) {
        row(&[
            name,
            &format!("{} s", digits(cpu)),
            &format!(
                "{} ms",
                digits(cpu * 1e3 / count / Duration::from_secs(SECONDS).as_secs_f64())
            ),
            &format!("{} MB ({} MB)", digits(pss / 1e6), digits(rss / 1e6)),
            &format!(
                "{} MB ({} MB)",
                digits(pss / 1e6 / count),
                digits(rss / 1e6 / count)
            ),
        ]);
    }
    let [[cpu, pss, _], [peer_cpu, peer_pss, _]] = middles;
    row(&[
        &"**ratio**",
        &digits(cpu / peer_cpu),
        &"",
        &digits(pss / peer_pss),
        &"",
    ]);
    println!();
    Ok(())
}

fn ours(origin: &Origin) -> io::Result<Load> {
    let folder = media::scratch()?;
    let mut command = Command::new(media::beside("sixty_four")?);
    command
        .arg(origin.url())
        .arg(folder.path())
        .args([COUNT.to_string(), SECONDS.to_string()]);
    let outputs = (0..COUNT).map(|number| folder.path().join(format!("{number:02}.mp4")));
    measured(vec![command], &outputs.collect::<Vec<_>>())
}

fn theirs(origin: &Origin) -> io::Result<Load> {
    let folder = media::scratch()?;
    let (mut commands, mut outputs) = (Vec::new(), Vec::new());
    for number in 0..COUNT {
        let output = folder.path().join(format!("{number:02}.mp4"));
        let mut command = media::ffmpeg();
        command
            .args(["-i", &origin.url(), "-t", &SECONDS.to_string()])
            .args(["-c", "copy", "-movflags", "+faststart"])
            .arg(&output);
        commands.push(command);
        outputs.push(output);
    }
    measured(commands, &outputs)
}

/// Runs all at once, looks at their memory twice a second, and checks what they made.
fn measured(commands: Vec<Command>, outputs: &[PathBuf]) -> io::Result<Load> {
    let before = children_cpu()?;
    let mut children = Vec::new();
    for mut command in commands {
        children.push(Running(command.stdin(Stdio::null()).spawn()?));
    }
    let mut most = Memory::default();
    let start = Instant::now();
    // A process that has ended stays in the list until all have: whoever is waited for is gone.
    while start.elapsed() < Duration::from_secs(SECONDS.saturating_sub(2)) {
        thread::sleep(Duration::from_millis(500));
        let now = children
            .iter()
            .map(|child| memory(&child.0))
            .fold(Memory::default(), |sum, one| Memory {
                pss: sum.pss + one.pss,
                rss: sum.rss + one.rss,
            });
        most = Memory {
            pss: most.pss.max(now.pss),
            rss: most.rss.max(now.rss),
        };
    }
    for child in &mut children {
        let status = child.0.wait()?;
        if !status.success() {
            return Err(io::Error::other(format!("a recording failed: {status}")));
        }
    }
    for output in outputs {
        let file = fs::File::open(output)?;
        let size = file.metadata()?.len();
        let index = SampleIndex::open(&file, size).map_err(|error| io::Error::other(error.report()))?;
        let shortest = index
            .tracks()
            .iter()
            .map(|track| track.duration().as_seconds(track.timescale().base()))
            .fold(f64::MAX, f64::min);
        if index.tracks().len() != 2 || shortest < Duration::from_secs(SECONDS - 1).as_secs_f64() {
            return Err(io::Error::other(format!("{}: {shortest} s", output.display())));
        }
    }
    Ok(Load {
        cpu: children_cpu()?.saturating_sub(before),
        memory: most,
    })
}

/// A child that does not outlive us.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The medians that `cargo bench` left behind.
fn in_process() -> io::Result<()> {
    let Some(target) = media::folder()?.parent().map(|target| target.join("criterion")) else {
        return Ok(());
    };
    println!("## In one process (criterion, medians)\n");
    head(&["benchmark", "time", "per second"]);
    let mut groups = subfolders(&target)?;
    groups.sort();
    for group in groups {
        let mut functions = subfolders(&group)?;
        functions.sort();
        for function in functions {
            let (Ok(estimates), Ok(benchmark)) = (
                json(&function.join("new/estimates.json")),
                json(&function.join("new/benchmark.json")),
            ) else {
                continue;
            };
            let nanos = estimates["median"]["point_estimate"].as_f64().unwrap_or(0.0);
            let per_second = |amount: &serde_json::Value| amount.as_f64().map(|amount| amount / nanos * 1e9);
            let throughput = &benchmark["throughput"];
            let speed = match (
                per_second(&throughput["Elements"]),
                per_second(&throughput["Bytes"]),
            ) {
                (Some(packets), _) => format!("{} million", digits(packets / 1e6)),
                (_, Some(bytes)) => format!("{} GB", digits(bytes / 1e9)),
                _ => String::new(),
            };
            row(&[
                &benchmark["full_id"].as_str().unwrap_or_default(),
                &time(Duration::from_nanos(nanos.round() as u64)),
                &speed,
            ]);
        }
    }
    println!();
    Ok(())
}

fn subfolders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "report") {
            found.push(path);
        }
    }
    Ok(found)
}

fn json(path: &Path) -> io::Result<serde_json::Value> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}
