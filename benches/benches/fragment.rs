//! Packets per second into fragments: two seconds of video and AAC laid out, with both checksums over every byte.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mediacore::mp4::{Fragment, Run, SampleRow};

fn fragment(c: &mut Criterion) {
    let mut group = c.benchmark_group("fragment");
    for (name, picture) in [("800_kbit", 3_000), ("8_mbit", 33_000)] {
        let (runs, payload) = two_seconds(picture);
        group.throughput(Throughput::Elements(payload.len() as u64));
        group.bench_function(name, |b| {
            b.iter_batched(
                || (runs.clone(), payload.clone()),
                |(runs, payload)| black_box(Fragment::new(7, runs, payload)),
                BatchSize::SmallInput,
            );
        });
    }
    // The floor: what the checksum alone takes of the larger one.
    let (_, payload) = two_seconds(33_000);
    group.throughput(Throughput::Elements(payload.len() as u64));
    group.bench_function("8_mbit_crc32c_once", |b| {
        b.iter(|| {
            payload
                .iter()
                .fold(0, |crc, piece| crc32c::crc32c_append(crc, black_box(piece)))
        });
    });
    group.finish();
}

fn two_seconds(picture: u32) -> (Vec<Run>, Vec<Bytes>) {
    let video = (0..60_u32).map(|number| SampleRow {
        size: picture / 2 + number * picture / 60,
        duration: 3000,
        composition: [3000, 9000, 6000][number as usize % 3],
        sync: number == 0,
    });
    let audio = (0..94_u32).map(|number| SampleRow {
        size: 300 + number,
        duration: 1024,
        composition: 0,
        sync: true,
    });
    let runs = vec![
        Run {
            track: 1,
            dts: 900_000,
            rows: video.collect(),
        },
        Run {
            track: 2,
            dts: 480_000,
            rows: audio.collect(),
        },
    ];
    let rows = runs.iter().flat_map(|run| &run.rows);
    let payload = rows
        .map(|row| Bytes::from(vec![0x5a; row.size as usize]))
        .collect();
    (runs, payload)
}

criterion_group!(benches, fragment);
criterion_main!(benches);
