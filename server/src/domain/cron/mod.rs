//! [`Cron`]: when a schedule runs, as a cron expression of five fields in an IANA time zone.
//!
//! Minute, hour, day of the month, month, weekday; `*`, lists, ranges, steps, and the names JAN–DEC and SUN–SAT. Weekdays 0 and 7 are Sunday.
//! When day of the month and weekday are both restricted, either is enough.
//!
//! **Clock changes.** An expression that names hours (`30 2 * * *`, `*/10 2,14 * * *`) plans local times: one that the clock skips runs at the
//! first instant after the gap (once, also when several were skipped), one that the clock repeats runs the first time only. An expression whose
//! hour is `*` or `*/n` plans intervals: it runs at each real instant whose local time fits, so twice in a repeated hour and not for a skipped one.

mod describe;
#[cfg(test)]
mod tests;

use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan, Zoned};

pub(crate) use describe::Language;

/// Characters of the longest expression.
const MAX_LENGTH: usize = 128;

/// Steps of one search: more local times than a repeated stretch of the clock has minutes.
const MAX_STEPS: usize = 2 * 24 * 60;

/// No run is planned later than this after the instant that is asked about; 29 February on one weekday comes every 28 or 40 years.
const HORIZON_YEARS: i16 = 41;

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A cron expression in a time zone.
#[derive(Clone, Debug)]
pub(crate) struct Cron {
    cron: croner::Cron,
    /// Names replaced by numbers.
    fields: [String; 5],
    zone: TimeZone,
    /// Its hour is a wildcard: it plans instants, not local times.
    intervals: bool,
}

/// What is wrong with an expression, for people.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Wrong(String);

impl Cron {
    /// Reads an expression.
    ///
    /// # Errors
    /// When it is no expression of five fields, or never comes.
    pub(crate) fn parse(text: &str, zone: TimeZone) -> Result<Self, Wrong> {
        let wrong = |why: String| Wrong(why);
        if text.chars().count() > MAX_LENGTH {
            return Err(wrong(format!("It is longer than {MAX_LENGTH} characters.")));
        }
        if !text.is_ascii() {
            return Err(wrong("It holds a character that means nothing there.".to_owned()));
        }
        let words: Vec<String> = text
            .split_ascii_whitespace()
            .map(str::to_ascii_uppercase)
            .collect();
        let count = words.len();
        let [minute, hour, day, month, weekday] = <[String; 5]>::try_from(words).map_err(|_| {
            wrong(format!(
                "It has {count} fields; five are needed: minute, hour, day of the month, month, weekday."
            ))
        })?;
        let fields = [
            minute,
            hour,
            day,
            numbers(&month, &MONTHS, 1),
            numbers(&weekday, &WEEKDAYS, 0),
        ];
        let legal = |field: &String| field.split(',').all(is_item);
        if let Some(field) = fields.iter().find(|field| !legal(field)) {
            return Err(wrong(format!("{field:?} is not understood.")));
        }
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let cron = parser
            .parse(&fields.join(" "))
            .map_err(|error| wrong(format!("{error}.")))?;
        let intervals = fields.get(1).is_some_and(|hour| hour.contains('*'));
        let cron = Self {
            cron,
            fields,
            zone,
            intervals,
        };
        // Any eight years hold all days that come at all, but for a 29 February near 1900 and 2100.
        let from = jiff::civil::date(2024, 1, 1).at(0, 0, 0, 0);
        if cron.civil_after(from).is_none() {
            return Err(wrong("Such a day never comes.".to_owned()));
        }
        Ok(cron)
    }

    /// The first run after `then`.
    pub(crate) fn next_after(&self, then: Timestamp) -> Option<Timestamp> {
        if self.intervals {
            self.next_instant(then)
        } else {
            self.next_local(then)
        }
    }

    /// The first `count` runs after `then`.
    pub(crate) fn next_n(&self, then: Timestamp, count: usize) -> Vec<Timestamp> {
        std::iter::successors(self.next_after(then), |at| self.next_after(*at))
            .take(count)
            .collect()
    }

    /// For plans of local times.
    fn next_local(&self, then: Timestamp) -> Option<Timestamp> {
        let mut local = then.to_zoned(self.zone.clone()).datetime();
        // What the clock repeats was planned the first time: local times go by that are not after `then`.
        for _ in 0..MAX_STEPS {
            local = self.civil_after(local)?;
            let at = self.instant(local)?;
            if at > then {
                return Some(at);
            }
        }
        None
    }

    /// For plans of intervals: stretch by stretch between two changes of the clock, within which local time runs evenly.
    fn next_instant(&self, then: Timestamp) -> Option<Timestamp> {
        let horizon = i64::from(HORIZON_YEARS).saturating_mul(366 * 24);
        let end = then.checked_add(horizon.hours()).ok()?;
        let mut from = then;
        // The first instant of a stretch counts itself.
        let mut inclusive = false;
        loop {
            let offset = self.zone.to_offset(from);
            let change = self.zone.following(from).next().map(|change| change.timestamp());
            let local = offset.to_datetime(from);
            let start = if inclusive {
                local.checked_sub(1.second()).ok()?
            } else {
                local
            };
            let at = offset.to_timestamp(self.civil_after(start)?).ok()?;
            match change {
                Some(change) if at >= change => {
                    from = change;
                    inclusive = true;
                }
                _ => return (at <= end).then_some(at),
            }
            if from > end {
                return None;
            }
        }
    }

    /// The first fitting local time after one, as if no clock changed.
    fn civil_after(&self, local: DateTime) -> Option<DateTime> {
        let limit = local.checked_add(i64::from(HORIZON_YEARS).years()).ok()?;
        let next = self.cron.find_next_occurrence(&local, false).ok()?;
        (next <= limit).then_some(next)
    }

    /// When a local time is: the first time when it is repeated, the end of the gap when it is skipped.
    fn instant(&self, local: DateTime) -> Option<Timestamp> {
        match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
                offset.to_timestamp(local).ok()
            }
            AmbiguousOffset::Gap { before, .. } => {
                let beyond = before.to_timestamp(local).ok()?;
                let beyond = beyond.checked_add(1.nanosecond()).ok()?;
                self.zone
                    .preceding(beyond)
                    .next()
                    .map(|change| change.timestamp())
            }
        }
    }

    /// The expression in words.
    pub(crate) fn describe(&self, language: Language) -> String {
        describe::describe(&self.fields, language)
    }

    /// An instant as the zone shows it: RFC 3339 with its offset.
    pub(crate) fn show(&self, at: Timestamp) -> String {
        show(at, &self.zone)
    }
}

/// An instant as RFC 3339 with a zone's offset.
pub(crate) fn show(at: Timestamp, zone: &TimeZone) -> String {
    let local: Zoned = at.to_zoned(zone.clone());
    at.display_with_offset(local.offset()).to_string()
}

/// Whether it is `*`, a number or a range, perhaps with a step.
fn is_item(item: &str) -> bool {
    let number = |text: &str| (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (item, None),
    };
    let several = match range.split_once('-') {
        Some((from, to)) if number(from) && number(to) => true,
        Some(_) => return false,
        None => range == "*",
    };
    (several || number(range)) && step.is_none_or(|step| several && number(step))
}

/// Replaces names by numbers; a range that ends in Sunday ends in 7.
fn numbers(field: &str, names: &[&str], first: usize) -> String {
    let number = |word: &str| match names.iter().position(|name| *name == word) {
        Some(index) => index.saturating_add(first).to_string(),
        None => word.to_owned(),
    };
    let item = |item: &str| {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let mut text = match range.split_once('-') {
            Some((from, "SUN")) if first == 0 => format!("{}-7", number(from)),
            Some((from, to)) => format!("{}-{}", number(from), number(to)),
            None => number(range),
        };
        if let Some(step) = step {
            text.push('/');
            text.push_str(step);
        }
        text
    };
    field.split(',').map(item).collect::<Vec<_>>().join(",")
}
