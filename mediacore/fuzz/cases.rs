// What each fuzz target does with its bytes: calls of the public API and what must hold afterwards.
// The targets here and `tests/fuzz_corpus.rs`, which replays the corpora with a stable compiler, share this file.

use mediacore::mp4::SampleIndex;
use mediacore::time::Ticks;

/// Opens `data` as a file; when that works, every lookup must agree with the walk over the samples.
pub(crate) fn mp4_index(data: &[u8]) {
    let size = data.len() as u64;
    let Ok(index) = SampleIndex::open(data, size) else {
        return;
    };
    assert!(
        index.heap_size() < data.len().saturating_mul(64) + (1 << 20),
        "memory by a count that lies"
    );
    for track in index.tracks() {
        let count = track.sample_count();
        let mut samples = track.samples(0..count.min(2000));
        let mut end = track.start();
        for number in 0..count.min(2000) {
            let sample = samples
                .next()
                .expect("a walk has as many samples as the count says");
            assert_eq!((sample.number, sample.dts), (number, end));
            assert!(sample.end() <= size, "sample {number} lies in the file");
            end = end.saturating_add(sample.duration);
        }
        assert!(count > 2000 || end == track.end());
        for number in [0, 1, count / 2, count.saturating_sub(1)] {
            let Some(sample) = track.sample(number) else {
                assert!(number >= count);
                continue;
            };
            let found = track.at_dts(sample.dts).and_then(|found| track.sample(found));
            assert_eq!(found.map(|found| found.dts), Some(sample.dts));
            if count < 2000 {
                let found = track.at_pts(sample.pts()).and_then(|found| track.sample(found));
                assert_eq!(found.map(|found| found.pts()), Some(sample.pts()));
            }
            if let Some(sync) = track.sync_before(number) {
                assert!(sync <= number && track.sample(sync).is_some_and(|sample| sample.sync));
            }
            if let Some(sync) = track.sync_after(number) {
                assert!(sync >= number && track.sample(sync).is_some_and(|sample| sample.sync));
            }
        }
        assert_eq!(track.sample(count), None);
        for time in [i64::MIN, -1, 0, i64::MAX].map(Ticks) {
            track.at_dts(time);
            if count < 2000 {
                track.at_pts(time);
            }
        }
        if let Some(shown) = track.presentation() {
            shown.time(track.end());
        }
    }
}
