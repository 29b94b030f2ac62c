//! Packets per second through the timeline: a minute of 30 pictures a second with B-frames and AAC at 48 kHz.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mediacore::codec::Kind;
use mediacore::time::{Ticks, TimeBase, Timescale};
use mediacore::timeline::{Policy, Timeline, Times, TrackSpec};

const SECONDS: i64 = 60;

fn timeline(c: &mut Criterion) {
    let mut group = c.benchmark_group("timeline");
    let sources = [
        ("mpeg_ts", TimeBase::MPEG, 33),
        ("milliseconds", TimeBase::MILLIS, 32),
    ];
    for (name, base, wrap_bits) in sources {
        let packets = packets(base);
        group.throughput(Throughput::Elements(packets.len() as u64));
        group.bench_function(name, |b| b.iter(|| place(base, wrap_bits, black_box(&packets))));
    }
    group.finish();
}

/// A packet's arrival in nanoseconds, its track's number, and its times.
type Arriving = (u64, usize, Option<Ticks>, Option<Ticks>);

fn place(base: TimeBase, wrap_bits: u32, packets: &[Arriving]) -> u64 {
    let mut timeline = Timeline::new(Policy::default());
    let spec = |kind, timescale, frame| TrackSpec {
        kind,
        time_base: base,
        wrap_bits,
        timescale,
        frame: Some(Ticks(frame)),
        reorder: Some(2),
    };
    let sound = Timescale::new(48_000).expect("not zero");
    let tracks = [
        timeline.add_track(spec(Kind::Video, Timescale::MPEG, 3000)),
        timeline.add_track(spec(Kind::Audio, sound, 1024)),
    ]
    .map(|track| track.expect("two tracks fit"));
    let (mut placed, mut events) = (Vec::new(), Vec::new());
    let start = Instant::now();
    timeline.begin_session(start, None, &mut placed, &mut events);
    let mut samples = 0;
    for (arrival, track, pts, dts) in packets {
        let times = Times {
            track: tracks[*track],
            pts: *pts,
            dts: *dts,
            duration: Ticks::ZERO,
            sync: true,
            frame: (*track == 1).then_some(Ticks(1024)),
        };
        timeline.push(
            start + Duration::from_nanos(*arrival),
            times,
            &mut placed,
            &mut events,
        );
        samples += placed.drain(..).count() as u64;
    }
    timeline.flush(&mut placed, &mut events);
    samples += placed.len() as u64;
    assert_eq!((samples, events.len()), (packets.len() as u64, 0));
    samples
}

fn packets(base: TimeBase) -> Vec<Arriving> {
    let ticks = |units: i64, scale: u32| {
        let scale = Timescale::new(scale).expect("not zero");
        Ticks(units).rescale(scale.base(), base)
    };
    let mut packets: Vec<Arriving> = Vec::new();
    for frame in 0..SECONDS * 30 {
        let shown = frame + [1, 3, 2][usize::try_from(frame % 3).expect("small")];
        packets.push((
            u64::try_from(frame * 33_333_333).expect("positive"),
            0,
            ticks(shown, 30),
            ticks(frame, 30),
        ));
    }
    for unit in 0..SECONDS * 48_000 / 1024 {
        let time = ticks(unit * 1024, 48_000);
        packets.push((u64::try_from(unit * 21_333_333).expect("positive"), 1, time, time));
    }
    packets.sort_by_key(|(arrival, ..)| *arrival);
    packets
}

criterion_group!(benches, timeline);
criterion_main!(benches);
