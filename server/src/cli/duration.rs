//! Durations as people write them.

use std::time::Duration;

/// Longer than anything that is recorded in one go: ten years.
const MOST: u128 = 10 * 366 * 86_400 * NANOS;
const NANOS: u128 = 1_000_000_000;

/// Reads `30s`, `10m`, `1h30m`, `12.5s`, `500ms`, or plain seconds.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || "not a duration; write 30s, 10m, 1h30m, 12.5s, 500ms, or plain seconds".to_owned();
    if let Some(plain) = scaled(text, NANOS) {
        return bounded(plain);
    }
    let (mut rest, mut total, mut smallest) = (text, 0u128, u128::MAX);
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let unit = match unit {
            "h" => 3600 * NANOS,
            "m" => 60 * NANOS,
            "s" => NANOS,
            "ms" => NANOS / 1000,
            _ => return Err(wrong()),
        };
        // Units fall, each at most once: `5s1h` is a mistake rather than a sum.
        if unit >= smallest {
            return Err(wrong());
        }
        smallest = unit;
        total = total.saturating_add(scaled(number, unit).ok_or_else(wrong)?);
        rest = tail;
    }
    match smallest {
        u128::MAX => Err(wrong()),
        _ => bounded(total),
    }
}

/// As people read them: `1:02:03`, `02:03`.
pub(crate) fn clock(length: Duration) -> String {
    let seconds = length.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes:02}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// A decimal number times `unit`; `None` when it is no number.
fn scaled(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let plain = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 12 || !plain(whole) || !plain(fraction) {
        return None;
    }
    if number.contains('.') && (fraction.is_empty() || fraction.len() > 9) {
        return None;
    }
    let mut total = whole.parse::<u128>().ok()? * unit;
    if !fraction.is_empty() {
        let scale = 10u128.pow(u32::try_from(fraction.len()).ok()?);
        total += fraction.parse::<u128>().ok()? * unit / scale;
    }
    Some(total)
}

fn bounded(nanos: u128) -> Result<Duration, String> {
    if nanos > MOST {
        return Err("longer than ten years".to_owned());
    }
    let seconds = u64::try_from(nanos / NANOS).unwrap_or(u64::MAX);
    let rest = u32::try_from(nanos % NANOS).unwrap_or(0);
    Ok(Duration::new(seconds, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_form_is_read() {
        for (text, millis) in [
            ("30s", 30_000),
            ("30", 30_000),
            ("0", 0),
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            ("12.5s", 12_500),
            ("12.5", 12_500),
            ("500ms", 500),
            ("1h2m3s4ms", 3_723_004),
            ("0.25h", 900_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_an_error() {
        for text in [
            "", "s", "-5", "+5", "5 s", "5x", "5s5", "5s1h", "5s5s", "1e3", ".5s", "5.s", "1..5s", "٣s",
            "ms", "inf", "NaN", "1h30",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        assert_eq!(parse("999999999999h"), Err("longer than ten years".to_owned()));
        assert!(parse("99999999999999999999999999h").is_err());
    }

    #[test]
    fn a_clock_has_hours_only_when_there_are_any() {
        assert_eq!(clock(Duration::from_secs(61)), "01:01");
        assert_eq!(clock(Duration::from_secs(36_061)), "10:01:01");
    }
}
