//! The packager in one process: playlists of a three-hour file, and segments of ten seconds.

use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mediacore::hls::name::Name;
use mediacore::hls::options::{Durations, Method};
use mediacore::hls::template::Template;
use mediacore::hls::uri::Location;
use mediacore::hls::{self, Open, Options, Packager, Refusal, Request, Set, Title};
use mediacore::layout::{Buffer, FileSource, Filled, Layout, Source, Wait};
use mediastack_benches::{media, tables};

/// One file, open.
struct Opened(Arc<Title>);

impl Open for Opened {
    fn open(&self, _: &str) -> Result<hls::File, Refusal> {
        Ok(hls::File::Title(Arc::clone(&self.0)))
    }
}

impl Opened {
    fn new(path: &Path) -> Self {
        let file = File::open(path).expect("the file is there");
        let length = file.metadata().expect("a file").len();
        let source: Arc<dyn Source> = Arc::new(FileSource::new(file, length));
        Self(Arc::new(Title::open(source).expect("a good file")))
    }

    fn ask(&self, options: &Options, name: &str) -> Layout {
        let path = format!("/loc/a.mp4/{name}");
        let location = Location::parse(&path, &options.urls).expect("a good path");
        let name = Name::parse(&location.name, &options.urls.names).expect("a good name");
        let request = Request {
            name: &name,
            directory: &location.directory,
            origin: "http://127.0.0.1",
        };
        let set = Set::local(&location.uris);
        let answer = Packager::new(options.clone()).answer(&request, &set, self);
        answer.expect("an answer").body
    }
}

fn accurate() -> Options {
    let mut options = Options::nginx_vod();
    options.segmentation.align = true;
    options.segmentation.durations = Durations::Accurate;
    options
}

fn playlists(c: &mut Criterion) {
    let folder = media::scratch().expect("a folder for the files");
    let front = tables::recording(3);
    let path = folder.path().join("3h.mp4");
    let mut file = File::create_new(&path).expect("a new file");
    file.write_all(&front.bytes).expect("the disk has room");
    // The media is a hole: playlists don't read it.
    file.set_len(front.file_size).expect("a sparse file");
    let opened = Opened::new(&path);
    let mut group = c.benchmark_group("hls_3h");
    group.sample_size(20);
    for (what, options, name) in [
        ("multivariant", Options::nginx_vod(), "master.m3u8"),
        ("media_estimate", Options::nginx_vod(), "index.m3u8"),
        ("media_aligned_accurate", accurate(), "index.m3u8"),
        ("iframes", Options::nginx_vod(), "iframes.m3u8"),
        ("segment_plan_ts", Options::nginx_vod(), "seg-540.ts"),
        ("segment_plan_fmp4", Options::nginx_vod(), "seg-540.m4s"),
    ] {
        group.bench_function(what, |b| {
            b.iter(|| opened.ask(black_box(&options), name).length())
        });
    }
    group.bench_function("open", |b| b.iter(|| Opened::new(black_box(&path))));
    group.finish();
}

fn segments(c: &mut Criterion) {
    let opened = Opened::new(&media::broadcast(20).expect("ffmpeg makes the media"));
    let mut encrypted = Options::nginx_vod();
    encrypted.encryption.method = Method::Aes128;
    encrypted.encryption.secret = Template::parse("bench").ok();
    let mut buffer = Buffer::new(64 << 10);
    for (what, options, name) in [
        ("ts", Options::nginx_vod(), "seg-30.ts"),
        ("fmp4", Options::nginx_vod(), "seg-30.m4s"),
        ("fmp4_video", Options::nginx_vod(), "seg-30-v1.m4s"),
        ("ts_aes_128", encrypted, "seg-30.ts"),
    ] {
        let mut group = c.benchmark_group("hls_segment");
        group.sample_size(20);
        group.throughput(Throughput::Bytes(opened.ask(&options, name).length()));
        group.bench_function(what, |b| {
            b.iter(|| {
                let mut reader = opened.ask(&options, name).reader();
                while reader
                    .fill_buffer(&mut buffer, 64 << 10, Wait::Yes)
                    .expect("good media")
                    != Filled::End
                {
                    black_box(buffer.filled());
                    buffer.clear();
                }
            });
        });
        group.finish();
    }
}

criterion_group!(benches, playlists, segments);
criterion_main!(benches);
