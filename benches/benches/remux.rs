//! Remuxing half a minute of 720p at 8 Mbit/s to faststart MP4. Peers: ffmpeg as a process, whose start is part of it, and a
//! plain copy as the floor. Ours makes its output durable, the others don't; `compare` has both ways and longer files.

use std::fs;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mediacore::remux::{self, Options};
use mediastack_benches::cost::run;
use mediastack_benches::media::{self, Container};

fn remuxing(c: &mut Criterion) {
    let folder = media::scratch().expect("a folder for the outputs");
    let output = folder.path().join("out.mp4");
    let options = Options {
        overwrite: true,
        ..Options::default()
    };
    for container in Container::ALL {
        let input = media::film(container, 1).expect("ffmpeg makes it");
        let size = fs::metadata(&input).expect("it is there").len();
        let mut group = c.benchmark_group(format!("remux_{}", container.extension()));
        group.sample_size(10);
        group.throughput(Throughput::Bytes(size));
        group.bench_function("mediacore", |b| {
            b.iter(|| remux::remux(&input, &output, &options).expect("a good file"));
        });
        group.bench_function("ffmpeg", |b| {
            b.iter(|| run(&mut media::ffmpeg_copy(&input, &output, true)).expect("a good file"));
        });
        group.bench_function("copy", |b| {
            b.iter(|| fs::copy(&input, &output).expect("a good file"))
        });
        group.finish();
    }
}

criterion_group!(benches, remuxing);
criterion_main!(benches);
