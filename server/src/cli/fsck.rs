//! `mediastack fsck`.

use std::path::Path;
use std::sync::Arc;

use clap::Args;
use mediacore::source::Egress;
use mediacore::{Error, ErrorKind, Result};

use super::answer::Answer;
use super::exit;
use super::progress::count;
use super::serve::{Place, failed, load, runtime};
use crate::app::{Folders, same_storage};
use crate::config::Config;
use crate::fault::Fault;
use crate::service::catalogue::Catalogue;
use crate::service::events::Events;
use crate::service::fsck::{Fsck, Plan, Report, State};
use crate::service::recordings::Recordings;
use crate::store::{Store, check, sqlite_path};
use crate::worker::Workers;

/// Compare the database with the files, both ways
///
/// While no server uses the data folder. Nothing is changed without an option, and none deletes a row or a file with media in it.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Do what loses nothing: finish recordings, correct sizes and lengths, ask for pictures anew, mark videos whose media is gone
    #[arg(long)]
    repair: bool,
    /// Make library items, to be reviewed, of media that no row names
    #[arg(long)]
    import_orphans: bool,
    /// Remove what is left over of work that was cut off: halves of files, pictures and sound that no video has
    #[arg(long)]
    remove_leftovers: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<Answer> {
    let (config, _) = load(&arguments.place, Vec::new())?;
    let plan = Plan {
        repair: arguments.repair,
        import_orphans: arguments.import_orphans,
        remove_leftovers: arguments.remove_leftovers,
    };
    let report = runtime()?.block_on(check_all(&config, plan))?;
    let code = match report.agrees() {
        true => exit::SUCCESS,
        false => exit::DIFFERS,
    };
    Ok(Answer::new(&report, table(&report)).exit(code))
}

async fn check_all(config: &Config, plan: Plan) -> Result<Report> {
    let there = |folder: &Path| folder.is_dir();
    if !there(&config.data_dir) || !there(&config.storage) {
        let missing = if there(&config.data_dir) {
            &config.storage
        } else {
            &config.data_dir
        };
        let text = format!("{} is not there: is its disk mounted?", missing.display());
        return Err(Error::new(ErrorKind::NotFound, text));
    }
    let folders = Arc::new(Folders::open_existing(&config.data_dir, &config.storage).map_err(failed)?);
    let is_new = match sqlite_path(&config.database_url) {
        Ok(path) => !Path::new(path).exists(),
        // Another engine's.
        Err(_) => false,
    };
    if is_new && !plan.import_orphans {
        let text = "there is no database; a start of the server or --import-orphans makes a new one";
        return Err(Error::new(ErrorKind::NotFound, text));
    }
    if !is_new {
        let complaints = check::examine(&config.database_url).await.map_err(failed)?;
        if !complaints.is_empty() {
            return Ok(Report::damaged(complaints));
        }
    }
    let store = Store::open(&config.database_url).await.map_err(failed)?;
    same_storage(&store, &folders).await.map_err(failed)?;
    let events = Events::default();
    let refused = |fault: Fault| match fault {
        Fault::Internal(error) => failed(error),
        other => Error::new(ErrorKind::Storage, other.to_string()),
    };
    if is_new {
        Catalogue::open(&store, &events).await.map_err(refused)?;
    }
    // Nothing is connected to.
    let egress = Egress {
        private: false,
        allow: Vec::new(),
    };
    let workers = Workers::new(config.worker_sandbox);
    let recordings = Recordings::new(&store, &events, &folders, &config.zone, egress, &workers);
    let recordings = Arc::new(recordings);
    let fsck = Fsck {
        store: &store,
        folders: &folders,
        recordings: &recordings,
        workers: &workers,
    };
    let report = fsck.run(plan).await;
    store.close().await;
    report.map_err(refused)
}

/// What was found, for people: one line each, in columns.
fn table(report: &Report) -> String {
    let mut lines = Vec::new();
    let rows: Vec<[String; 4]> = report
        .findings
        .iter()
        .map(|finding| {
            let place = finding.video_id.map(|id| format!("video {id}"));
            let place = place.or_else(|| finding.task_id.map(|id| format!("task {id}")));
            let said = match &finding.file {
                Some(file) => format!("{} ({file})", finding.message),
                None => finding.message.clone(),
            };
            [
                finding.state.as_str().to_owned(),
                finding.kind.as_str().to_owned(),
                place.unwrap_or_default(),
                said,
            ]
        })
        .collect();
    let wide = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let (first, second, third) = (wide(0), wide(1), wide(2));
    for [state, kind, place, said] in &rows {
        lines.push(format!("{state:first$}  {kind:second$}  {place:third$}  {said}"));
    }
    let open = report.findings.iter().filter(|finding| finding.is_open()).count();
    let mended = report
        .findings
        .iter()
        .filter(|finding| finding.state != State::Found)
        .count();
    let mut last = format!(
        "{} and {}: {}",
        count(report.videos as u64, "video"),
        count(report.files as u64, "file"),
        match open {
            0 => "rows and files agree".to_owned(),
            open => format!(
                "{} differ{}",
                count(open as u64, "finding"),
                if open == 1 { "s" } else { "" }
            ),
        }
    );
    if mended > 0 {
        last += &format!(", {} repaired", count(mended as u64, "finding"));
    }
    if report.known_missing > 0 {
        last += &format!(
            ", {} known to have no media",
            count(report.known_missing as u64, "video")
        );
    }
    lines.push(last);
    let offers = [
        (
            report.offers_import(),
            "mediastack fsck --import-orphans makes items of media that no row names",
        ),
        (
            report.offers_repair(),
            "mediastack fsck --repair does what loses nothing",
        ),
        (
            report.offers_removal(),
            "mediastack fsck --remove-leftovers removes what is left over",
        ),
    ];
    lines.extend(
        offers
            .into_iter()
            .filter(|(is, _)| *is)
            .map(|(_, text)| text.to_owned()),
    );
    lines.join("\n")
}
