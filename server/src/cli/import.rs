//! `mediastack import`.

use std::path::PathBuf;

use clap::Args;
use jiff::tz::TimeZone;
use mediacore::{Error, ErrorKind, Result};

use super::answer::Answer;
use super::serve::{Place, failed, load, runtime};
use crate::app::{Folders, server_key};
use crate::service::import::{self, Plan};
use crate::service::keys::Keys;
use crate::store::Store;

/// Take over an existing installation: accounts, sources, schedules, videos, tags, categories, viewing codes
///
/// Into a new data folder, while no server uses it. Media is linked, or copied from another disk; the old installation is not changed.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The old database, mediastack.db
    #[arg(long, value_name = "FILE")]
    sqlite: PathBuf,
    /// The old media folder, what STORAGE_PATH was
    #[arg(long, value_name = "DIR")]
    media: PathBuf,
    /// The old server's time zone: of its local times and of its schedules
    #[arg(long, value_name = "ZONE", default_value = "Asia/Shanghai")]
    zone: String,
    #[command(flatten)]
    place: Place,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<Answer> {
    let invalid = |text: String| Error::new(ErrorKind::InvalidInput, text);
    let zone = TimeZone::get(&arguments.zone)
        .map_err(|_| invalid(format!("--zone {:?} is no IANA time zone", arguments.zone)))?;
    for (path, folder) in [(&arguments.sqlite, false), (&arguments.media, true)] {
        let there = if folder { path.is_dir() } else { path.is_file() };
        if !there {
            let text = format!("{} is not there", path.display());
            return Err(Error::new(ErrorKind::NotFound, text));
        }
    }
    let (config, _) = load(&arguments.place, Vec::new())?;
    let taken = runtime()?.block_on(async {
        let folders = Folders::open(&config.data_dir, &config.storage)?;
        let keys = match &config.secret_key {
            Some(key) => Keys::of_text(key.expose()),
            None => Keys::new(server_key(&config.data_dir)?),
        };
        let store = Store::open(&config.database_url).await?;
        let plan = Plan {
            database: &arguments.sqlite,
            media: &arguments.media,
            zone: &zone,
            storage: folders.storage(),
        };
        let taken = import::run(&plan, &store, &keys).await;
        store.close().await;
        taken
    });
    let taken = taken.map_err(failed)?;
    let answer = Answer::new(&taken, taken.to_string());
    Ok(taken.notes.iter().fold(answer, |answer, note| answer.note(note)))
}
