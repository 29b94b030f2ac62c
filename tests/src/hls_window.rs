//! A live HLS playlist that slides by the clock, and whose every answer a test may replace.

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::origin::{Asked, Origin, Reply};
use crate::process::output_of;

/// One segment of the stream.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Its length.
    pub length: Duration,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
}

/// Cuts `file`, played over and over for so many seconds, into MPEG-TS segments of about a second.
pub fn cut(file: &Path, seconds: u32) -> Vec<Segment> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut command = Command::new("ffmpeg");
    command.args([
        "-nostdin",
        "-hide_banner",
        "-loglevel",
        "error",
        "-stream_loop",
        "-1",
        "-i",
    ]);
    command
        .arg(file)
        .args(["-map", "0", "-c", "copy", "-t", &seconds.to_string()]);
    command.args(["-f", "hls", "-hls_time", "1", "-hls_list_size", "0"]);
    command
        .args(["-hls_segment_filename", "%05d.ts", "index.m3u8"])
        .current_dir(dir.path());
    output_of(&mut command);
    let playlist = std::fs::read_to_string(dir.path().join("index.m3u8")).expect("ffmpeg wrote it");
    let lengths = playlist.lines().filter_map(|line| {
        let length = line.strip_prefix("#EXTINF:")?.trim_end_matches(',');
        length.parse().ok().map(Duration::from_secs_f64)
    });
    lengths
        .enumerate()
        .map(|(number, length)| Segment {
            length,
            bytes: std::fs::read(dir.path().join(format!("{number:05}.ts")))
                .expect("a segment of the playlist")
                .into(),
        })
        .collect()
}

/// What the playlist says, before it becomes text.
#[derive(Debug, Clone)]
pub struct Listing {
    /// `#EXT-X-MEDIA-SEQUENCE`.
    pub sequence: u64,
    /// `#EXT-X-TARGETDURATION` in seconds.
    pub target: u64,
    /// The segments: their number in the stream, and lines of tags before their `#EXTINF`.
    pub entries: Vec<(usize, Vec<String>)>,
    /// Whether `#EXT-X-ENDLIST` ends it.
    pub ended: bool,
    segments: Arc<[Segment]>,
}

type Edit = dyn Fn(&Asked, Listing) -> Option<Reply> + Send + Sync;

/// The running origin. The playlist is at `index.m3u8`, segment `n` at `n.ts`.
pub struct LiveWindow {
    origin: Origin,
    shared: Arc<Shared>,
}

struct Shared {
    segments: Arc<[Segment]>,
    began: Instant,
    edit: Mutex<Arc<Edit>>,
}

impl fmt::Debug for LiveWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.origin.fmt(f)
    }
}

/// How many segments the playlist holds.
const WINDOW: usize = 6;

impl LiveWindow {
    /// Begins with a full window; a segment is added when its length has passed.
    pub fn start(segments: Vec<Segment>) -> LiveWindow {
        assert!(segments.len() > WINDOW, "a window that can slide");
        let shared = Arc::new(Shared {
            segments: segments.into(),
            began: Instant::now(),
            edit: Mutex::new(Arc::new(|_, _| None)),
        });
        let answering = Arc::clone(&shared);
        let origin = Origin::start(move |asked| answering.answer(asked));
        LiveWindow { origin, shared }
    }

    /// The playlist's address.
    pub fn url(&self) -> String {
        self.origin.url("index.m3u8")
    }

    /// The server.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// From now on `edit` is asked first: it sees each request with the listing of this moment, and its `None` is the good answer.
    pub fn script(&self, edit: impl Fn(&Asked, Listing) -> Option<Reply> + Send + Sync + 'static) {
        *self.shared.edit.lock().expect("no holder panics") = Arc::new(edit);
    }

    /// All is well again.
    pub fn heal(&self) {
        self.script(|_, _| None);
    }

    /// The number of the newest segment.
    pub fn head(&self) -> usize {
        self.shared.head()
    }

    /// A segment of the stream.
    pub fn segment(&self, number: usize) -> Segment {
        self.shared.segments[number].clone()
    }
}

impl Shared {
    fn head(&self) -> usize {
        let now = self.began.elapsed();
        let mut end = Duration::ZERO;
        let added = self.segments.iter().skip(WINDOW).take_while(|segment| {
            end += segment.length;
            end <= now
        });
        WINDOW - 1 + added.count()
    }

    fn answer(&self, asked: &Asked) -> Reply {
        let head = self.head();
        let longest = self.segments.iter().map(|segment| segment.length).max();
        let listing = Listing {
            sequence: (head + 1 - WINDOW) as u64,
            target: longest.unwrap_or_default().as_secs_f64().ceil() as u64,
            entries: (head + 1 - WINDOW..=head)
                .map(|number| (number, Vec::new()))
                .collect(),
            ended: head + 1 == self.segments.len(),
            segments: Arc::clone(&self.segments),
        };
        let edit = Arc::clone(&self.edit.lock().expect("no holder panics"));
        if let Some(reply) = edit(asked, listing.clone()) {
            return reply;
        }
        self.plain(asked, &listing)
    }

    fn plain(&self, asked: &Asked, listing: &Listing) -> Reply {
        if asked.path == "index.m3u8" {
            return Reply::playlist(&listing.text());
        }
        let number = asked
            .path
            .strip_suffix(".ts")
            .and_then(|number| number.parse::<usize>().ok());
        match number.and_then(|number| self.segments.get(number)) {
            Some(segment) => Reply::ok("video/mp2t", Arc::clone(&segment.bytes)),
            None => Reply::status(404),
        }
    }
}

impl Listing {
    /// The answer that says this.
    pub fn reply(&self) -> Reply {
        Reply::playlist(&self.text())
    }

    /// The playlist's text.
    pub fn text(&self) -> String {
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:{}\n",
            self.target, self.sequence
        );
        for (number, tags) in &self.entries {
            tags.iter().for_each(|tag| text += &format!("{tag}\n"));
            let segment = self.segments.get(*number);
            let length = segment.map_or(1.0, |segment| segment.length.as_secs_f64());
            text += &format!("#EXTINF:{length:.6},\n{number}.ts\n");
        }
        if self.ended {
            text += "#EXT-X-ENDLIST\n";
        }
        text
    }
}
