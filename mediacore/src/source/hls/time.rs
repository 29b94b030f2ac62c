//! `EXT-X-PROGRAM-DATE-TIME`: an ISO 8601 date and time as RFC 8216, 4.3.2.6 wants it.

use crate::clock::WallTime;

/// `2026-01-02T03:04:05.678+01:00`; the offset may be `Z`, `+0100` or missing (then UTC). `None` for anything else.
pub(crate) fn parse_date_time(text: &str) -> Option<WallTime> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let mut parts = date.splitn(3, '-');
    let (year, month, day) = (
        number(parts.next()?)?,
        number(parts.next()?)?,
        number(parts.next()?)?,
    );
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let at = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at_checked(at)?;
    let mut parts = clock.splitn(3, ':');
    let (hour, minute) = (number(parts.next()?)?, number(parts.next()?)?);
    let (second, fraction) = match parts.next() {
        Some(second) => second.split_once('.').unwrap_or((second, "")),
        None => ("0", ""),
    };
    let second = number(second)?;
    if hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    let micros = fraction
        .chars()
        .chain("000000".chars())
        .take(6)
        .try_fold(0_i64, |sum, c| Some(sum * 10 + i64::from(c.to_digit(10)?)))?;
    let days = days_from_civil(year, month, day);
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset(zone)?;
    Some(WallTime(seconds * 1_000_000 + micros))
}

fn offset(zone: &str) -> Option<i64> {
    let sign = match zone.chars().next() {
        None | Some('Z' | 'z') => return Some(0),
        Some('-') => -1,
        Some(_) => 1,
    };
    let digits: String = zone.chars().skip(1).filter(|c| *c != ':').collect();
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = if minutes.is_empty() { 0 } else { number(minutes)? };
    let hours = number(hours)?;
    (hours <= 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn number(text: &str) -> Option<i64> {
    let plain = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Days since 1970-01-01 in the Gregorian calendar; the year begins in March here, so that leap days come last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_instants_whatever_their_notation() {
        let seconds = |text: &str| parse_date_time(text).map(|wall| wall.0);
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2000-02-29T12:00:00.25Z"), Some(951_825_600_250_000));
        for text in [
            "2026-11-22T20:00:00+01:00",
            "2026-11-22T19:00:00Z",
            "2026-11-22T14:00:00.000-0500",
            "2026-11-22T19:00",
        ] {
            assert_eq!(seconds(text), Some(1_795_374_000_000_000), "{text}");
        }
        for text in [
            "",
            "2026-13-01T00:00:00Z",
            "2026-01-01",
            "99999-01-01T00:00:00Z",
            "2026-01-01T-1:00:00Z",
            "é-é-éTé",
        ] {
            assert_eq!(parse_date_time(text), None, "{text}");
        }
    }
}
