//! The sample index agrees with ffprobe, packet by packet, and with the `mp4` crate where that can read the file.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use mediacore::codec::{Kind, Rotation};
use mediacore::mp4::{Sample, SampleIndex, TrackIndex};
use mediacore::time::Ticks;

/// A directory with one source of two seconds: H.264 with B-frames, and AAC.
struct Media {
    dir: tempfile::TempDir,
}

impl Media {
    fn new() -> Self {
        let media = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        media.make(
            "-f lavfi -i testsrc2=s=160x90:r=25:d=2 -f lavfi -i sine=r=48000:d=2.1 \
             -c:v libx264 -preset veryfast -bf 2 -g 12 -threads 1 -c:a aac -metadata:s:a:0 language=deu",
            "source.mp4",
        );
        media
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs ffmpeg with `arguments` (separated by blanks) and the output `name`.
    fn make(&self, arguments: &str, name: &str) -> PathBuf {
        let output = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-y", "-fflags", "+bitexact"])
            .args(arguments.split_whitespace())
            .arg(name)
            .current_dir(self.dir.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{arguments}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        self.path(name)
    }

    /// Copies the source's packets into another form.
    fn copy(&self, arguments: &str, name: &str) -> PathBuf {
        self.make(&format!("-i source.mp4 -c copy {arguments}"), name)
    }
}

fn open(path: &Path) -> SampleIndex {
    let file = File::open(path).unwrap();
    let size = file.metadata().unwrap().len();
    SampleIndex::open(&file, size).unwrap()
}

/// One packet as ffprobe shows it.
#[derive(Debug, PartialEq)]
struct Probed {
    pts: i64,
    dts: i64,
    duration: Option<i64>,
    size: u32,
    position: u64,
    key: bool,
}

fn ffprobe(path: &Path, stream: usize) -> Vec<Probed> {
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-ignore_editlist",
            "1",
            "-of",
            "default=noprint_wrappers=0",
        ])
        .args([
            "-show_entries",
            "packet=pts,dts,duration,size,pos,flags",
            "-select_streams",
        ])
        .arg(stream.to_string())
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let packets = text.split("[/PACKET]").filter(|packet| packet.contains("pts="));
    packets
        .map(|packet| {
            let field = |name: &str| {
                let mut lines = packet.lines();
                lines
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
                    .unwrap_or("N/A")
            };
            Probed {
                pts: field("pts").parse().unwrap(),
                dts: field("dts").parse().unwrap(),
                duration: field("duration").parse().ok(),
                size: field("size").parse().unwrap(),
                position: field("pos").parse().unwrap(),
                key: field("flags").starts_with('K'),
            }
        })
        .collect()
}

/// Compares every packet of every track; returns the index for further questions.
fn check(path: &Path) -> SampleIndex {
    let index = open(path);
    assert_eq!(index.notes(), []);
    for (stream, track) in index.tracks().iter().enumerate() {
        let samples: Vec<Sample> = track.samples(0..u32::MAX).collect();
        let packets = ffprobe(path, stream);
        assert!(!packets.is_empty());
        assert_eq!(samples.len(), packets.len(), "track {stream}");
        // Where an offset is negative ffmpeg moves every DTS back, in fragments every PTS forth, so that none is before
        // its DTS; we keep the file's.
        let (mut back, mut forth) = (0, 0);
        let least = i64::from(track.composition_range().0);
        if least < 0 {
            back = samples[0].dts.0 - packets[0].dts;
            forth = packets[0].pts - samples[0].pts().0;
            assert!(
                (back, forth) == (-least, 0) || (back, forth) == (0, -least),
                "{back} {forth} {least}"
            );
        }
        let reorders = track.composition_range() != (0, 0);
        for (n, (sample, packet)) in samples.iter().zip(&packets).enumerate() {
            let last = n + 1 == samples.len();
            let ours = Probed {
                pts: sample.pts().0 + forth,
                dts: sample.dts.0 - back,
                // ffmpeg takes some durations from elsewhere: with `ctts` from the frame rate, the first of AAC and the
                // ends of fragments from the codec, the last from the header. There the distance to the next DTS,
                // below, is what must fit.
                duration: if reorders || last || n == 0 || index.is_fragmented() {
                    packet.duration
                } else {
                    Some(sample.duration.0)
                },
                size: sample.size,
                position: sample.offset,
                key: sample.sync,
            };
            assert_eq!(ours, *packet, "track {stream} sample {n}");
            if let Some(next) = samples.get(n + 1) {
                assert_eq!(sample.dts.0 + sample.duration.0, next.dts.0);
            }
            assert_eq!(track.sample(u32::try_from(n).unwrap()), Some(*sample));
        }
        check_lookups(track, &samples);
        assert_eq!(
            track.media_bytes(),
            samples.iter().map(|sample| u64::from(sample.size)).sum::<u64>()
        );
        assert_eq!(
            track.media_range().start,
            samples.iter().map(|sample| sample.offset).min().unwrap()
        );
        assert_eq!(
            track.media_range().end,
            samples.iter().map(Sample::end).max().unwrap()
        );
        // Descriptions and the ends of vectors aside, the documented bound.
        let entries: usize = track.entries().iter().map(|entry| entry.data.len()).sum();
        let tables = track.heap_size() - entries;
        assert!(
            tables < samples.len() * 17 + 300,
            "{tables} bytes for {} samples",
            samples.len()
        );
    }
    index
}

/// Every lookup against a plain search.
fn check_lookups(track: &TrackIndex, samples: &[Sample]) {
    let number = |found: Option<&Sample>| found.map(|sample| sample.number);
    for sample in samples {
        for time in [sample.dts.0 - 1, sample.dts.0, sample.pts().0, sample.pts().0 + 1].map(Ticks) {
            let want = samples.iter().rfind(|sample| sample.dts <= time);
            assert_eq!(track.at_dts(time), number(want), "at_dts({time:?})");
            let shown = samples.iter().filter(|sample| sample.pts() <= time);
            let want = shown.max_by_key(|sample| sample.pts());
            assert_eq!(track.at_pts(time), number(want), "at_pts({time:?})");
        }
        let n = sample.number as usize;
        let before = samples[..=n].iter().rfind(|sample| sample.sync);
        assert_eq!(track.sync_before(sample.number), number(before));
        let after = samples[n..].iter().find(|sample| sample.sync);
        assert_eq!(track.sync_after(sample.number), number(after));
    }
}

/// Compares with the `mp4` crate, which reads progressive files of the codecs that it knows.
fn check_with_mp4(path: &Path, index: &SampleIndex) {
    let bytes = std::fs::read(path).unwrap();
    let size = bytes.len() as u64;
    let mut reader = mp4::Mp4Reader::read_header(std::io::Cursor::new(&bytes), size).unwrap();
    for track in index.tracks() {
        assert_eq!(reader.sample_count(track.id()).unwrap(), track.sample_count());
        for sample in track.samples(0..u32::MAX) {
            let theirs = reader
                .read_sample(track.id(), sample.number + 1)
                .unwrap()
                .unwrap();
            let from = usize::try_from(sample.offset).unwrap();
            assert_eq!(theirs.bytes, bytes[from..from + sample.size as usize]);
            assert_eq!(theirs.start_time, u64::try_from(sample.dts.0).unwrap());
            assert_eq!(i64::from(theirs.duration), sample.duration.0);
            assert_eq!(theirs.rendering_offset, sample.composition);
            assert_eq!(theirs.is_sync, sample.sync);
        }
    }
}

#[test]
fn progressive_with_moov_at_the_end_and_in_front() {
    let media = Media::new();
    let index = check(&media.path("source.mp4"));
    check_with_mp4(&media.path("source.mp4"), &index);
    let [video, audio] = index.tracks() else {
        panic!("two tracks")
    };
    assert_eq!(
        (video.kind(), audio.kind()),
        (Some(Kind::Video), Some(Kind::Audio))
    );
    assert_eq!((video.size(), audio.size()), ((160, 90), (0, 0)));
    assert_eq!((video.sample_count(), audio.language().as_str()), (50, "deu"));
    assert_eq!(video.entries()[0].kind.to_string(), "avc1");
    assert!(video.sync_after(1) == Some(12) && audio.all_sync() && !index.is_fragmented());
    // ffmpeg's edit lists take back the B-frame delay and the encoder's priming: both start at zero.
    let shown = video.presentation().unwrap();
    assert_eq!(shown.time(video.sample(0).unwrap().pts()), Ticks(0));
    assert_eq!(audio.presentation().unwrap().shift, Ticks(-1024));
    let front = media.copy("-movflags +faststart", "front.mp4");
    check_with_mp4(&front, &check(&front));
}

#[test]
fn fragmented_in_every_form_that_ffmpeg_writes() {
    let media = Media::new();
    let plain = open(&media.path("source.mp4"));
    for flags in [
        "-movflags frag_keyframe+empty_moov+default_base_moof",
        "-movflags frag_keyframe+empty_moov",
        "-movflags frag_keyframe",
        "-movflags frag_every_frame+empty_moov",
        "-movflags frag_every_frame+empty_moov+separate_moof",
        "-movflags frag_keyframe+separate_moof+default_base_moof+empty_moov",
        "-movflags empty_moov+omit_tfhd_offset -frag_duration 300000",
        "-movflags cmaf+global_sidx -frag_duration 300000",
        "-movflags empty_moov+negative_cts_offsets -frag_size 20000",
    ] {
        println!("{flags}");
        let path = media.copy(flags, "fragmented.mp4");
        let index = check(&path);
        assert!(index.is_fragmented());
        for (ours, plain) in index.tracks().iter().zip(plain.tracks()) {
            assert_eq!(ours.sample_count(), plain.sample_count());
            assert_eq!(ours.media_bytes(), plain.media_bytes());
        }
    }
}

#[test]
fn a_recording_that_was_cut_is_indexed_up_to_the_cut() {
    let media = Media::new();
    let path = media.copy(
        "-movflags frag_keyframe+empty_moov+default_base_moof",
        "whole.mp4",
    );
    let whole = std::fs::read(&path).unwrap();
    let full = open(&path);
    let moof = whole.windows(4).position(|kind| kind == b"moof").unwrap() - 4;
    let mfra = whole.windows(4).rposition(|kind| kind == b"mfra").unwrap() - 4;
    for cut in (moof + 4..mfra).step_by(97) {
        let bytes = &whole[..cut];
        let index = SampleIndex::open(bytes, cut as u64).unwrap();
        for (short, track) in index.tracks().iter().zip(full.tracks()) {
            let count = short.sample_count();
            assert!(short.samples(0..count).eq(track.samples(0..count)));
            assert!(short.samples(0..count).all(|sample| sample.end() <= cut as u64));
            // What is wholly there and belongs to a whole `moof` is not lost.
            let next = track.sample(count).map_or(u64::MAX, |sample| sample.end());
            let moofs = whole[..cut].windows(4).filter(|kind| kind == b"moof").count();
            assert!(
                next > cut as u64 || moofs > 0,
                "sample {count} ends at {next}, cut at {cut}"
            );
        }
        assert!(!index.notes().is_empty(), "cut at {cut} of {}", whole.len());
    }
}

#[test]
fn edit_lists_with_delays_and_cuts() {
    let media = Media::new();
    let late = media.make(
        "-i source.mp4 -itsoffset 0.7 -i source.mp4 -map 0:v -map 1:a -c copy",
        "late.mp4",
    );
    let index = check(&late);
    let audio = &index.tracks()[1];
    let shown = audio.presentation().unwrap();
    // 0.7 s at 48 kHz, less one tick of the movie's 1000 a second at most.
    let starts = shown.time(Ticks(1024)).0;
    assert!((33_552..=33_600).contains(&starts), "silence until {starts}");
    let cut = media.make("-ss 0.9 -i source.mp4 -c copy", "cut.mp4");
    let index = check(&cut);
    let video = &index.tracks()[0];
    let shown = video.presentation().unwrap();
    let mut hidden = video
        .samples(0..u32::MAX)
        .filter(|sample| !shown.shows(sample.pts(), sample.duration));
    assert!(
        hidden.next().is_some(),
        "the frames between the key frame and the cut are not shown"
    );
}

#[test]
fn negative_composition_offsets() {
    let media = Media::new();
    let path = media.copy("-movflags negative_cts_offsets", "negative.mp4");
    let index = check(&path);
    assert!(index.tracks()[0].composition_range().0 < 0);
}

#[test]
fn other_codecs() {
    let media = Media::new();
    let hevc = "-i source.mp4 -an -c:v libx265 -preset ultrafast -x265-params bframes=2:log-level=none:pools=1 -tag:v hvc1";
    let index = check(&media.make(hevc, "hevc.mp4"));
    assert_eq!(index.tracks()[0].entries()[0].kind.to_string(), "hvc1");
    let av1 = "-i source.mp4 -t 0.6 -c:v libaom-av1 -cpu-used 8 -c:a libopus";
    let index = check(&media.make(av1, "av1.mp4"));
    let kinds = index
        .tracks()
        .iter()
        .map(|track| track.entries()[0].kind.to_string());
    assert_eq!(kinds.collect::<Vec<_>>(), ["av01", "Opus"]);
}

#[test]
fn samples_of_one_size_take_memory_by_the_chunk() {
    let media = Media::new();
    let index = open(&media.make("-i source.mp4 -vn -c:a pcm_s16le", "sound.mov"));
    let track = &index.tracks()[0];
    assert!(track.sample_count() > 90_000);
    assert!(index.heap_size() < 3000, "{} bytes", index.heap_size());
    // ffmpeg joins such samples to packets: their starts and ends are the same.
    let packets = ffprobe(&media.path("sound.mov"), 0);
    for packet in &packets {
        let sample = track.sample(u32::try_from(packet.dts).unwrap()).unwrap();
        assert_eq!((sample.dts.0, sample.offset), (packet.dts, packet.position));
    }
    let bytes: u64 = packets.iter().map(|packet| u64::from(packet.size)).sum();
    assert_eq!(track.media_bytes(), bytes);
}

#[test]
fn variable_frame_rate() {
    let media = Media::new();
    let vfr = "-i source.mp4 -vf select=not(eq(mod(n\\,5)\\,3)),setpts=PTS+0.005*mod(N*7\\,5)/TB -vsync passthrough \
               -enc_time_base 1:90000 -c:v libx264 -preset veryfast -bf 0 -video_track_timescale 90000 -c:a copy";
    let index = check(&media.make(vfr, "vfr.mp4"));
    let durations = index.tracks()[0]
        .samples(0..u32::MAX)
        .map(|sample| sample.duration.0);
    assert!(durations.collect::<std::collections::HashSet<_>>().len() > 2);
}

#[test]
fn rotation_is_clockwise() {
    let media = Media::new();
    // ffmpeg 5.1 writes `rotate` as ffprobe shows `rotation`: counter-clockwise.
    for (degrees, rotation) in [
        ("0", Rotation::None),
        ("90", Rotation::Clockwise270),
        ("180", Rotation::Half),
        ("270", Rotation::Clockwise90),
    ] {
        let path = media.copy(&format!("-metadata:s:v:0 rotate={degrees}"), "turned.mp4");
        assert_eq!(open(&path).tracks()[0].rotation(), rotation, "{degrees}");
    }
}

#[test]
fn sound_alone_fragmented_and_not() {
    let media = Media::new();
    check(&media.copy("-vn", "sound.m4a"));
    check(&media.copy("-vn -movflags empty_moov -frag_duration 500000", "sound.mp4"));
}

#[test]
fn offsets_beyond_four_gibibytes() {
    const ROOM: u64 = 5 << 30;
    let media = Media::new();
    let small = std::fs::read(media.path("source.mp4")).unwrap();
    let mdat = small.windows(4).position(|kind| kind == b"mdat").unwrap() - 4;
    let moov = small.windows(4).rposition(|kind| kind == b"moov").unwrap() - 4;
    let path = media.path("large.mp4");
    let mut file = File::create(&path).unwrap();
    file.write_all(&small[..mdat]).unwrap();
    file.write_all(b"\0\0\0\x01free").unwrap();
    file.write_all(&ROOM.to_be_bytes()).unwrap();
    file.seek(SeekFrom::Start(mdat as u64 + ROOM)).unwrap();
    file.write_all(&small[mdat..moov]).unwrap();
    file.write_all(&with_co64(&small[moov..], ROOM)).unwrap();
    let index = check(&path);
    let plain = open(&media.path("source.mp4"));
    for (far, near) in index.tracks().iter().zip(plain.tracks()) {
        assert_eq!(far.media_range().start, near.media_range().start + ROOM);
    }
}

/// The same boxes with every `stco` made a `co64` whose offsets are larger by `shift`.
fn with_co64(mut boxes: &[u8], shift: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(size) = boxes.first_chunk::<4>() {
        let (this, rest) = boxes.split_at(u32::from_be_bytes(*size) as usize);
        boxes = rest;
        let (kind, body) = match &this[4..8] {
            b"stco" => {
                let mut body = this[8..16].to_vec();
                for offset in this[16..].as_chunks::<4>().0 {
                    let offset = u64::from(u32::from_be_bytes(*offset)) + shift;
                    body.extend_from_slice(&offset.to_be_bytes());
                }
                (b"co64".as_slice(), body)
            }
            b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" => (&this[4..8], with_co64(&this[8..], shift)),
            _ => (&this[4..8], this[8..].to_vec()),
        };
        out.extend_from_slice(&u32::try_from(body.len() + 8).unwrap().to_be_bytes());
        out.extend_from_slice(kind);
        out.extend_from_slice(&body);
    }
    out
}
