//! 64 sources of three kinds, a fault of each of them in three of four minutes, for as long as one likes: memory, threads and descriptors
//! stay flat, and every recording is there at the end. `make soak MINUTES=60` runs it.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use mediastack_tests::faults::lab::Lab;
use mediastack_tests::faults::plot::{self, Series};
use mediastack_tests::faults::results;
use mediastack_tests::fixtures::media;
use mediastack_tests::hls_window::{LiveWindow, cut};
use mediastack_tests::judge;
use mediastack_tests::nginx_rtmp::{NginxRtmp, WhenPublisherLeaves};
use mediastack_tests::origin::Reply;
use mediastack_tests::proxy::Proxy;
use mediastack_tests::publish::{Content, Publisher};
use mediastack_tests::rtsp::{Mount, RtspServer};

const RTMP: usize = 40;
const RTSP: usize = 12;
const HLS: usize = 12;
/// How often everything is looked at.
const EVERY: u64 = 10;
/// Every so many minutes, one is without new faults. At its end all sources are well, and memory is that of 64 recordings, and not of as
/// many as happen to be connected.
const CALM: u64 = 4;
/// The slope of memory that is none, in MiB per hour, and how long a run must be to tell.
const SLOPE: f64 = 1.0;
const TELLING: u64 = 30;
/// The part of a run that is warm-up: until each source has had each trouble several times, and the allocator has what it takes.
const WARM_UP: usize = 2;

#[derive(Clone, Copy, Debug)]
enum Trouble {
    Cut,
    Freeze,
    Refuse,
    Throttle,
    Delay,
    Damage,
}

const TROUBLES: [Trouble; 6] = [
    Trouble::Cut,
    Trouble::Freeze,
    Trouble::Refuse,
    Trouble::Throttle,
    Trouble::Delay,
    Trouble::Damage,
];

impl Trouble {
    /// Begins it; when it ends, if not by itself.
    fn begin(self, proxy: &Proxy) -> Option<Duration> {
        match self {
            Trouble::Cut => proxy.cut(),
            Trouble::Freeze => proxy.freeze(),
            Trouble::Refuse => {
                proxy.refuse(true);
                proxy.cut();
                return Some(Duration::from_secs(8));
            }
            Trouble::Throttle => {
                proxy.throttle(10_000);
                return Some(Duration::from_secs(12));
            }
            Trouble::Delay => {
                proxy.delay(Duration::from_millis(300));
                return Some(Duration::from_secs(12));
            }
            Trouble::Damage => {
                proxy.corrupt(20_000);
                return Some(Duration::from_secs(5));
            }
        }
        None
    }

    fn end(self, proxy: &Proxy) {
        match self {
            Trouble::Cut | Trouble::Freeze => {}
            Trouble::Refuse => proxy.refuse(false),
            Trouble::Throttle => proxy.throttle(0),
            Trouble::Delay => proxy.delay(Duration::ZERO),
            Trouble::Damage => proxy.corrupt(0),
        }
    }
}

/// Numbers of `/proc/<id>/status`, in its units.
fn status(process: u32, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.trim_start_matches(':').split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0.0)
}

fn descriptors(process: u32) -> f64 {
    std::fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count) as f64
}

/// What an HLS origin does wrong in this minute, at this second of it.
fn hls_trouble(origin: &LiveWindow, minute: u64) {
    match minute % 4 {
        0 => origin.script(|asked, _| (asked.path == "index.m3u8").then(|| Reply::status(503))),
        1 => origin.script(|asked, _| asked.path.ends_with("7.ts").then(|| Reply::status(404))),
        2 => origin.script(|asked, _| asked.path.ends_with("3.ts").then(Reply::close)),
        _ => origin.script(|asked, mut listing| {
            (asked.path == "index.m3u8").then(|| {
                listing.sequence %= 1000;
                listing.reply()
            })
        }),
    }
}

#[test]
#[ignore = "runs as long as it is told to: make soak"]
fn nothing_grows_and_nothing_ends() {
    let minutes: u64 = std::env::var("MEDIASTACK_SOAK_MINUTES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(60);
    let length = Duration::from_secs(minutes * 60);
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let content = Content::of(media("live_180p.flv"));
    let mut publisher = Publisher::start(&nginx.url("a"), &content);
    let camera = RtspServer::start(Mount {
        video: "h264",
        audio: "alaw",
        protocols: "tcp",
    });
    let window = LiveWindow::start(cut(&media("live_180p.flv"), minutes as u32 * 60 + 240));
    let proxies: Vec<Proxy> = (0..RTMP + RTSP)
        .map(|index| Proxy::start(if index < RTMP { nginx.port() } else { camera.port() }))
        .collect();
    let mut lab = Lab::default();
    let urls = proxies.iter().enumerate().map(|(index, proxy)| {
        let port = proxy.port();
        if index < RTMP {
            format!("rtmp://127.0.0.1:{port}/live/a")
        } else {
            format!("rtsp://127.0.0.1:{port}/live")
        }
    });
    let urls: Vec<String> = urls.chain((0..HLS).map(|_| window.url())).collect();
    let sources: Vec<i64> = urls.iter().map(|url| lab.source(url)).collect();
    let tasks: Vec<i64> = sources.iter().map(|source| lab.record(*source)).collect();
    let process = lab.server.id();

    let names = [
        "resident MiB",
        "anonymous MiB",
        "threads",
        "descriptors",
        "recording",
        "reconnects",
        "gaps",
        "seconds not received",
    ];
    let mut series: Vec<Series> = names
        .iter()
        .map(|name| Series {
            name,
            values: Vec::new(),
        })
        .collect();
    let began = Instant::now();
    let mut endings: Vec<(Instant, Trouble, usize)> = Vec::new();
    let mut faults = 0_u64;
    let mut second = 0;
    let mut in_calm: Vec<f64> = Vec::new();
    let mut calm = Series {
        name: "anonymous MiB, all well",
        values: Vec::new(),
    };
    while began.elapsed() < length {
        let now = Instant::now();
        endings.retain(|(at, trouble, index)| {
            let over = *at <= now;
            if over {
                trouble.end(&proxies[*index]);
            }
            !over
        });
        if began.elapsed().as_secs() < second {
            std::thread::sleep(Duration::from_millis(50));
            continue;
        }
        let minute = second / 60;
        let calms = minute % CALM == CALM - 1;
        // The first minute is for everybody to begin; each proxy has its second of the others.
        for (index, proxy) in proxies.iter().enumerate() {
            if minute > 0 && !calms && index as u64 * 60 / proxies.len() as u64 == second % 60 {
                let trouble = TROUBLES[(index + minute as usize) % TROUBLES.len()];
                faults += 1;
                if let Some(after) = trouble.begin(proxy) {
                    endings.push((now + after, trouble, index));
                }
            }
        }
        match second % 60 {
            10 if minute > 0 && !calms => {
                faults += HLS as u64;
                hls_trouble(&window, minute);
            }
            25 => window.heal(),
            40 if minute % 7 == 6 && !calms => publisher.restart(&content),
            _ => {}
        }
        if calms && second % 60 >= 45 {
            in_calm.push(status(process, "RssAnon") / 1024.0);
        } else if !in_calm.is_empty() {
            calm.values.push(plot::median(&in_calm));
            in_calm.clear();
        }
        if second % EVERY == 0 {
            lab.sign_in();
            let live = lab.admin.get("/api/tasks/live").json(200);
            let live = live.as_array().cloned().unwrap_or_default();
            let sum = |name: &str| live.iter().filter_map(|one| one[name].as_f64()).sum::<f64>();
            let recording = live.iter().filter(|one| one["state"] == "recording").count();
            let missing = began.elapsed().as_secs_f64() * sources.len() as f64 - sum("received_s");
            let row = [
                status(process, "VmRSS") / 1024.0,
                status(process, "RssAnon") / 1024.0,
                status(process, "Threads"),
                descriptors(process),
                recording as f64,
                sum("reconnects"),
                sum("gaps"),
                missing.max(0.0),
            ];
            series
                .iter_mut()
                .zip(row)
                .for_each(|(one, value)| one.values.push(value));
            assert_eq!(
                live.len(),
                sources.len(),
                "a recording ended: {live:#?}\n{}",
                lab.server.log()
            );
        }
        second += 1;
    }
    for (_, trouble, index) in endings {
        trouble.end(&proxies[index]);
    }
    window.heal();
    if !in_calm.is_empty() {
        calm.values.push(plot::median(&in_calm));
    }
    write_samples(&series, &calm);
    let ended = end(&mut lab, &sources, &tasks);
    let told = tell(&series, &calm, minutes, sources.len(), faults, &ended);
    println!("{told}");

    if minutes >= TELLING {
        let warm = series[0].values.len() / WARM_UP;
        let per_hour = calm.slope(calm.values.len() / WARM_UP) * 60.0 / CALM as f64;
        assert!(
            per_hour < SLOPE,
            "memory grows by {per_hour:.2} MiB an hour\n{told}"
        );
        let (threads, open) = (series[2].shift(warm), series[3].shift(warm));
        assert!(
            threads.abs() <= 4.0 && open.abs() <= 16.0,
            "{threads} threads, {open} descriptors\n{told}"
        );
    }
}

/// Stops everything, then looks at every file: how many seconds there are, and how many the gaps say are missing.
fn end(lab: &mut Lab, sources: &[i64], tasks: &[i64]) -> (f64, f64) {
    lab.sign_in();
    let ended: Vec<_> = sources.iter().map(|source| lab.stop(*source)).collect();
    let (mut there, mut missing) = (0.0, 0.0);
    for (ended, task) in ended.iter().zip(tasks) {
        assert_eq!(&ended["id"], task, "one task from the beginning to the end");
        let gaps = ended["gaps"].as_array().cloned().unwrap_or_default();
        missing += gaps
            .iter()
            .filter_map(|gap| gap["length_s"].as_f64())
            .sum::<f64>();
        let video = lab
            .admin
            .get(&format!("/api/videos/{}", ended["video_id"]))
            .json(200);
        for file in lab.files(&video) {
            there += checked(&file);
        }
    }
    (there, missing)
}

/// The length of a file that opens and whose times increase. What was damaged on the way is in it, so a decoder may complain.
fn checked(file: &Path) -> f64 {
    judge::assert_faststart(file);
    let verdict = judge::probe(file);
    for track in &verdict.tracks {
        let back = track.packets.windows(2).find(|pair| pair[0].dts >= pair[1].dts);
        assert!(back.is_none(), "{}: {back:?}", file.display());
    }
    verdict.duration
}

fn tell(
    series: &[Series],
    calm: &Series,
    minutes: u64,
    sources: usize,
    faults: u64,
    (there, missing): &(f64, f64),
) -> String {
    let warm = series[0].values.len() / WARM_UP;
    let hour = 3600.0 / EVERY as f64;
    let mut text = format!(
        "# {sources} sources for {minutes} min, {faults} faults\n\n\
         {there:.0} s of media in all files, {missing:.0} s missing in their gaps; every file opens.\n\n\
         | | first | after warm-up | last | most | slope after warm-up, per hour |\n|---|--:|--:|--:|--:|--:|\n"
    );
    let rows = series.iter().map(|one| (one, warm, hour));
    let calm = (calm, calm.values.len() / WARM_UP, 60.0 / CALM as f64);
    for (one, warm, hour) in rows.chain([calm]) {
        let at = |index: usize| one.values.get(index).copied().unwrap_or_default();
        let most = one.values.iter().copied().fold(0.0, f64::max);
        let _ = writeln!(
            text,
            "| {} | {:.1} | {:.1} | {:.1} | {most:.1} | {:+.2} |",
            one.name,
            at(0),
            at(warm),
            at(one.values.len().saturating_sub(1)),
            one.slope(warm) * hour
        );
    }
    write("soak.md", &text);
    text
}

/// What was seen, whatever comes of it.
fn write_samples(series: &[Series], calm: &Series) {
    write("samples.csv", &plot::csv(series, EVERY));
    let calm = std::slice::from_ref(calm);
    write("calm.csv", &plot::csv(calm, CALM * 60));
    write("soak.svg", &plot::svg(series, EVERY));
}

/// A file among the results.
fn write(name: &str, text: &str) {
    let folder = results().with_file_name("soak");
    std::fs::create_dir_all(&folder).expect("the target folder is writable");
    std::fs::write(folder.join(name), text).expect("it is writable");
}
