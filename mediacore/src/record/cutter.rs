//! Gathers placed samples and decides where a fragment ends.

use std::time::Duration;

use bytes::Bytes;

use crate::codec::Kind;
use crate::mp4::{Run, SampleRow};
use crate::time::{Ticks, Timescale};

/// When to end a fragment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// A fragment may end before a sync sample of video from this length on.
    pub(crate) enough: Duration,
    /// It ends here whatever comes next.
    pub(crate) most: Duration,
    /// It ends before it holds more than this many bytes.
    pub(crate) bytes: u64,
}

impl Limits {
    /// At most two seconds are at stake, one GOP is kept whole when it is between one and two seconds long, and a fragment of
    /// a fast stream stays small enough for hundreds of recordings in one process.
    pub(crate) const RECORDING: Self = Self {
        enough: Duration::from_secs(1),
        most: Duration::from_secs(2),
        bytes: 2 << 20,
    };
    /// Chunks of a file that is written in one go: one second, as interleaving wants it.
    pub(crate) const FILE: Self = Self {
        enough: Duration::from_secs(1),
        most: Duration::from_secs(1),
        bytes: 8 << 20,
    };
}

/// One sample with its place in the file, in ticks of its track.
#[derive(Clone, Debug)]
pub(crate) struct Placement {
    pub(crate) dts: u64,
    pub(crate) pts: i64,
    pub(crate) duration: Ticks,
    pub(crate) sync: bool,
    pub(crate) data: Bytes,
}

/// What a fragment holds, before it is laid out.
#[derive(Debug, Default)]
pub(crate) struct Cut {
    pub(crate) runs: Vec<Run>,
    pub(crate) payload: Vec<Bytes>,
}

impl Cut {
    /// Length of the first run in ticks of its track, and that track.
    pub(crate) fn first_run(&self) -> Option<(u32, u64)> {
        self.runs.first().map(|run| (run.track, run.duration()))
    }
}

#[derive(Debug)]
pub(crate) struct Cutter {
    limits: Limits,
    lanes: Vec<Lane>,
    bytes: u64,
}

#[derive(Debug)]
struct Lane {
    kind: Kind,
    timescale: Timescale,
    run: Run,
    payload: Vec<Bytes>,
}

impl Cutter {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            lanes: Vec::new(),
            bytes: 0,
        }
    }

    /// A track, with ids from 1 in the order of these calls.
    pub(crate) fn add_track(&mut self, kind: Kind, timescale: Timescale) -> u32 {
        let id = u32::try_from(self.lanes.len() + 1).unwrap_or(u32::MAX);
        self.lanes.push(Lane {
            kind,
            timescale,
            run: Run {
                track: id,
                dts: 0,
                rows: Vec::new(),
            },
            payload: Vec::new(),
        });
        id
    }

    /// Takes a sample; gives back the fragment that ends before it, if one does.
    pub(crate) fn push(&mut self, track: u32, sample: Placement) -> Option<Cut> {
        let cut = if self.ends_before(track, &sample) {
            self.flush()
        } else {
            None
        };
        if let Some(lane) = self.lanes.get_mut((track as usize).wrapping_sub(1)) {
            if lane.run.rows.is_empty() {
                lane.run.dts = sample.dts;
            }
            self.bytes += sample.data.len() as u64;
            let dts = i64::try_from(sample.dts).unwrap_or(i64::MAX);
            lane.run.rows.push(SampleRow {
                size: u32::try_from(sample.data.len()).unwrap_or(u32::MAX),
                duration: u32::try_from(sample.duration.0).unwrap_or(if sample.duration.0 < 0 {
                    0
                } else {
                    u32::MAX
                }),
                composition: clamp(sample.pts.saturating_sub(dts)),
                sync: sample.sync,
            });
            lane.payload.push(sample.data);
        }
        cut
    }

    /// The fragment of everything that is held.
    pub(crate) fn flush(&mut self) -> Option<Cut> {
        if self.lanes.iter().all(|lane| lane.run.rows.is_empty()) {
            return None;
        }
        let mut cut = Cut::default();
        for lane in &mut self.lanes {
            if !lane.run.rows.is_empty() {
                let rows = Vec::with_capacity(lane.run.rows.len());
                let empty = Run {
                    track: lane.run.track,
                    dts: 0,
                    rows,
                };
                cut.runs.push(std::mem::replace(&mut lane.run, empty));
                cut.payload.append(&mut lane.payload);
            }
        }
        self.bytes = 0;
        Some(cut)
    }

    fn ends_before(&self, track: u32, sample: &Placement) -> bool {
        if self.bytes == 0 {
            return false;
        }
        if self.bytes.saturating_add(sample.data.len() as u64) > self.limits.bytes {
            return true;
        }
        let Some(lane) = self.lanes.get((track as usize).wrapping_sub(1)) else {
            return false;
        };
        let video = self
            .lanes
            .iter()
            .any(|lane| lane.kind == Kind::Video && !lane.run.rows.is_empty());
        if lane.run.rows.is_empty() {
            return false;
        }
        let span = Ticks(i64::try_from(sample.dts.saturating_sub(lane.run.dts)).unwrap_or(i64::MAX));
        let span = span.to_duration(lane.timescale.base());
        let longest = span.saturating_add(sample.duration.to_duration(lane.timescale.base()));
        let opens_gop = sample.sync && (lane.kind == Kind::Video || !video);
        longest > self.limits.most || (opens_gop && span >= self.limits.enough)
    }
}

fn clamp(value: i64) -> i32 {
    i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(dts: u64, duration: i64, sync: bool, size: usize) -> Placement {
        let data = Bytes::from(vec![0; size]);
        Placement {
            dts,
            pts: i64::try_from(dts).unwrap(),
            duration: Ticks(duration),
            sync,
            data,
        }
    }

    /// Lengths in frames of the fragments of `gop` frames a GOP at 25 fps.
    fn fragments(gop: u64, frames: u64, size: usize) -> Vec<usize> {
        let mut cutter = Cutter::new(Limits::RECORDING);
        let track = cutter.add_track(Kind::Video, Timescale::MPEG);
        let mut lengths = Vec::new();
        for n in 0..frames {
            if let Some(cut) = cutter.push(track, sample(n * 3600, 3600, n % gop == 0, size)) {
                lengths.push(cut.runs[0].rows.len());
            }
        }
        lengths.extend(cutter.flush().map(|cut| cut.runs[0].rows.len()));
        lengths
    }

    #[test]
    fn a_fragment_is_a_gop_or_two_seconds() {
        assert_eq!(fragments(30, 120, 10), [30; 4], "GOPs of 1.2 s stay whole");
        assert_eq!(fragments(5, 100, 10), [25; 4], "short GOPs are gathered");
        assert_eq!(
            fragments(250, 125, 10),
            [50, 50, 25],
            "a long GOP is cut after two seconds"
        );
    }

    #[test]
    fn bytes_bound_a_fragment() {
        assert_eq!(fragments(250, 6, 900 << 10), [2, 2, 2]);
        assert_eq!(
            fragments(250, 3, 5 << 20),
            [1, 1, 1],
            "a sample above the limit stands alone"
        );
    }
}
