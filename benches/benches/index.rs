//! Opening the index of a one-hour and of a 24-hour file, and walking over every sample. Peer: the `mp4` crate's reader.

use std::fs::File;
use std::hint::black_box;
use std::io::{BufReader, Cursor, Write};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mediacore::mp4::SampleIndex;
use mediastack_benches::{media, tables};

fn index(c: &mut Criterion) {
    let folder = media::scratch().expect("a folder for the files");
    for hours in [1, 24] {
        let front = tables::recording(hours);
        let path = folder.path().join(format!("{hours}h.mp4"));
        let mut file = File::create_new(&path).expect("a new file");
        file.write_all(&front.bytes).expect("the disk has room");
        // The media is a hole: nobody reads it.
        file.set_len(front.file_size).expect("a sparse file");
        let file = File::open(&path).expect("it is there");

        let mut group = c.benchmark_group(format!("index_{hours}h"));
        group.sample_size(10);
        group.throughput(Throughput::Elements(front.samples));
        let size = front.file_size;
        group.bench_function("open_memory", |b| {
            b.iter(|| SampleIndex::open(black_box(&front.bytes), size).expect("a good file"));
        });
        group.bench_function("open_file", |b| {
            b.iter(|| SampleIndex::open(black_box(&file), size).expect("a good file"));
        });
        group.bench_function("mp4_crate_memory", |b| {
            b.iter(|| {
                let source = Cursor::new(black_box(&front.bytes));
                mp4::Mp4Reader::read_header(source, size).expect("a good file")
            });
        });
        group.bench_function("mp4_crate_file", |b| {
            b.iter(|| {
                let source = BufReader::new(File::open(&path).expect("it is there"));
                mp4::Mp4Reader::read_header(source, size).expect("a good file")
            });
        });
        let index = SampleIndex::open(&front.bytes, size).expect("a good file");
        let walked = |index: &SampleIndex| -> u64 {
            let samples = index.tracks().iter().flat_map(|track| track.samples(0..u32::MAX));
            samples.fold(0, |sum, sample| sum.wrapping_add(sample.offset))
        };
        group.bench_function("walk", |b| b.iter(|| walked(black_box(&index))));
        let count: u32 = index.tracks().iter().map(|track| track.sample_count()).sum();
        assert_eq!(u64::from(count), front.samples);
        group.finish();
    }
}

criterion_group!(benches, index);
criterion_main!(benches);
