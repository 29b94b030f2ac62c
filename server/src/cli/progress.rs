//! What is seen while a command works: one line that is redrawn on a terminal, plain lines for events anywhere.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{duration, json};

/// Whether a progress line stands on the terminal, which whoever writes to standard error must wipe first.
static DRAWN: AtomicBool = AtomicBool::new(false);

/// Standard error, as a terminal with a progress line or as a list of lines.
pub(crate) struct Screen {
    terminal: bool,
    redrawn: Option<Instant>,
    lines: Limiter,
}

impl Screen {
    /// With a progress line when standard error is a terminal and `json` is off.
    pub(crate) fn new(json: bool) -> Self {
        Self {
            terminal: !json && io::stderr().is_terminal(),
            redrawn: None,
            lines: Limiter::default(),
        }
    }

    /// Whether [`Screen::redraw`] should be called now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let since = |then| now.saturating_duration_since(then) >= REDRAW;
        self.terminal && self.redrawn.is_none_or(since)
    }

    /// Shows `line` in the place of the last one.
    pub(crate) fn redraw(&mut self, now: Instant, line: &str) {
        if !self.terminal {
            return;
        }
        self.redrawn = Some(now);
        // A terminal that doesn't know its width says 0.
        let width = rustix::termios::tcgetwinsize(io::stderr()).map_or(0, |size| usize::from(size.ws_col));
        let width = if width == 0 { 80 } else { width };
        let shown: String = printable(line).chars().take(width - 1).collect();
        DRAWN.store(true, Ordering::Release);
        let mut out = io::stderr().lock();
        let _ = write!(out, "\r{shown}\x1b[K").and_then(|()| out.flush());
    }

    /// Shows `line` above the progress line. At most twenty lines in ten seconds pass; the rest are counted.
    pub(crate) fn event(&mut self, now: Instant, line: &str) {
        let (passes, missed) = self.lines.admit(now);
        if missed > 0 {
            log_line(&format!("({missed} more events)"));
        }
        if passes {
            log_line(line);
        }
    }

    /// Wipes the progress line.
    pub(crate) fn clear(&mut self) {
        log_line_start(&mut io::stderr().lock());
    }
}

/// How often the line is redrawn.
const REDRAW: Duration = Duration::from_millis(250);

fn log_line(line: &str) {
    let mut out = io::stderr().lock();
    log_line_start(&mut out);
    let _ = writeln!(out, "{}", printable(line));
}

fn log_line_start(out: &mut impl Write) {
    if DRAWN.swap(false, Ordering::AcqRel) {
        let _ = write!(out, "\r\x1b[K");
    }
}

/// Text from a source can't steer the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Where the log goes: standard error, above the progress line.
#[derive(Debug, Default)]
pub(crate) struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut out = io::stderr().lock();
        log_line_start(&mut out);
        out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Lets a number of lines pass in a time.
#[derive(Debug, Default)]
struct Limiter {
    passed: VecDeque<Instant>,
    missed: u64,
}

impl Limiter {
    /// Whether a line may pass now, and how many before it did not.
    fn admit(&mut self, now: Instant) -> (bool, u64) {
        let old = |then: &Instant| now.saturating_duration_since(*then) >= LIMIT_TIME;
        while self.passed.front().is_some_and(old) {
            self.passed.pop_front();
        }
        if self.passed.len() >= LIMIT {
            self.missed += 1;
            return (false, 0);
        }
        self.passed.push_back(now);
        (true, std::mem::take(&mut self.missed))
    }
}

const LIMIT: usize = 20;
const LIMIT_TIME: Duration = Duration::from_secs(10);

/// The last seconds of a recording: how fast media comes and how many bits it has.
#[derive(Debug, Default)]
pub(crate) struct Window(VecDeque<Sample>);

/// How much there is at one time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) at: Instant,
    /// Media that came.
    pub(crate) received: Duration,
    /// Media in a file of `bytes` bytes.
    pub(crate) written: Duration,
    pub(crate) bytes: u64,
}

impl Window {
    /// Takes what there is now.
    pub(crate) fn push(&mut self, sample: Sample) {
        let old = |second: &Sample| sample.at.saturating_duration_since(second.at) >= WINDOW;
        while self.0.get(1).is_some_and(old) {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    /// Forgets everything: media does not come now.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// `2.5 Mbit/s, 1.00x`; empty while nothing is known.
    pub(crate) fn words(&self) -> String {
        let (Some(first), Some(last)) = (self.0.front(), self.0.back()) else {
            return String::new();
        };
        let wall = last.at.saturating_duration_since(first.at);
        let written = last.written.saturating_sub(first.written);
        if written.is_zero() || wall < Duration::from_secs(1) {
            return String::new();
        }
        let bits = json::bit_rate(last.bytes.saturating_sub(first.bytes), written);
        let speed = last.received.saturating_sub(first.received).as_secs_f64() / wall.as_secs_f64();
        format!("{}, {speed:.2}x", rate(bits))
    }
}

const WINDOW: Duration = Duration::from_secs(8);

/// A bit rate as people read it.
pub(crate) fn rate(bits: u64) -> String {
    match bits {
        0..1_000_000 => format!("{} kbit/s", bits / 1000),
        _ => format!("{:.1} Mbit/s", bits as f64 / 1e6),
    }
}

/// `1 gap`, `2 gaps`.
pub(crate) fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// `00:12  3.4 MB`.
pub(crate) fn amount(media: Duration, bytes: u64) -> String {
    format!("{}  {}", duration::clock(media), json::size(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_tells_the_rate_of_the_last_seconds_only() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut window = Window::default();
        let sample = |second: u64, media: u64, bytes: u64| Sample {
            at: at(second),
            received: Duration::from_secs(media + 1),
            written: Duration::from_secs(media),
            bytes,
        };
        window.push(sample(0, 0, 0));
        assert_eq!(window.words(), "");
        // A burst of old media, then twenty seconds in real time at 1 Mbit/s.
        for second in 1..=20 {
            window.push(sample(second, 100 + second, 9_000_000 + second * 125_000));
        }
        assert_eq!(window.words(), "1.0 Mbit/s, 1.00x");
        window.clear();
        assert_eq!(window.words(), "");
    }

    #[test]
    fn a_flood_of_events_is_counted_instead_of_shown() {
        let start = Instant::now();
        let mut limiter = Limiter::default();
        let shown = (0..50).filter(|_| limiter.admit(start).0).count();
        assert_eq!(shown, LIMIT);
        assert_eq!(limiter.admit(start + LIMIT_TIME), (true, 30));
    }

    #[test]
    fn a_source_cannot_steer_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\nc"), "a [2Jb c");
    }
}
