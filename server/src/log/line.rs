//! [`Line`]: one thing that was said.

use std::fmt::{self, Debug, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tracing::Event;
use tracing::field::{Field, Visit};
use utoipa::ToSchema;

use crate::domain::time::Micros;

/// Bytes of the longest text of a line; more says nothing more.
const MAX_TEXT: usize = 16 << 10;

/// How serious it is, the most serious first.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    /// Something is broken and needs a person.
    Error,
    /// Something went wrong and was dealt with.
    Warn,
    /// Something that is worth knowing happened.
    Info,
    /// For finding out how something came about.
    Debug,
}

impl Level {
    const fn of(level: tracing::Level) -> Self {
        match level {
            tracing::Level::ERROR => Self::Error,
            tracing::Level::WARN => Self::Warn,
            tracing::Level::INFO => Self::Info,
            _ => Self::Debug,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Warn => "WARN",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
        }
    }
}

/// A line of the log.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Line {
    /// Later lines have higher ones; 0 when it is not kept.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) id: u64,
    pub(crate) at: Micros,
    pub(crate) level: Level,
    /// The part of the program that says it.
    pub(crate) target: String,
    pub(crate) message: String,
    /// What it is about, by name; `request_id` is that of an answer's header.
    #[schema(value_type = Object)]
    pub(crate) fields: Map<String, Value>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_zero(id: &u64) -> bool {
    *id == 0
}

impl Line {
    pub(super) fn of(event: &Event<'_>, request: Option<Arc<str>>) -> Self {
        let about = event.metadata();
        let mut said = Said::default();
        event.record(&mut said);
        if let Some(request) = request {
            said.fields
                .insert("request_id".to_owned(), Value::from(&*request));
        }
        Self {
            id: 0,
            at: Micros::now(),
            level: Level::of(*about.level()),
            target: about.target().to_owned(),
            message: said.message,
            fields: said.fields,
        }
    }

    /// Bytes that it takes in memory, roughly.
    pub(super) fn weight(&self) -> usize {
        let field = |(name, value): (&String, &Value)| {
            let text = value.as_str().map_or(0, str::len);
            64 + name.len() + text
        };
        let fields: usize = self.fields.iter().map(field).sum();
        size_of::<Self>() + self.target.len() + self.message.len() + fields
    }

    /// Whether a text in lower case is somewhere in it, whatever the case.
    pub(super) fn has(&self, text: &str) -> bool {
        let mut texts = [&self.message, &self.target]
            .into_iter()
            .map(|known| known.to_lowercase())
            .chain(self.fields.iter().map(|(name, value)| match value {
                Value::String(value) => format!("{name}={value}").to_lowercase(),
                value => format!("{name}={value}").to_lowercase(),
            }));
        texts.any(|known| known.contains(text))
    }
}

/// As people read it: time, level, target, message, fields.
impl fmt::Display for Line {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at, target, message, ..
        } = self;
        let level = self.level.as_str();
        write!(out, "{:.6} {level:>5} {target}: ", at.timestamp())?;
        // A line is one line.
        one_line(out, message)?;
        for (name, value) in &self.fields {
            write!(out, " {name}=")?;
            match value {
                Value::String(text) => one_line(out, text)?,
                value => write!(out, "{value}")?,
            }
        }
        Ok(())
    }
}

fn one_line(out: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for c in text.chars() {
        if c.is_control() {
            write!(out, "{}", c.escape_default())?;
        } else {
            out.write_char(c)?;
        }
    }
    Ok(())
}

/// What an event holds.
#[derive(Default)]
struct Said {
    message: String,
    fields: Map<String, Value>,
}

impl Said {
    fn put(&mut self, field: &Field, value: Value) {
        self.fields.insert(field.name().to_owned(), value);
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let value = clean(value);
        if field.name() == "message" {
            self.message = value;
        } else {
            self.put(field, value.into());
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}

/// A text of bounded length, without the user and the password of any address in it.
fn clean(text: &str) -> String {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut rest = &text[..end];
    let mut out = String::with_capacity(rest.len());
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out += before;
        let over = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '<' | '>');
        let authority = &after[..after.find(over).unwrap_or(after.len())];
        rest = match authority.rfind('@') {
            Some(user) => {
                out += "***";
                &after[user..]
            }
            None => after,
        };
    }
    out += rest;
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lose_user_and_password_and_long_texts_their_end() {
        for (text, cleaned) in [
            ("plain", "plain"),
            ("rtsp://u:p@cam/a", "rtsp://***@cam/a"),
            ("a http://h/x@y and ftp://q@h", "a http://h/x@y and ftp://***@h"),
            ("rtmp://u:p@ss@h", "rtmp://***@h"),
            ("://", "://"),
            ("\"http://u:p@h\" failed", "\"http://***@h\" failed"),
        ] {
            assert_eq!(clean(text), cleaned);
        }
        assert_eq!(clean(&"ß".repeat(MAX_TEXT)).len(), MAX_TEXT);
    }
}
