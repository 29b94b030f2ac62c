//! libav's log goes to `tracing`, target `libav`.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::catch_unwind;
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

use ffmpeg_next::ffi;
use tracing::Level;

use crate::raw;
use crate::redact::redact;

/// Sends what libav logs to `tracing` from now on, in the whole process; never to stderr.
///
/// Levels are one lower than libav's, since what it calls an error is a damaged input, which its caller handles: fatal →
/// `error`, error → `warn`, warning → `info`, info and verbose → `debug`, debug → `trace`. Credentials in URLs are
/// replaced, and at most 20 lines a second pass; the rest are counted. Opening an [`Input`](crate::Input) does this too.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the callback lives for ever and may be called from any thread.
        unsafe { raw::av_log_set_callback(Some(on_line)) };
    });
}

/// Forgets the last error line of this thread.
pub(crate) fn forget_last_error() {
    let _ = LINE.try_with(|line| {
        line.try_borrow_mut().map(|mut line| {
            line.last_error = None;
            line.redirect = None;
        })
    });
}

/// The last line of this thread at the level of errors since it was forgotten.
pub(crate) fn last_error() -> Option<String> {
    LINE.try_with(|line| line.try_borrow_mut().ok()?.last_error.take())
        .ok()?
}

/// Where the server that this thread was opening sent it, since it was forgotten.
pub(crate) fn redirect() -> Option<String> {
    LINE.try_with(|line| line.try_borrow_mut().ok()?.redirect.take())
        .ok()?
}

/// How many packets of RTP did not come, by this thread's log since it was asked last. libav tells it nowhere else.
pub(crate) fn take_lost() -> u64 {
    LINE.try_with(|line| {
        line.try_borrow_mut()
            .map_or(0, |mut line| std::mem::take(&mut line.lost))
    })
    .unwrap_or(0)
}

/// A line in the making: libav logs in pieces.
#[derive(Default)]
struct Line {
    text: String,
    begun: bool,
    last_error: Option<String>,
    redirect: Option<String>,
    lost: u64,
}

/// How libav's RTSP demuxer says that it is about to follow a redirect (`ff_rtsp_connect`; the same text in FFmpeg 4 to 8).
const REDIRECTING: &CStr = c"Status %d: Redirecting to %s\n";

/// How the line begins that tells of lost packets.
const LOST: &str = "RTP: missed ";

thread_local! {
    static LINE: RefCell<Line> = RefCell::default();
}

/// The longest line kept.
const LONGEST: usize = 2000;
const LINES_A_SECOND: u32 = 20;

unsafe extern "C" fn on_line(
    class: *mut c_void,
    level: c_int,
    format: *const c_char,
    arguments: *mut c_void,
) {
    // Colours are in the upper bits.
    let level = level & 0xff;
    if level > ffi::AV_LOG_DEBUG as c_int || format.is_null() {
        return;
    }
    let wanted = is_enabled(level_of(level));
    // SAFETY: libav's formats are C strings; it is not null, see above.
    let words = unsafe { CStr::from_ptr(format) };
    let redirecting = level == ffi::AV_LOG_INFO as c_int && words == REDIRECTING;
    let counts = redirecting || words.to_bytes().starts_with(LOST.as_bytes());
    if !wanted && !counts && level > ffi::AV_LOG_ERROR as c_int {
        return;
    }
    if redirecting && !class.is_null() {
        // libav follows by itself, to whatever address the server names. It may use no protocol from here on, so that opening fails
        // and our caller decides.
        // SAFETY: that line comes from an `AVFormatContext`, which has this option, on the thread that uses it; it is read again for
        // each connection, and libav copies the text.
        unsafe { ffi::av_opt_set(class, c"protocol_whitelist".as_ptr(), c"none".as_ptr(), 0) };
    }
    let mut piece: [c_char; 1024] = [0; 1024];
    let mut prefix = LINE
        .try_with(|line| line.try_borrow().is_ok_and(|line| !line.begun))
        .map_or(1, c_int::from);
    // SAFETY: class, format and arguments are what libav gave to this callback; the buffer's size is given, and it is
    // ended with a NUL whatever the length.
    unsafe {
        raw::av_log_format_line2(
            class,
            level,
            format,
            arguments,
            piece.as_mut_ptr(),
            piece.len() as c_int,
            &raw mut prefix,
        );
    }
    // SAFETY: ended with a NUL, see above.
    let piece = unsafe { CStr::from_ptr(piece.as_ptr()) }.to_string_lossy();
    // A subscriber is foreign code; a panic must not cross the language border.
    let _ = catch_unwind(|| {
        if redirecting {
            note_redirect(&piece);
        }
        take(&piece, level, wanted);
    });
}

/// Keeps the address of a line of [`REDIRECTING`].
fn note_redirect(piece: &str) {
    let address = piece
        .trim_end()
        .split_once("Redirecting to ")
        .map(|(_, address)| address.to_owned());
    let _ = LINE.try_with(|line| line.try_borrow_mut().map(|mut line| line.redirect = address));
}

/// Adds `piece` to this thread's line, and emits the line when it is complete.
fn take(piece: &str, level: c_int, wanted: bool) {
    let complete = LINE.try_with(|line| {
        // Borrowed only when a subscriber calls libav: nothing to join then.
        let mut line = line.try_borrow_mut().ok()?;
        if line.text.len() < LONGEST {
            line.text.push_str(piece);
        }
        line.begun = !piece.ends_with('\n');
        if line.begun {
            return None;
        }
        let text = redact(tidy(&line.text).trim_end()).into_owned();
        line.text.clear();
        if text.is_empty() {
            return None;
        }
        line.lost = line.lost.saturating_add(lost(&text));
        if level <= ffi::AV_LOG_ERROR as c_int {
            line.last_error = Some(text.clone());
        }
        Some(text)
    });
    let Ok(Some(text)) = complete else { return };
    if !wanted {
        return;
    }
    let pass = LIMIT
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
        .pass(Instant::now());
    let Some(suppressed) = pass else { return };
    if suppressed > 0 {
        tracing::warn!(target: "libav", suppressed, "{suppressed} lines of libav's log were left out");
    }
    emit(level_of(level), &text);
}

/// The packets that a line says are lost.
fn lost(text: &str) -> u64 {
    let after = text.split_once(LOST).map(|(_, after)| after);
    let number = after.and_then(|after| after.split(' ').next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// `[rtsp @ 0x55d0c0ffee]` tells nothing that `rtsp:` does not.
fn tidy(line: &str) -> String {
    let mut rest = line;
    let mut names = String::new();
    while let Some(inner) = rest.strip_prefix('[') {
        let Some((bracket, after)) = inner.split_once("] ") else {
            break;
        };
        let Some((name, _)) = bracket.split_once(" @ ") else {
            break;
        };
        names = format!("{name}: ");
        rest = after;
    }
    names + &rest.replace(['\n', '\r'], " ")
}

fn level_of(level: c_int) -> Level {
    match level {
        l if l <= ffi::AV_LOG_FATAL as c_int => Level::ERROR,
        l if l <= ffi::AV_LOG_ERROR as c_int => Level::WARN,
        l if l <= ffi::AV_LOG_WARNING as c_int => Level::INFO,
        l if l <= ffi::AV_LOG_VERBOSE as c_int => Level::DEBUG,
        _ => Level::TRACE,
    }
}

fn is_enabled(level: Level) -> bool {
    match level {
        Level::ERROR => tracing::enabled!(target: "libav", Level::ERROR),
        Level::WARN => tracing::enabled!(target: "libav", Level::WARN),
        Level::INFO => tracing::enabled!(target: "libav", Level::INFO),
        Level::DEBUG => tracing::enabled!(target: "libav", Level::DEBUG),
        Level::TRACE => tracing::enabled!(target: "libav", Level::TRACE),
    }
}

fn emit(level: Level, text: &str) {
    match level {
        Level::ERROR => tracing::error!(target: "libav", "{text}"),
        Level::WARN => tracing::warn!(target: "libav", "{text}"),
        Level::INFO => tracing::info!(target: "libav", "{text}"),
        Level::DEBUG => tracing::debug!(target: "libav", "{text}"),
        Level::TRACE => tracing::trace!(target: "libav", "{text}"),
    }
}

static LIMIT: Mutex<Limit> = Mutex::new(Limit {
    since: None,
    lines: 0,
    suppressed: 0,
});

/// How many lines passed in this second.
struct Limit {
    since: Option<Instant>,
    lines: u32,
    suppressed: u64,
}

impl Limit {
    /// `None` when the line must wait; else how many did not pass since the last one that did.
    fn pass(&mut self, now: Instant) -> Option<u64> {
        if self
            .since
            .is_none_or(|since| now.saturating_duration_since(since) >= Duration::from_secs(1))
        {
            self.since = Some(now);
            self.lines = 0;
        }
        if self.lines >= LINES_A_SECOND {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_lines_is_counted_and_not_passed() {
        let mut limit = Limit {
            since: None,
            lines: 0,
            suppressed: 0,
        };
        let start = Instant::now();
        let passed = (0..1000).filter(|_| limit.pass(start).is_some()).count();
        assert_eq!(passed, 20);
        assert_eq!(limit.pass(start + Duration::from_secs(1)), Some(980));
        assert_eq!(limit.pass(start + Duration::from_secs(1)), Some(0));
    }

    #[test]
    fn lost_packets_are_counted_from_their_line() {
        assert_eq!(lost("rtsp: RTP: missed 12 packets"), 12);
        assert_eq!(lost("rtsp: RTP: missed -3 packets"), 0);
        assert_eq!(lost("rtsp: max delay reached. need to consume packet"), 0);
        take("[rtsp @ 0x1] RTP: missed 2 packets\n", 24, false);
        take("[rtsp @ 0x1] RTP: missed 1 packets\n", 24, false);
        assert_eq!((take_lost(), take_lost()), (3, 0));
    }

    #[test]
    fn addresses_of_memory_are_left_out() {
        assert_eq!(
            tidy("[rtsp @ 0x55d0c0ffee] no route\n").trim_end(),
            "rtsp: no route"
        );
        assert_eq!(tidy("[mov @ 0x1] [h264 @ 0x2] bad\n").trim_end(), "h264: bad");
        assert_eq!(tidy("[a] b"), "[a] b");
    }
}
