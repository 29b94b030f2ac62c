use super::*;

/// Zones of every habit: no clock changes, changes at odd hours, half hours, south of the equator, Ramadan, a day that was skipped.
const ZONES: [&str; 40] = [
    "UTC",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Jerusalem",
    "Asia/Amman",
    "Asia/Damascus",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Dublin",
    "Europe/Lisbon",
    "Europe/Kyiv",
    "Europe/Istanbul",
    "Europe/Moscow",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Africa/El_Aaiun",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/St_Johns",
    "America/Halifax",
    "America/Havana",
    "America/Santiago",
    "America/Asuncion",
    "America/Sao_Paulo",
    "America/Nuuk",
    "America/Mexico_City",
    "America/Scoresbysund",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Pacific/Easter",
    "Atlantic/Azores",
];

fn cron(text: &str, zone: &str) -> Cron {
    Cron::parse(text, TimeZone::get(zone).unwrap()).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn shown(text: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
    let cron = cron(text, zone);
    cron.next_n(at(from), count)
        .into_iter()
        .map(|at| cron.show(at))
        .collect()
}

/// Whether a value is in a field, read in the most naive way.
fn fits(field: &str, value: i64, low: i64, high: i64) -> bool {
    field.split(',').any(|item| {
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        let step: i64 = step.parse().unwrap();
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (from.parse().unwrap(), to.parse().unwrap()),
            None if range == "*" => (low, high),
            None => (range.parse().unwrap(), range.parse().unwrap()),
        };
        value >= from && value <= to && (value - from) % step == 0
    })
}

/// An expression as tables: which values of each field it has.
struct Table {
    minute: Vec<bool>,
    hour: Vec<bool>,
    day: Vec<bool>,
    month: Vec<bool>,
    /// From Sunday.
    weekday: Vec<bool>,
    /// Day of the month and weekday are both named: either will do.
    either: bool,
    /// Hours are not named but counted.
    intervals: bool,
}

impl Table {
    fn of(text: &str) -> Self {
        let fields: Vec<&str> = text.split(' ').collect();
        let table = |at: usize, low: i64, high: i64| {
            (0..=high)
                .map(|value| fits(fields[at], value, low, high))
                .collect()
        };
        let mut weekday: Vec<bool> = table(4, 0, 7);
        weekday[0] |= weekday[7];
        Self {
            minute: table(0, 0, 59),
            hour: table(1, 0, 23),
            day: table(2, 1, 31),
            month: table(3, 1, 12),
            weekday,
            either: fields[2] != "*" && fields[4] != "*",
            intervals: fields[1].contains('*'),
        }
    }

    fn matches(&self, local: DateTime) -> bool {
        let has = |table: &[bool], value: i8| table[usize::try_from(value).unwrap()];
        let day = has(&self.day, local.day());
        let week = has(&self.weekday, local.weekday().to_sunday_zero_offset());
        let date = if self.either { day || week } else { day && week };
        date && has(&self.minute, local.minute())
            && has(&self.hour, local.hour())
            && has(&self.month, local.month())
    }
}

/// What the clock on the wall shows at each minute of `[from, to)`.
fn wall(zone: &TimeZone, from: Timestamp, to: Timestamp) -> Vec<(Timestamp, DateTime)> {
    std::iter::successors(Some(from), |now| now.checked_add(1.minute()).ok())
        .take_while(|now| *now < to)
        .map(|now| (now, zone.to_datetime(now)))
        .collect()
}

/// All runs in these minutes of real time: local times that go by, with those that a jump of the clock skips, and without those that came
/// before.
fn by_minutes(table: &Table, wall: &[(Timestamp, DateTime)]) -> Vec<Timestamp> {
    let mut runs = Vec::new();
    let mut seen = wall[0].1.checked_sub(1.minute()).unwrap();
    for (now, local) in wall {
        if table.intervals {
            if table.matches(*local) {
                runs.push(*now);
            }
        } else {
            // All local times since the latest that was seen.
            let mut due = false;
            while seen < *local {
                seen = seen.checked_add(1.minute()).unwrap();
                due |= table.matches(seen);
            }
            if due {
                runs.push(*now);
            }
        }
    }
    runs
}

fn runs(cron: &Cron, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
    let before = from.checked_sub(1.second()).unwrap();
    std::iter::successors(cron.next_after(before), |at| cron.next_after(*at))
        .take_while(|at| *at < to)
        .collect()
}

/// Ten years of 40 zones: around each change of the clock minute by minute, and between them a sample of days.
#[test]
fn ten_years_of_forty_zones_are_as_the_clock_on_the_wall() {
    let (begin, end) = (at("2020-01-01T00:00:00Z"), at("2030-01-01T00:00:00Z"));
    let patterns = [
        "30 2 * * *",
        "0 0 * * *",
        "*/10 * * * *",
        "15 1,2,3 * * 0",
        "*/20 2 * * *",
        "5 */2 1-20 3,4,10,11 *",
    ]
    .map(|text| (text, Table::of(text)));
    let mut checked = 0;
    for name in ZONES {
        let zone = TimeZone::get(name).unwrap();
        let mut places: Vec<Timestamp> = zone
            .following(begin)
            .map(|change| change.timestamp())
            .take_while(|change| *change < end)
            .collect();
        let sampled = (0..40_i64).map(|n| begin.checked_add((n * 2190 + 7).hours()).unwrap());
        places.extend(sampled.filter(|at| *at < end));
        for place in &places {
            // Minutes that are whole in local time.
            let from = place.checked_sub(27.hours()).unwrap();
            let from = zone.to_zoned_minute(from);
            let to = from.checked_add(54.hours()).unwrap();
            let minutes = wall(&zone, from, to);
            for (text, table) in &patterns {
                let expected = by_minutes(table, &minutes);
                assert_eq!(
                    runs(&cron(text, name), from, to),
                    expected,
                    "{text} in {name} at {place}"
                );
                checked += expected.len();
            }
        }
        // Each day of the ten years has one run, in order.
        let daily = runs(&cron("30 2 * * *", name), begin, end);
        assert!((3652..=3654).contains(&daily.len()), "{name}: {}", daily.len());
        assert!(daily.is_sorted_by(|a, b| a < b));
    }
    assert!(checked > 100_000, "{checked}");
}

trait ZonedMinute {
    fn to_zoned_minute(&self, at: Timestamp) -> Timestamp;
}

impl ZonedMinute for TimeZone {
    /// The instant without its seconds.
    fn to_zoned_minute(&self, at: Timestamp) -> Timestamp {
        Timestamp::from_second(at.as_second().div_euclid(60) * 60).unwrap()
    }
}

#[test]
fn a_skipped_time_runs_after_the_gap_and_a_repeated_one_once() {
    assert_eq!(
        shown("30 2 * * *", "Europe/Berlin", "2026-03-28T02:00:00Z", 3),
        [
            "2026-03-29T03:00:00+02:00",
            "2026-03-30T02:30:00+02:00",
            "2026-03-31T02:30:00+02:00"
        ]
    );
    assert_eq!(
        shown("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
        ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]
    );
    // Hours that are named are local times, also when there are several.
    assert_eq!(
        shown("*/30 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 3),
        [
            "2026-03-29T03:00:00+02:00",
            "2026-03-29T03:30:00+02:00",
            "2026-03-30T02:00:00+02:00"
        ]
    );
    // Intervals go on in real time.
    assert_eq!(
        shown("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:15:00Z", 4),
        [
            "2026-10-25T02:30:00+02:00",
            "2026-10-25T02:00:00+01:00",
            "2026-10-25T02:30:00+01:00",
            "2026-10-25T03:00:00+01:00"
        ]
    );
    // Midnight that does not exist.
    assert_eq!(
        shown("0 0 * * *", "Africa/Cairo", "2026-04-23T12:00:00Z", 1),
        ["2026-04-24T01:00:00+03:00"]
    );
}

#[test]
fn weekdays_months_and_leap_days() {
    for weekday in ["6", "SAT", "sat"] {
        let next = shown(
            &format!("0 8 * * {weekday}"),
            "Asia/Shanghai",
            "2026-11-22T00:00:00Z",
            1,
        );
        assert_eq!(next, ["2026-11-28T08:00:00+08:00"]);
    }
    let sundays = |text: &str| shown(text, "UTC", "2026-11-22T00:30:00Z", 2);
    assert_eq!(sundays("0 0 * * 0"), sundays("0 0 * * 7"));
    assert_eq!(
        sundays("0 0 * * 0"),
        ["2026-11-29T00:00:00+00:00", "2026-12-06T00:00:00+00:00"]
    );
    assert_eq!(
        shown("0 0 * * FRI-SUN", "UTC", "2026-11-27T12:00:00Z", 3).len(),
        3
    );
    assert_eq!(
        shown("0 0 29 FEB *", "UTC", "2026-01-01T00:00:00Z", 2),
        ["2028-02-29T00:00:00+00:00", "2032-02-29T00:00:00+00:00"]
    );
}

#[test]
fn what_is_no_expression_is_refused_with_a_reason() {
    let long = format!("{} * * * *", "1,".repeat(200));
    let wrong = [
        "",
        "* * * *",
        "* * * * * *",
        "@daily",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "a * * * *",
        "*/0 * * * *",
        "5-1 * * * *",
        "JAN * * * *",
        "* * * MON *",
        "0 0 31 2 *",
        "0 0 30 FEB *",
        "* * L * *",
        "* * * * 5#2",
        "１ * * * *",
        "+1 * * * *",
        "99999999999999999999 * * * *",
        "*/99999999999 * * * *",
        "1,,2 * * * *",
        "- * * * *",
        "/ * * * *",
        &long,
    ];
    for text in wrong {
        let refused = match Cron::parse(text, TimeZone::UTC) {
            Ok(_) => panic!("{text} is taken"),
            Err(wrong) => wrong.to_string(),
        };
        assert!(refused.ends_with('.') && refused.len() > 5, "{text}: {refused}");
    }
}

#[test]
fn expressions_in_words() {
    let words = [
        ("0 8 * * *", "Every day at 08:00", "每天 08:00"),
        ("0 8 * * 6", "At 08:00 on Saturday", "每周六 08:00"),
        (
            "0 8,20 * * 1-5",
            "At 08:00 and 20:00 on Monday to Friday",
            "每周一至周五 08:00、20:00",
        ),
        ("* * * * *", "Every minute", "每分钟"),
        ("*/10 * * * *", "Every 10 minutes", "每 10 分钟"),
        ("0 * * * *", "Every hour", "每小时整点"),
        ("30 * * * *", "At minute 30 of every hour", "每小时第 30 分钟"),
        ("0 */2 * * *", "Every 2 hours", "每 2 小时"),
        (
            "30 2 1,15 * *",
            "At 02:30 on day 1 and 15 of the month",
            "每月 1、15 日 02:30",
        ),
        (
            "0 0 1 JAN *",
            "At 00:00 on day 1 of the month in January",
            "1 月 1 日 00:00",
        ),
        (
            "*/5 9-17 * * *",
            "Every 5 minutes of the hours 9–17",
            "9–17 点每 5 分钟",
        ),
        (
            "0 0 13 * FRI",
            "At 00:00 on day 13 of the month or on Friday",
            "每月 13 日或每周五 00:00",
        ),
    ];
    for (text, english, chinese) in words {
        let cron = cron(text, "UTC");
        assert_eq!(cron.describe(Language::English), english, "{text}");
        assert_eq!(cron.describe(Language::Chinese), chinese, "{text}");
    }
    assert_eq!(Language::of("fr, zh-CN;q=0.9, en;q=0.8"), Language::Chinese);
    assert_eq!(Language::of("en"), Language::English);
    assert_eq!(Language::of("*"), Language::English);
}
