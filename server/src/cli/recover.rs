//! `mediastack recover`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use mediacore::record::finish::{Method, Observer, Preference, Step};
use mediacore::record::journal::GapRecord;
use mediacore::record::journal_path;
use mediacore::record::manifest::{Manifest, part_path};
use mediacore::record::rebuild::rebuild;
use mediacore::record::recover::{Outcome, Recovered, recover, unfinished_in};
use mediacore::{Error, ErrorKind, Result};
use serde::Serialize;

use super::answer::Answer;
use super::json::{ErrorView, path, seconds};
use super::progress::count;
use super::{duration, exit, hooks, json};

/// Finish recordings that a crash left unfinished
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A recording (or its journal), or a folder: every unfinished recording in it and below
    #[arg(value_name = "FILE|DIR")]
    path: PathBuf,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<Answer> {
    let prefer = hooks::preference()?;
    let hook = hooks::observer();
    let observer = |method: Method, step: Step| {
        if let Some(hook) = &hook {
            (hook.0)(method, step);
        }
    };
    let is_folder = arguments.path.is_dir();
    let files = if is_folder {
        unfinished_in(&arguments.path)?
    } else {
        parts_of(&arguments.path)
    };
    let done = files
        .iter()
        .map(|file| Done::new(file, one(file, prefer, &observer), is_folder))
        .collect();
    Ok(answer(done))
}

/// The recording that `path` or its journal names, and further parts of it that are unfinished.
fn parts_of(path: &Path) -> Vec<PathBuf> {
    let recording = match path.extension() {
        Some(extension) if extension == "journal" => path.with_extension(""),
        _ => path.to_path_buf(),
    };
    let parts = (2..)
        .map(|number| part_path(&recording, number))
        .take_while(|part| part.exists() || journal_path(part).exists())
        .filter(|part| journal_path(part).exists());
    std::iter::once(recording.clone()).chain(parts).collect()
}

fn one(file: &Path, prefer: Preference, observer: Observer<'_>) -> Result<Recovered> {
    let recovered = if journal_path(file).exists() {
        recover(file, prefer, observer)?
    } else {
        rebuild(file, prefer, observer)?
    };
    list_in_manifest(&recovered)?;
    Ok(recovered)
}

/// Corrects the part's length in the manifest, if there is one: it was being recorded when the crash came.
fn list_in_manifest(recovered: &Recovered) -> Result<()> {
    let Some(name) = recovered.path.file_name().and_then(|name| name.to_str()) else {
        return Ok(());
    };
    let manifest_path = Manifest::path_for(&first_part(&recovered.path, name));
    if !manifest_path.exists() {
        return Ok(());
    }
    let mut manifest = Manifest::read(&manifest_path)?;
    let before = manifest.clone();
    if recovered.outcome == Outcome::Empty {
        manifest.parts.retain(|part| part.file != name);
    }
    for part in manifest.parts.iter_mut().filter(|part| part.file == name) {
        part.duration_s = Some(recovered.duration.as_secs_f64());
    }
    if manifest == before {
        return Ok(());
    }
    manifest.write(&manifest_path)
}

/// `x.mp4` for `x.part2.mp4`.
fn first_part(path: &Path, name: &str) -> PathBuf {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let stem = extension.map_or(name, |extension| {
        name.strip_suffix(extension)
            .and_then(|stem| stem.strip_suffix('.'))
            .unwrap_or(name)
    });
    match stem.rsplit_once(".part") {
        Some((first, number)) if number.parse::<u32>().is_ok() => match extension {
            Some(extension) => path.with_file_name(format!("{first}.{extension}")),
            None => path.with_file_name(first),
        },
        _ => path.to_path_buf(),
    }
}

/// One file and what came of it.
struct Done {
    view: View,
    /// Whether the command's exit code is this file's.
    error: Option<ErrorKind>,
    line: String,
}

#[derive(Debug, Serialize)]
struct View {
    path: String,
    outcome: &'static str,
    duration_s: f64,
    size_bytes: u64,
    finish_method: Option<&'static str>,
    gaps: Vec<GapView>,
    fragments_found: u64,
    fragments_damaged: u64,
    error: Option<ErrorView>,
}

#[derive(Debug, Serialize)]
struct GapView {
    at_s: f64,
    length_s: f64,
    cause: String,
    track: Option<u32>,
}

impl Done {
    fn new(file: &Path, result: Result<Recovered>, is_folder: bool) -> Self {
        match result {
            Ok(recovered) => Self::good(&recovered),
            Err(error) => {
                let recording = is_recording(&error);
                let outcome = if recording { "still_recording" } else { "failed" };
                let error_view = ErrorView::of(&error);
                Self {
                    view: View::bad(file, outcome, error_view),
                    // Below a folder, a recording that is going on is as it should be.
                    error: (!(recording && is_folder)).then(|| error.kind()),
                    line: match recording && is_folder {
                        true => format!("{}; skipped", error.report()),
                        false => error.report(),
                    },
                }
            }
        }
    }

    fn good(recovered: &Recovered) -> Self {
        let path = recovered.path.display();
        let line = match recovered.outcome {
            Outcome::Empty => format!("{path}: nothing had been recorded; removed"),
            outcome => {
                let method = match outcome {
                    Outcome::Finished(method) => format!("finished ({method})"),
                    _ => "already finished".to_owned(),
                };
                let length = duration::clock(recovered.duration);
                let mut line = format!("{path}: {method}, {length}, {}", json::size(recovered.size));
                if !recovered.gaps.is_empty() {
                    line += &format!(", {}", count(recovered.gaps.len() as u64, "gap"));
                }
                if recovered.fragments_damaged > 0 {
                    line += &format!(
                        ", {} left out",
                        count(recovered.fragments_damaged, "damaged fragment")
                    );
                }
                line
            }
        };
        Self {
            view: View::good(recovered),
            error: None,
            line,
        }
    }
}

impl View {
    fn good(recovered: &Recovered) -> Self {
        Self {
            path: path(&recovered.path),
            outcome: recovered.outcome.as_str(),
            duration_s: seconds(recovered.duration),
            size_bytes: recovered.size,
            finish_method: match recovered.outcome {
                Outcome::Finished(method) => Some(method.as_str()),
                _ => None,
            },
            gaps: recovered.gaps.iter().map(GapView::of).collect(),
            fragments_found: recovered.fragments_found,
            fragments_damaged: recovered.fragments_damaged,
            error: None,
        }
    }

    fn bad(file: &Path, outcome: &'static str, error: ErrorView) -> Self {
        Self {
            path: path(file),
            outcome,
            duration_s: seconds(Duration::ZERO),
            size_bytes: 0,
            finish_method: None,
            gaps: Vec::new(),
            fragments_found: 0,
            fragments_damaged: 0,
            error: Some(error),
        }
    }
}

impl GapView {
    fn of(gap: &GapRecord) -> Self {
        Self {
            at_s: seconds(gap.at),
            length_s: seconds(gap.length),
            cause: gap.cause.clone(),
            track: gap.track,
        }
    }
}

/// Whether another process still has the recording: permissions are refused with a cause, a lock without one.
fn is_recording(error: &Error) -> bool {
    error.kind() == ErrorKind::Refused && std::error::Error::source(error).is_none()
}

fn answer(done: Vec<Done>) -> Answer {
    #[derive(Serialize)]
    struct Files {
        files: Vec<View>,
    }
    let code = done
        .iter()
        .find_map(|done| done.error)
        .map_or(exit::SUCCESS, exit::code);
    let (mut text, mut notes, mut files) = (Vec::new(), Vec::new(), Vec::new());
    for Done { view, line, .. } in done {
        if view.error.is_some() {
            notes.push(line)
        } else {
            text.push(line)
        }
        files.push(view);
    }
    if files.is_empty() {
        text.push("nothing to recover".to_owned());
    }
    let answer = Answer::new(&Files { files }, text.join("\n")).exit(code);
    notes.into_iter().fold(answer, Answer::note)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_leads_to_its_recording() {
        for (part, first) in [
            ("/a/x.mp4", "/a/x.mp4"),
            ("/a/x.part2.mp4", "/a/x.mp4"),
            ("/a/x.y.part12.mp4", "/a/x.y.mp4"),
            ("/a/x.partial.mp4", "/a/x.partial.mp4"),
        ] {
            let path = Path::new(part);
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .expect("has a name");
            assert_eq!(first_part(path, name), Path::new(first));
        }
    }
}
