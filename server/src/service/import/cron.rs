//! The old server's cron expressions, in which Monday is day 0 of the week.

/// The same times with Sunday as day 0 and 7; `None` for what is no expression of five fields.
pub(super) fn converted(old: &str) -> Option<String> {
    let fields: Vec<&str> = old.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields[..] else {
        return None;
    };
    let items: Option<Vec<String>> = weekday.split(',').map(item).collect();
    let weekday = items?.join(",");
    Some(format!("{minute} {hour} {day} {month} {weekday}"))
}

/// One item of the field: `*`, `*/2`, `0`, `1-5`, `1-5/2`, `mon-fri`.
fn item(text: &str) -> Option<String> {
    let (range, step) = match text.split_once('/') {
        Some((range, step)) => (
            range,
            Some(step.parse::<u8>().ok().filter(|step| (1..=7).contains(step))?),
        ),
        None => (text, None),
    };
    if range.chars().any(|c| c.is_ascii_alphabetic()) {
        return Some(text.to_owned());
    }
    let (from, to) = match (range, range.split_once('-')) {
        ("*", _) if step.is_none() => return Some("*".to_owned()),
        ("*", _) => (0, 6),
        (_, Some((from, to))) => (day(from)?, day(to)?),
        (one, None) => (day(one)?, if step.is_some() { 6 } else { day(one)? }),
    };
    if from > to {
        return None;
    }
    let days = (from..=to)
        .step_by(step.unwrap_or(1).into())
        .map(|day| (day + 1).to_string());
    let days: Vec<String> = days.collect();
    match (step, &days[..]) {
        (None, [first, .., last]) => Some(format!("{first}-{last}")),
        _ => Some(days.join(",")),
    }
}

fn day(text: &str) -> Option<u8> {
    text.parse().ok().filter(|day| *day <= 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_the_week_count_from_sunday() {
        for (old, new) in [
            ("0 8 * * *", "0 8 * * *"),
            ("0 8 * * 0", "0 8 * * 1"),
            ("0 8 * * 6", "0 8 * * 7"),
            ("0 8 * * 0-4", "0 8 * * 1-5"),
            ("0 8 * * 0,5-6", "0 8 * * 1,6-7"),
            ("0 8 * * */2", "0 8 * * 1,3,5,7"),
            ("0 8 * * 1-5/2", "0 8 * * 2,4,6"),
            ("0 8 * * mon-fri", "0 8 * * mon-fri"),
        ] {
            assert_eq!(converted(old).as_deref(), Some(new), "{old}");
        }
        for wrong in [
            "",
            "0 8 * *",
            "0 8 * * 9",
            "0 8 * * 5-1",
            "0 8 * * */0",
            "0 8 * * 1/x",
        ] {
            assert_eq!(converted(wrong), None, "{wrong}");
        }
    }
}
