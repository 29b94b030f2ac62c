//! The page of `/metrics`: what was counted, and what is so now.

use super::monitor::Monitor;
use super::recordings::{Recordings, State};
use crate::fault::{Fault, blocking};
use crate::metrics::{self, Kind, Page};
use crate::store::Store;

/// Writes the page. A database that does not answer leaves out what it alone knows, and is said to be down.
///
/// # Errors
/// When a working thread ends.
pub(crate) async fn page(store: &Store, recordings: &Recordings, monitor: &Monitor) -> Result<String, Fault> {
    let mut page = Page::default();
    page.family(
        "mediastack_build_info",
        Kind::Gauge,
        "The server's version, as a label of the number 1.",
    );
    page.sample(
        "mediastack_build_info",
        &[("version", env!("CARGO_PKG_VERSION"))],
        1.0,
    );
    metrics::render(&mut page);
    running(&mut page, recordings);
    let now = monitor.now();
    for (name, help, value) in [
        (
            "mediastack_storage_free_bytes",
            "Free space on the disk of the media.",
            now.disk_free,
        ),
        (
            "mediastack_storage_total_bytes",
            "Size of the disk of the media.",
            now.disk_total,
        ),
    ] {
        page.one(name, Kind::Gauge, help, value as f64);
    }
    let answers = match known(store, &mut page).await {
        Ok(()) => 1.0,
        Err(error) => {
            tracing::warn!("metrics lack what the database knows: {error}");
            0.0
        }
    };
    page.one(
        "mediastack_database_up",
        Kind::Gauge,
        "Whether the database answers.",
        answers,
    );
    blocking(move || {
        metrics::process::render(&mut page);
        Ok::<_, Fault>(page.finish())
    })
    .await
}

fn running(page: &mut Page, recordings: &Recordings) {
    let live = recordings.live();
    let name = "mediastack_recordings_active";
    page.family(name, Kind::Gauge, "Recordings that run, by what they do.");
    for (state, word) in [
        (State::Connecting, "connecting"),
        (State::Recording, "recording"),
        (State::Reconnecting, "reconnecting"),
        (State::Stalled, "stalled"),
        (State::DiskFull, "disk_full"),
        (State::Finishing, "finishing"),
    ] {
        let count = live.iter().filter(|live| live.state == state).count();
        page.sample(name, &[("state", word)], count as f64);
    }
    page.one(
        "mediastack_recordings_bits_per_second",
        Kind::Gauge,
        "What all recordings make durable, over the last ten seconds.",
        live.iter().map(|live| live.bit_rate as f64).sum(),
    );
}

/// What only the database knows, in the end all of it or nothing.
async fn known(store: &Store, page: &mut Page) -> Result<(), sqlx::Error> {
    let jobs = store.open_jobs().await?;
    let videos = store.counted_videos().await?;
    let (offline, online, uploads, messages) = store.counted().await?;
    let name = "mediastack_jobs_open";
    page.family(name, Kind::Gauge, "Jobs that are not over, by kind and status.");
    for (kind, status, count) in &jobs {
        page.sample(name, &[("kind", kind), ("status", status)], *count as f64);
    }
    let name = "mediastack_videos";
    page.family(name, Kind::Gauge, "Videos that are not in the trash, by status.");
    for (status, count) in &videos {
        page.sample(name, &[("status", status)], *count as f64);
    }
    let name = "mediastack_sources";
    page.family(
        name,
        Kind::Gauge,
        "Active sources by whether they sent media at their last check.",
    );
    page.sample(name, &[("state", "offline")], offline as f64);
    page.sample(name, &[("state", "online")], online as f64);
    page.one(
        "mediastack_uploads_open",
        Kind::Gauge,
        "Uploads that are not over.",
        uploads as f64,
    );
    page.one(
        "mediastack_webhook_messages_waiting",
        Kind::Gauge,
        "Messages that wait for a first or another attempt.",
        messages as f64,
    );
    Ok(())
}
