//! What is counted since the program started, for `/metrics`. The counters are the program's own, as the process is what they are about.
//!
//! Counting costs an atomic addition, and for a request one look into a table of the thread; nothing on the way of a request waits for
//! anything. What is not counted but is so or so now, such as recordings that run, is looked up when the page is asked for.

mod histogram;
mod page;
pub(crate) mod process;
mod requests;

use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use histogram::{Histogram, Timed};
pub(crate) use page::{Kind, Page, TYPE};
pub(crate) use requests::Http;

/// A number that only grows.
#[derive(Debug)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Adds `more`.
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// What it is.
    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters that differ in one label, whose values are known.
#[derive(Debug)]
pub(crate) struct Counters<const N: usize> {
    values: [&'static str; N],
    counts: [Counter; N],
}

impl<const N: usize> Counters<N> {
    const fn new(values: [&'static str; N]) -> Self {
        Self {
            values,
            counts: [const { Counter::new() }; N],
        }
    }

    /// Adds one to the counter with this value of the label.
    pub(crate) fn count(&self, value: &str) {
        if let Some(at) = self.values.iter().position(|known| *known == value) {
            self.counts[at].add(1);
        }
    }

    fn each(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.values
            .iter()
            .zip(&self.counts)
            .map(|(value, count)| (*value, count.value()))
    }
}

/// Requests.
pub(crate) static HTTP: Http = Http::new();

/// Connections that were accepted, and those that ended.
pub(crate) static CONNECTIONS: Counters<2> = Counters::new(["opened", "closed"]);

/// Bytes of media, pictures and playlists that were given to clients.
pub(crate) static VIEWER_BYTES: Counter = Counter::new();

/// What viewers asked for.
pub(crate) static VIEWER_REQUESTS: Counters<4> = Counters::new(["playlist", "segment", "file", "other"]);

/// Bytes of recordings that became durable.
pub(crate) static DURABLE_BYTES: Counter = Counter::new();

/// Connections to sources that were made again.
pub(crate) static RECONNECTS: Counter = Counter::new();

/// Gaps in recordings.
pub(crate) static GAPS: Counter = Counter::new();

/// Recordings that ended, by how.
pub(crate) static ENDED: Counters<3> = Counters::new(["completed", "failed", "interrupted"]);

/// Jobs that ended, by how.
pub(crate) static JOBS: Counters<3> = Counters::new(["completed", "failed", "cancelled"]);

/// Bytes of uploads that came.
pub(crate) static UPLOAD_BYTES: Counter = Counter::new();

/// Uploads that are over, by how.
pub(crate) static UPLOADS: Counters<2> = Counters::new(["completed", "failed"]);

/// Sign-ins, by how they went.
pub(crate) static SIGN_INS: Counters<2> = Counters::new(["right", "wrong"]);

/// Viewing codes that were entered, by whether they were right.
pub(crate) static CODES: Counters<2> = Counters::new(["right", "wrong"]);

/// Attempts that were refused because there were too many, by what was tried.
pub(crate) static REFUSALS: Counters<3> =
    Counters::new(["sign_in_account", "sign_in_network", "viewing_code"]);

/// Planned runs of schedules, by how they ended.
pub(crate) static RUNS: Counters<4> = Counters::new(["started", "already_recording", "missed", "failed"]);

/// Attempts to deliver messages to webhooks, by how they went.
pub(crate) static MESSAGES: Counters<2> = Counters::new(["delivered", "failed"]);

/// Statements and transactions, with the wait for a connection.
pub(crate) static DATABASE_READS: Histogram = Histogram::new();

/// As [`DATABASE_READS`], of those that write.
pub(crate) static DATABASE_WRITES: Histogram = Histogram::new();

/// Puts everything that is counted on a page.
pub(crate) fn render(page: &mut Page) {
    HTTP.render(page);
    let [opened, closed] = [0, 1].map(|at| CONNECTIONS.counts[at].value());
    page.one(
        "mediastack_http_connections",
        Kind::Gauge,
        "Connections of clients that are open.",
        opened.saturating_sub(closed) as f64,
    );
    for (name, counter, help) in [
        (
            "mediastack_viewer_bytes_total",
            &VIEWER_BYTES,
            "Bytes of media, pictures and playlists given to clients.",
        ),
        (
            "mediastack_recording_durable_bytes_total",
            &DURABLE_BYTES,
            "Bytes of recordings that became durable.",
        ),
        (
            "mediastack_recording_reconnects_total",
            &RECONNECTS,
            "Connections to sources that were made again.",
        ),
        ("mediastack_recording_gaps_total", &GAPS, "Gaps in recordings."),
        (
            "mediastack_upload_bytes_total",
            &UPLOAD_BYTES,
            "Bytes of uploads that came.",
        ),
    ] {
        page.one(name, Kind::Counter, help, counter.value() as f64);
    }
    fn by<const N: usize>(page: &mut Page, name: &str, label: &str, counters: &Counters<N>, help: &str) {
        page.family(name, Kind::Counter, help);
        for (value, count) in counters.each() {
            page.sample(name, &[(label, value)], count as f64);
        }
    }
    by(
        page,
        "mediastack_viewer_requests_total",
        "kind",
        &VIEWER_REQUESTS,
        "Requests for media by what they asked for.",
    );
    by(
        page,
        "mediastack_recordings_ended_total",
        "status",
        &ENDED,
        "Recordings that ended, by their final status.",
    );
    by(
        page,
        "mediastack_jobs_ended_total",
        "status",
        &JOBS,
        "Jobs that ended, by their final status.",
    );
    by(
        page,
        "mediastack_uploads_ended_total",
        "status",
        &UPLOADS,
        "Uploads that are over, by their final status.",
    );
    by(
        page,
        "mediastack_sign_ins_total",
        "result",
        &SIGN_INS,
        "Sign-ins by whether name and password were right.",
    );
    by(
        page,
        "mediastack_viewing_codes_entered_total",
        "result",
        &CODES,
        "Viewing codes that were entered, by whether they opened anything.",
    );
    by(
        page,
        "mediastack_rate_limit_refusals_total",
        "limit",
        &REFUSALS,
        "Attempts that were refused because there were too many.",
    );
    by(
        page,
        "mediastack_schedule_runs_total",
        "outcome",
        &RUNS,
        "Planned runs of schedules by how they ended.",
    );
    by(
        page,
        "mediastack_webhook_attempts_total",
        "result",
        &MESSAGES,
        "Attempts to deliver a message to a webhook.",
    );
    let name = "mediastack_database_statement_duration_seconds";
    page.family(
        name,
        Kind::Histogram,
        "Time of a statement or transaction, with the wait for a connection.",
    );
    DATABASE_READS.render(page, name, &[("kind", "read")]);
    DATABASE_WRITES.render(page, name, &[("kind", "write")]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_values_of_a_label_are_counted() {
        let counters = Counters::new(["a", "b"]);
        counters.count("b");
        counters.count("b");
        counters.count("c");
        assert_eq!(counters.each().collect::<Vec<_>>(), [("a", 0), ("b", 2)]);
    }
}
