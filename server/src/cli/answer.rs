//! [`Answer`]: what a command says at its end.

use std::process::ExitCode;

use mediacore::Error;
use serde::Serialize;

use super::json::ErrorView;
use super::{exit, output};

/// What a command says at its end.
#[derive(Debug)]
pub(crate) struct Answer {
    /// For `--json`.
    object: String,
    /// For people, on standard output without `--json`.
    text: String,
    /// Lines on standard error.
    notes: Vec<String>,
    code: u8,
}

impl Answer {
    /// A good end.
    pub(crate) fn new(object: &impl Serialize, text: String) -> Self {
        // Our views have string keys only.
        let object = serde_json::to_string(object).unwrap_or_else(|_| "null".to_owned());
        Self {
            object,
            text,
            notes: Vec::new(),
            code: exit::SUCCESS,
        }
    }

    /// A bad end with nothing else to say.
    pub(crate) fn failed(error: Error) -> Self {
        #[derive(Serialize)]
        struct Failed {
            status: &'static str,
            error: ErrorView,
        }
        let object = Failed {
            status: "failed",
            error: ErrorView::of(&error),
        };
        Self::new(&object, String::new())
            .note(error.report())
            .exit(exit::code(error.kind()))
    }

    /// With another line on standard error.
    pub(crate) fn note(mut self, what: impl std::fmt::Display) -> Self {
        self.notes.push(format!("mediastack: {what}"));
        self
    }

    /// With this exit code.
    pub(crate) fn exit(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// Says it.
    pub(crate) fn print(self, json: bool) -> ExitCode {
        for note in &self.notes {
            output::note(note);
        }
        if json {
            output::line(&self.object);
        } else if !self.text.is_empty() {
            output::line(&self.text);
        }
        ExitCode::from(self.code)
    }
}
