//! Cron expressions in words.

/// A language that expressions are described in.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Language {
    /// English.
    #[default]
    English,
    /// Chinese.
    Chinese,
}

impl Language {
    /// The first of the languages of an `Accept-Language` header, or of a tag, that there is.
    pub(crate) fn of(accepted: &str) -> Self {
        let known = accepted.split(',').take(20).find_map(|tag| {
            let tag = tag.split(';').next().unwrap_or(tag).trim().to_ascii_lowercase();
            match tag.split('-').next() {
                Some("zh") => Some(Self::Chinese),
                Some("en") => Some(Self::English),
                _ => None,
            }
        });
        known.unwrap_or_default()
    }
}

const WEEKDAYS: [[&str; 7]; 2] = [
    [
        "Sunday",
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
    ],
    ["周日", "周一", "周二", "周三", "周四", "周五", "周六"],
];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Times of the day that are listed one by one.
const LISTED: usize = 6;

/// One field.
struct Field {
    values: Vec<u32>,
    /// It is `*`.
    any: bool,
    /// It is `*/n`.
    every: Option<u32>,
}

impl Field {
    fn of(text: &str, from: u32, to: u32) -> Self {
        let mut values = Vec::new();
        for item in text.split(',') {
            let (range, step) = match item.split_once('/') {
                Some((range, step)) => (range, step.parse().unwrap_or(1).max(1)),
                None => (item, 1),
            };
            let number = |text: &str| text.parse().unwrap_or(from);
            let (first, last) = match range.split_once('-') {
                Some((first, last)) => (number(first), number(last)),
                None if range == "*" => (from, to),
                None => (number(range), number(range)),
            };
            let step = usize::try_from(step).unwrap_or(1);
            values.extend((first..=last.min(to)).step_by(step));
        }
        values.sort_unstable();
        values.dedup();
        let whole = u32::try_from(values.len()).unwrap_or(u32::MAX) > to.saturating_sub(from);
        Self {
            values,
            any: text == "*" || whole,
            every: text.strip_prefix("*/").and_then(|step| step.parse().ok()),
        }
    }
}

/// The fields, whose names are numbers by now, in words.
pub(super) fn describe(fields: &[String; 5], language: Language) -> String {
    let [minute, hour, day, month, weekday] = fields;
    let minute = Field::of(minute, 0, 59);
    let hour = Field::of(hour, 0, 23);
    let day = Field::of(day, 1, 31);
    let month = Field::of(month, 1, 12);
    let mut weekday = Field::of(weekday, 0, 7);
    for value in &mut weekday.values {
        *value %= 7;
    }
    weekday.values.sort_unstable();
    weekday.values.dedup();
    weekday.any |= weekday.values.len() == 7;
    match language {
        Language::English => english(&minute, &hour, &day, &month, &weekday),
        Language::Chinese => chinese(&minute, &hour, &day, &month, &weekday),
    }
}

fn english(minute: &Field, hour: &Field, day: &Field, month: &Field, weekday: &Field) -> String {
    let clock = times(minute, hour).map(|times| format!("at {}", list(&times, " and ", ", ")));
    let is_clock = clock.is_some();
    let mut text = clock.unwrap_or_else(|| {
        let hours = match (hour.any, hour.every) {
            (true, _) => String::new(),
            (_, Some(step)) => format!(" of every {step} hours from midnight"),
            _ => format!(
                " of the hours {}",
                runs(&hour.values, " and ", ", ", "–", &u32::to_string)
            ),
        };
        match (minute.any, minute.every, minute.values.as_slice()) {
            (true, ..) if hours.is_empty() => "every minute".to_owned(),
            (true, ..) => format!("every minute{hours}"),
            (_, Some(step), _) => format!("every {step} minutes{hours}"),
            (_, _, [0]) if hour.any => "every hour".to_owned(),
            (_, _, [0]) if hour.every.is_some() => {
                format!("every {} hours", hour.every.unwrap_or(1))
            }
            (_, _, values) => {
                let word = if values.len() == 1 { "minute" } else { "minutes" };
                let of = if hours.is_empty() {
                    " of every hour"
                } else {
                    hours.as_str()
                };
                format!(
                    "at {word} {}{of}",
                    runs(values, " and ", ", ", "–", &u32::to_string)
                )
            }
        }
    });
    let days = (!day.any).then(|| {
        format!(
            "on day {} of the month",
            runs(&day.values, " and ", ", ", "–", &u32::to_string)
        )
    });
    let weekdays = (!weekday.any).then(|| {
        let name = |value: &u32| name(&WEEKDAYS[0], *value);
        format!("on {}", runs(&weekday.values, " and ", ", ", " to ", &name))
    });
    match (days, weekdays) {
        (None, None) if is_clock && month.any => text.insert_str(0, "every day "),
        (None, None) => {}
        (Some(one), None) | (None, Some(one)) => text = format!("{text} {one}"),
        (Some(days), Some(weekdays)) => text = format!("{text} {days} or {weekdays}"),
    }
    if !month.any {
        let name = |value: &u32| name(&MONTHS, value.saturating_sub(1));
        text = format!("{text} in {}", runs(&month.values, " and ", ", ", " to ", &name));
    }
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
        .unwrap_or_default()
}

fn chinese(minute: &Field, hour: &Field, day: &Field, month: &Field, weekday: &Field) -> String {
    let plain = |values: &[u32]| runs(values, "、", "、", "–", &u32::to_string);
    let clock = times(minute, hour).map(|times| times.join("、"));
    let is_clock = clock.is_some();
    let clock = clock.unwrap_or_else(|| {
        let hours = match (hour.any, hour.every) {
            (true, _) => String::new(),
            (_, Some(step)) => format!("每 {step} 小时"),
            _ => format!("{} 点", plain(&hour.values)),
        };
        match (minute.any, minute.every, minute.values.as_slice()) {
            (true, ..) => format!("{hours}每分钟"),
            (_, Some(step), _) => format!("{hours}每 {step} 分钟"),
            (_, _, [0]) if hour.any => "每小时整点".to_owned(),
            (_, _, [0]) if hour.every.is_some() => hours,
            (_, _, values) if hours.is_empty() => format!("每小时第 {} 分钟", plain(values)),
            (_, _, values) => format!("{hours}第 {} 分钟", plain(values)),
        }
    });
    let weekdays = || {
        runs(&weekday.values, "、", "、", "至", &|value| {
            name(&WEEKDAYS[1], *value)
        })
    };
    let months = (!month.any).then(|| format!("{} 月", plain(&month.values)));
    let of_month = months.clone().unwrap_or_else(|| "每月".to_owned());
    let day = match (day.any, weekday.any) {
        (true, true) if is_clock || months.is_some() => format!("{}每天", months.unwrap_or_default()),
        (true, true) => return clock,
        (false, true) => format!("{of_month} {} 日", plain(&day.values)),
        (true, false) => format!("{}每{}", months.unwrap_or_default(), weekdays()),
        (false, false) => format!("{of_month} {} 日或每{}", plain(&day.values), weekdays()),
    };
    format!("{day} {clock}")
}

/// Times of the day, when they are few.
fn times(minute: &Field, hour: &Field) -> Option<Vec<String>> {
    let few = minute.values.len().saturating_mul(hour.values.len()) <= LISTED;
    let listed = few && !hour.any && hour.every.is_none() && !minute.any && minute.every.is_none();
    listed.then(|| {
        let of = |hour: u32| {
            minute
                .values
                .iter()
                .map(move |minute| format!("{hour:02}:{minute:02}"))
        };
        hour.values.iter().flat_map(|hour| of(*hour)).collect()
    })
}

fn name(names: &[&str], index: u32) -> String {
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    names.get(index).copied().unwrap_or_default().to_owned()
}

/// Values, three or more that follow each other as one range.
fn runs(values: &[u32], and: &str, comma: &str, to: &str, name: &dyn Fn(&u32) -> String) -> String {
    let follow = |a: &u32, b: &u32| a.checked_add(1) == Some(*b);
    let mut items = Vec::new();
    for run in values.chunk_by(follow) {
        match run {
            [first, _, .., last] => items.push(format!("{}{to}{}", name(first), name(last))),
            run => items.extend(run.iter().map(name)),
        }
    }
    list(&items, and, comma)
}

fn list(items: &[String], and: &str, comma: &str) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [init @ .., last] => format!("{}{and}{last}", init.join(comma)),
    }
}
