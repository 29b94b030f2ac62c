//! Prints the tracks of an MP4 file and how long opening took: `cargo run --release --example index FILE [TIMES]`.

use std::error::Error;
use std::fs::File;
use std::time::Instant;

use mediacore::mp4::SampleIndex;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: index FILE [TIMES]")?;
    let times: u32 = arguments.next().map_or(Ok(1), |times| times.parse())?;
    let file = File::open(&path)?;
    let size = file.metadata()?.len();
    for _ in 0..times {
        let start = Instant::now();
        let index = SampleIndex::open(&file, size)?;
        let opened = start.elapsed();
        let start = Instant::now();
        let mut count = 0_u64;
        let mut sum = 0_u64;
        for track in index.tracks() {
            for sample in track.samples(0..u32::MAX) {
                count += 1;
                sum = sum.wrapping_add(sample.offset);
            }
        }
        let walked = start.elapsed();
        println!("opened in {opened:?}, {count} samples walked in {walked:?} (sum of offsets {sum})");
        println!(
            "{} bytes in memory, fragmented: {}",
            index.heap_size(),
            index.is_fragmented()
        );
        for track in index.tracks() {
            println!(
                "track {} '{}' {:?}: {} samples, {:.3} s, {} bytes, {:?} pixels, edits {:?}",
                track.id(),
                track.handler(),
                track.entries().iter().map(|entry| entry.kind).collect::<Vec<_>>(),
                track.sample_count(),
                track.duration().as_seconds(track.timescale().base()),
                track.media_bytes(),
                track.size(),
                track.presentation(),
            );
        }
        for note in index.notes() {
            println!("note: {note}");
        }
    }
    Ok(())
}
