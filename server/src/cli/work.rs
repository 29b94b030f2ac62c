//! Work on files: cancelled by signals, with a progress line.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mediacore::Result;
use mediacore::clock::{Clock, SystemClock};
use mediacore::remux::{self, Observer, Progress};
use mediacore::source::Interrupt;

use super::answer::Answer;
use super::json::{self, PartView, path, seconds};
use super::progress::Screen;
use super::signals::Caught;
use serde::Serialize;

/// Runs `work` until it is done or a signal comes, and shows on the terminal how far it is.
pub(crate) fn run<T>(
    json: bool,
    work: impl FnOnce(Interrupt, Observer) -> Result<T>,
) -> Result<(T, Duration)> {
    let clock = SystemClock::shared();
    let begun = clock.now();
    let interrupt = Interrupt::new();
    let stop = interrupt.clone();
    let watch = Caught::new()?.watch(move || stop.cancel())?;
    let screen = Arc::new(Mutex::new(Screen::new(json)));
    let done = work(interrupt, observer(&screen, &clock, begun));
    screen.lock().unwrap_or_else(PoisonError::into_inner).clear();
    drop(watch);
    Ok((done?, clock.now().saturating_duration_since(begun)))
}

fn observer(screen: &Arc<Mutex<Screen>>, clock: &Arc<dyn Clock>, begun: Instant) -> Observer {
    let (screen, clock) = (Arc::clone(screen), Arc::clone(clock));
    Observer(Arc::new(move |progress| {
        let now = clock.now();
        let mut screen = screen.lock().unwrap_or_else(PoisonError::into_inner);
        if screen.is_due(now) {
            screen.redraw(now, &line(progress, now.saturating_duration_since(begun)));
        }
    }))
}

/// `42 %  01:02  12.0 MB of 28.6 MB  120.0 MB/s  80x`.
fn line(progress: Progress, elapsed: Duration) -> String {
    let Progress {
        done, total, time, ..
    } = progress;
    let percent = u128::from(done.min(total)) * 100 / u128::from(total.max(1));
    let mut line = format!("{percent} %  ");
    if !time.is_zero() {
        line += &format!("{}  ", super::duration::clock(time));
    }
    line += &format!("{} of {}", json::size(done), json::size(total));
    let elapsed_s = elapsed.as_secs_f64();
    if elapsed_s >= 0.5 {
        let rate = u64::try_from(u128::from(done) * 1000 / elapsed.as_millis().max(1)).unwrap_or(u64::MAX);
        line += &format!("  {}/s", json::size(rate));
        if !time.is_zero() {
            line += &format!("  {:.0}x", time.as_secs_f64() / elapsed_s);
        }
    }
    line
}

/// The object of `remux --json` and `clip --json`.
#[derive(Debug, Serialize)]
struct View {
    status: &'static str,
    path: String,
    duration_s: f64,
    size_bytes: u64,
    way: &'static str,
    finish_method: Option<&'static str>,
    tracks: Vec<json::TrackView>,
    parts: Vec<PartView>,
    manifest: Option<String>,
    dropped: Vec<DroppedView>,
    notes: Vec<String>,
    elapsed_ms: f64,
    error: Option<json::ErrorView>,
}

#[derive(Debug, Serialize)]
struct DroppedView {
    codec: String,
    reason: String,
}

/// What `remux` and `clip` say at their end.
pub(crate) fn answer(report: &remux::Report, output: &Path, elapsed: Duration) -> Answer {
    let view = View {
        status: "completed",
        path: path(output),
        duration_s: seconds(report.duration()),
        size_bytes: report.size(),
        way: report.way.as_str(),
        finish_method: report.method().map(|method| method.as_str()),
        tracks: report.parts.first().map(json::tracks).unwrap_or_default(),
        parts: report.parts.iter().map(PartView::of).collect(),
        manifest: report.manifest.as_deref().map(path),
        dropped: report
            .dropped
            .iter()
            .map(|dropped| DroppedView {
                codec: dropped.codec.clone(),
                reason: dropped.reason.clone(),
            })
            .collect(),
        notes: report.notes.clone(),
        elapsed_ms: json::millis(elapsed),
        error: None,
    };
    let text = json::summary(&view.path, view.duration_s, view.size_bytes, &view.parts).join("\n");
    let mut answer = Answer::new(&view, text);
    for dropped in &report.dropped {
        answer = answer.note(format_args!(
            "track {} is left out: {}",
            dropped.codec, dropped.reason
        ));
    }
    report.notes.iter().fold(answer, |answer, note| answer.note(note))
}
