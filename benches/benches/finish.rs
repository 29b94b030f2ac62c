//! Finishing a recording, by size and by method. Peer: the second pass of `ffmpeg -movflags +faststart`.

use std::time::Duration;

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use mediacore::record::finish::Method;
use mediastack_benches::finish::{finish, second_pass};
use mediastack_benches::media;

const SIZES: [u64; 2] = [16 << 20, 128 << 20];

fn finishing(c: &mut Criterion) {
    for size in SIZES {
        let mut group = c.benchmark_group(format!("finish_{}MiB", size >> 20));
        // What is measured is a small part of what an iteration takes: as few iterations as there can be.
        group
            .sampling_mode(SamplingMode::Flat)
            .sample_size(10)
            .warm_up_time(Duration::from_nanos(1))
            .measurement_time(Duration::from_nanos(1));
        for method in [Method::Reserved, Method::InsertRange, Method::Copy] {
            let folder = media::scratch().expect("a folder for the files");
            let path = folder.path().join("recording.mp4");
            if let Err(error) = finish(&path, size, method) {
                eprintln!("finish by {method} is left out: {error}");
                continue;
            }
            group.bench_function(method.as_str(), |b| {
                b.iter_custom(|times| {
                    let runs = (0..times).map(|_| finish(&path, size, method).expect("it worked before"));
                    runs.map(|finished| finished.time).sum()
                });
            });
        }
        group.bench_function("ffmpeg_second_pass", |b| {
            let folder = media::scratch().expect("a folder for the files");
            let path = folder.path().join("recording.mp4");
            finish(&path, size, Method::Reserved).expect("the disk has room");
            b.iter_custom(|times| {
                let runs = (0..times).map(|_| second_pass(&path).expect("ffmpeg works"));
                runs.map(|cost| cost.wall).sum()
            });
        });
        group.finish();
    }
}

criterion_group!(benches, finishing);
criterion_main!(benches);
