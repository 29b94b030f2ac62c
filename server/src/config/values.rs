//! [`Values`]: settings as texts, with where each comes from, and their parsing.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Secret;
use super::settings::SETTINGS;

/// Who said what a setting is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    /// Nobody.
    Default,
    /// A file.
    File(PathBuf),
    /// A variable of the environment.
    Environment,
    /// A flag of the command.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => out.write_str("default"),
            Self::File(path) => write!(out, "{}", path.display()),
            Self::Environment => out.write_str("environment"),
            Self::Flag => out.write_str("flag"),
        }
    }
}

/// Everything that is wrong with a configuration.
#[derive(Debug, Default)]
pub(crate) struct Mistakes(Vec<String>);

impl Mistakes {
    /// There are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These and more.
    pub(crate) fn and(mut self, more: Self) -> Self {
        self.0.extend(more.0);
        self
    }

    fn push(&mut self, text: String) {
        self.0.push(text);
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the configuration has {} mistake(s):", self.0.len())?;
        self.0.iter().try_for_each(|text| write!(out, "\n  {text}"))
    }
}

impl std::error::Error for Mistakes {}

/// Settings as texts.
#[derive(Clone, Debug)]
pub(crate) struct Values(BTreeMap<&'static str, (String, Origin)>);

impl Values {
    /// What they are when nobody says.
    pub(crate) fn defaults() -> Self {
        let of = |setting: &super::settings::Setting| {
            (setting.name, (setting.default.to_owned(), Origin::Default))
        };
        Self(SETTINGS.iter().map(of).collect())
    }

    /// Sets one.
    pub(crate) fn set(&mut self, name: &'static str, value: String, origin: Origin) {
        self.0.insert(name, (value, origin));
    }

    /// Takes the settings of a TOML file.
    pub(crate) fn take_file(&mut self, path: &Path, mistakes: &mut Mistakes) {
        let table = std::fs::read_to_string(path)
            .map_err(|error| error.to_string())
            .and_then(|text| text.parse::<toml::Table>().map_err(|error| error.to_string()));
        let table = match table {
            Ok(table) => table,
            Err(error) => return mistakes.push(format!("{}: {error}", path.display())),
        };
        for (name, value) in table {
            let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
                mistakes.push(format!("{}: there is no setting {name}", path.display()));
                continue;
            };
            match text_of(&value) {
                Some(text) => self.set(setting.name, text, Origin::File(path.to_path_buf())),
                None => mistakes.push(format!(
                    "{}: {name} is a text, a number, true or false, or a list of texts",
                    path.display()
                )),
            }
        }
    }

    /// Takes the settings of the environment.
    pub(crate) fn take_environment(
        &mut self,
        mistakes: &mut Mistakes,
        variable: impl Fn(&str) -> Option<String>,
    ) {
        for setting in SETTINGS {
            let Some(value) = variable(setting.env) else {
                continue;
            };
            // `TZ=:/etc/localtime` and such are the C library's business.
            if setting.name == "timezone" && jiff::tz::TimeZone::get(&value).is_err() {
                if !value.starts_with(':') && !value.is_empty() {
                    mistakes.push(format!(
                        "TZ: {value:?} is no IANA time zone, such as Asia/Shanghai"
                    ));
                }
                continue;
            }
            self.set(setting.name, value, Origin::Environment);
        }
    }

    /// Reads them one after the other.
    pub(super) fn reader(&self) -> Reader<'_> {
        Reader {
            values: self,
            mistakes: Mistakes::default(),
        }
    }
}

impl fmt::Display for Values {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for setting in SETTINGS {
            let Some((value, origin)) = self.0.get(setting.name) else {
                continue;
            };
            let shown = match value.as_str() {
                "" => "",
                _ if setting.secret => "***",
                // A password in a database's address.
                value => &redacted(value),
            };
            writeln!(
                out,
                "# {}\n{} = {shown:?}  # {origin}",
                setting.about, setting.name
            )?;
        }
        Ok(())
    }
}

fn redacted(value: &str) -> String {
    let Ok(mut url) = value.parse::<url::Url>() else {
        return value.to_owned();
    };
    if url.password().is_some() && url.set_password(Some("***")).is_ok() {
        return url.to_string();
    }
    value.to_owned()
}

fn text_of(value: &toml::Value) -> Option<String> {
    Some(match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Boolean(truth) => truth.to_string(),
        toml::Value::Array(items) => {
            let items: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
            serde_json::to_string(&items?).ok()?
        }
        _ => return None,
    })
}

/// Reads settings and gathers what is wrong with them.
pub(super) struct Reader<'a> {
    values: &'a Values,
    mistakes: Mistakes,
}

impl Reader<'_> {
    pub(super) fn wrong(&mut self, name: &str, why: impl fmt::Display) {
        let origin = self
            .values
            .0
            .get(name)
            .map_or(&Origin::Default, |(_, origin)| origin);
        self.mistakes.push(format!("{name} ({origin}): {why}"));
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.values
            .0
            .get(name)
            .map(|(value, _)| value.trim().to_owned())
            .unwrap_or_default()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(self.text(name))
    }

    pub(super) fn secret(&self, name: &str) -> Option<Secret> {
        Some(self.text(name)).filter(|text| !text.is_empty()).map(Secret)
    }

    /// An address and a port; loopback when the text is wrong.
    pub(super) fn address(&mut self, name: &str) -> SocketAddr {
        self.text(name).parse().unwrap_or_else(|_| {
            let text = self.text(name);
            self.wrong(
                name,
                format!("{text:?} is no address and port, such as 127.0.0.1:8000"),
            );
            SocketAddr::from(([127, 0, 0, 1], 8000))
        })
    }

    pub(super) fn number(&mut self, name: &str, range: RangeInclusive<u64>) -> u64 {
        match self.text(name).parse() {
            Ok(number) if range.contains(&number) => number,
            _ => {
                self.wrong(
                    name,
                    format!("a number from {} to {}", range.start(), range.end()),
                );
                *range.start()
            }
        }
    }

    pub(super) fn count(&mut self, name: &str, range: RangeInclusive<u64>) -> usize {
        usize::try_from(self.number(name, range)).unwrap_or(usize::MAX)
    }

    pub(super) fn span(&mut self, name: &str, unit_s: u64, range: RangeInclusive<u64>) -> Duration {
        Duration::from_secs(self.number(name, range).saturating_mul(unit_s))
    }

    /// Bytes: a number, with K, M, G or T for powers of 1024 (`10GiB`, `500MB`, `1G`).
    pub(super) fn bytes(&mut self, name: &str) -> u64 {
        let text = self.text(name);
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let shift = match text[digits.len()..].trim().to_ascii_uppercase().as_str() {
            "" | "B" => Some(0),
            "K" | "KB" | "KIB" => Some(10),
            "M" | "MB" | "MIB" => Some(20),
            "G" | "GB" | "GIB" => Some(30),
            "T" | "TB" | "TIB" => Some(40),
            _ => None,
        };
        let bytes = digits
            .parse::<u64>()
            .ok()
            .zip(shift)
            .and_then(|(number, shift)| number.checked_mul(1 << shift));
        bytes.unwrap_or_else(|| {
            self.wrong(name, format!("{text:?} is no size, such as 500MiB or 10GiB"));
            0
        })
    }

    /// A JSON array of texts, or texts separated by commas.
    pub(super) fn list(&mut self, name: &str) -> Vec<String> {
        let text = self.text(name);
        if text.starts_with('[') {
            return serde_json::from_str(&text).unwrap_or_else(|_| {
                self.wrong(name, "an array of texts, or texts separated by commas");
                Vec::new()
            });
        }
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(str::to_owned).collect()
    }

    pub(super) fn finish<T>(self, value: T) -> Result<T, Mistakes> {
        if self.mistakes.is_empty() {
            Ok(value)
        } else {
            Err(self.mistakes)
        }
    }
}
