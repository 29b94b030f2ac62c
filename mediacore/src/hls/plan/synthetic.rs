//! Small titles made in memory for tests: tables as a test wants them, samples of one byte each.

use std::sync::Arc;

use bytes::Bytes;

use crate::codec::fixtures::{Fixture, unhex};
use crate::codec::{Kind, Language};
use crate::hls::title::Title;
use crate::layout::Source;
use crate::mp4::write::{boxed, full_boxed, put_u32};

/// One track of a title.
#[derive(Clone, Debug)]
pub(in crate::hls) struct Tables {
    entry: Bytes,
    kind: Kind,
    /// Ticks per second.
    pub(in crate::hls) scale: u32,
    /// Runs of samples with the same duration.
    pub(in crate::hls) runs: Vec<(u32, u32)>,
    /// Sync samples, from 0; every sample when not given.
    pub(in crate::hls) syncs: Option<Vec<u32>>,
    /// What the header says of the length; the sum of the samples when not given.
    pub(in crate::hls) header: Option<u32>,
    /// The language that the header tells.
    pub(in crate::hls) language: &'static str,
}

impl Tables {
    /// Video at 25 pictures per second with a sync sample every `gop` pictures.
    pub(in crate::hls) fn video(fixture: &Fixture, pictures: u32, gop: u32) -> Self {
        Self {
            entry: unhex(fixture.entry),
            kind: Kind::Video,
            scale: 12_800,
            runs: vec![(pictures, 512)],
            syncs: Some((0..pictures).step_by(gop as usize).collect()),
            header: None,
            language: "und",
        }
    }

    /// Audio at 48 kHz in frames of 1024 samples.
    pub(in crate::hls) fn audio(fixture: &Fixture, frames: u32) -> Self {
        Self {
            entry: unhex(fixture.entry),
            kind: Kind::Audio,
            scale: 48_000,
            runs: vec![(frames, 1024)],
            syncs: None,
            header: None,
            language: "und",
        }
    }

    fn count(&self) -> u32 {
        self.runs.iter().map(|run| run.0).sum()
    }

    fn push(&self, out: &mut Vec<u8>, id: u32, offset: u32) {
        let handler = match self.kind {
            Kind::Video => b"vide",
            Kind::Audio => b"soun",
        };
        let length = self.runs.iter().map(|(count, delta)| count * delta).sum();
        let language = u32::from(Language::new(self.language).to_packed());
        boxed(out, b"trak", |out| {
            full_boxed(out, b"tkhd", 0, 3, |out| {
                let mut words = [0_u32; 20];
                words[2] = id;
                words[9] = 0x1_0000;
                words[13] = 0x1_0000;
                words[17] = 0x4000_0000;
                words.iter().for_each(|word| put_u32(out, *word));
            });
            boxed(out, b"mdia", |out| {
                full_boxed(out, b"mdhd", 0, 0, |out| {
                    for word in [0, 0, self.scale, self.header.unwrap_or(length), language << 16] {
                        put_u32(out, word);
                    }
                });
                full_boxed(out, b"hdlr", 0, 0, |out| {
                    put_u32(out, 0);
                    out.extend_from_slice(handler);
                    out.extend_from_slice(&[0; 13]);
                });
                boxed(out, b"minf", |out| {
                    boxed(out, b"stbl", |out| self.push_tables(out, offset))
                });
            });
        });
    }

    fn push_tables(&self, out: &mut Vec<u8>, offset: u32) {
        full_boxed(out, b"stsd", 0, 0, |out| {
            put_u32(out, 1);
            out.extend_from_slice(&self.entry);
        });
        let mut table = |kind, words: Vec<u32>| {
            full_boxed(out, kind, 0, 0, |out| {
                words.iter().for_each(|word| put_u32(out, *word));
            });
        };
        let runs = self.runs.iter().flat_map(|(count, delta)| [*count, *delta]);
        table(
            b"stts",
            [self.runs.len() as u32].into_iter().chain(runs).collect(),
        );
        if let Some(syncs) = &self.syncs {
            let numbers = syncs.iter().map(|sync| sync + 1);
            table(b"stss", [syncs.len() as u32].into_iter().chain(numbers).collect());
        }
        table(b"stsc", vec![1, 1, self.count(), 1]);
        table(b"stsz", vec![1, self.count()]);
        table(b"stco", vec![1, offset]);
    }
}

/// A title of these tracks.
pub(in crate::hls) fn title(tracks: &[Tables]) -> Arc<Title> {
    let file = |start: u32| {
        let mut out = Vec::new();
        boxed(&mut out, b"ftyp", |out| out.extend_from_slice(b"isom\0\0\0\0"));
        boxed(&mut out, b"moov", |out| {
            full_boxed(out, b"mvhd", 0, 0, |out| {
                for word in [0, 0, 1000, 0] {
                    put_u32(out, word);
                }
            });
            let mut offset = start;
            for (tables, id) in tracks.iter().zip(1..) {
                tables.push(out, id, offset);
                offset += tables.count();
            }
        });
        let samples: u32 = tracks.iter().map(Tables::count).sum();
        boxed(&mut out, b"mdat", |out| {
            out.resize(out.len() + samples as usize, 0)
        });
        (out, samples)
    };
    let (first, samples) = file(0);
    let (bytes, _) = file(first.len() as u32 - samples);
    let source: Arc<dyn Source> = Arc::new(Bytes::from(bytes));
    Arc::new(Title::open(source).unwrap())
}
