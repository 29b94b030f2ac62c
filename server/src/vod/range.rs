//! Byte ranges (RFC 9110, 14): which part of a body is asked for.

use std::ops::Range;

use bytes::Bytes;
use mediacore::layout::Layout;

/// Ranges of one request; one that asks for more gets the whole.
const MAX_RANGES: usize = 64;

/// What a `Range` header comes to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Asked {
    /// The whole: another unit, or a demand that costs more than the whole.
    Whole,
    /// One part.
    One(Range<u64>),
    /// Several parts, each not empty, in the order of the request.
    Several(Vec<Range<u64>>),
    /// Nothing that is there (416).
    Nothing,
}

/// Reads the value of a `Range` header about a body of `length` bytes.
///
/// A `bytes` range that does not parse is unsatisfiable, as nginx has it; other units are ignored.
pub(crate) fn parse(value: &str, length: u64) -> Asked {
    let Some((unit, specs)) = value.split_once('=') else {
        return Asked::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Asked::Whole;
    }
    let mut ranges = Vec::new();
    let mut some = false;
    for spec in specs.split(',').map(str::trim).filter(|spec| !spec.is_empty()) {
        some = true;
        match part(spec, length) {
            Some(range) if range.is_empty() => {}
            Some(range) => ranges.push(range),
            None => return Asked::Nothing,
        }
        if ranges.len() > MAX_RANGES {
            return Asked::Whole;
        }
    }
    let total = ranges.iter().fold(0u64, |total, range| {
        total.saturating_add(range.end.saturating_sub(range.start))
    });
    match (ranges.len(), some) {
        (0, _) | (_, false) => Asked::Nothing,
        (1, true) => ranges.pop().map_or(Asked::Nothing, Asked::One),
        _ if total > length => Asked::Whole,
        _ => Asked::Several(ranges),
    }
}

/// One range-spec, empty when it lies outside; `None` when it is none.
fn part(spec: &str, length: u64) -> Option<Range<u64>> {
    let (first, last) = spec.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    match (first.is_empty(), last.is_empty()) {
        (true, true) => None,
        (true, false) => Some(length.saturating_sub(number(last)?)..length),
        (false, true) => Some(number(first)?.min(length)..length),
        (false, false) => {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return None;
            }
            Some(first.min(length)..last.saturating_add(1).min(length))
        }
    }
}

/// Digits alone; more than fit are the greatest number.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

/// The parts of `whole` as a `multipart/byteranges` body (RFC 9110, 14.6).
pub(crate) fn multipart(whole: &Layout, ranges: &[Range<u64>], content_type: &str, boundary: &str) -> Layout {
    let mut body = Layout::new();
    for range in ranges {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {}\r\n\r\n",
            content_range(range, whole.length())
        );
        body.push_bytes(head);
        body.append(whole.slice(range.clone()));
    }
    body.push_bytes(Bytes::from(format!("\r\n--{boundary}--\r\n")));
    body
}

/// The value of `Content-Range`.
pub(crate) fn content_range(range: &Range<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_range() {
        let one = |value: &str| parse(value, 1000);
        assert_eq!(one("bytes=0-0"), Asked::One(0..1));
        assert_eq!(one("bytes=0-"), Asked::One(0..1000));
        assert_eq!(one("bytes=990-2000"), Asked::One(990..1000));
        assert_eq!(one("bytes=-10"), Asked::One(990..1000));
        assert_eq!(one("bytes=-5000"), Asked::One(0..1000));
        assert_eq!(one("Bytes = 5-6"), Asked::One(5..7));
        assert_eq!(one("bytes=99999999999999999999999-"), Asked::Nothing);
        assert_eq!(one("bytes=0-99999999999999999999999"), Asked::One(0..1000));
        assert_eq!(one("items=0-1"), Asked::Whole);
        assert_eq!(one("bytes"), Asked::Whole);
        for wrong in [
            "bytes=",
            "bytes=-",
            "bytes=5-1",
            "bytes=a-b",
            "bytes=1000-",
            "bytes=-0",
            "bytes=0-1,x",
            "bytes=1",
        ] {
            assert_eq!(one(wrong), Asked::Nothing, "{wrong}");
        }
        assert_eq!(one("bytes=0-1,5000-,7-8"), Asked::Several(vec![0..2, 7..9]));
        assert_eq!(one("bytes=5000-, 7-8"), Asked::One(7..9));
        assert_eq!(one("bytes=0-,0-"), Asked::Whole);
        assert_eq!(one(&format!("bytes={}", "1-1,".repeat(100))), Asked::Whole);
        assert_eq!(parse("bytes=0-", 0), Asked::Nothing);
    }

    #[test]
    fn several_ranges_are_parts_with_their_own_headers() {
        let whole = Layout::from(Bytes::from_static(b"0123456789"));
        let body = multipart(&whole, &[0..2, 7..10], "video/MP2T", "edge");
        let text = body.to_bytes(1000).unwrap();
        let expected = "\r\n--edge\r\nContent-Type: video/MP2T\r\nContent-Range: bytes 0-1/10\r\n\r\n01\
                        \r\n--edge\r\nContent-Type: video/MP2T\r\nContent-Range: bytes 7-9/10\r\n\r\n789\r\n--edge--\r\n";
        assert_eq!(text, expected.as_bytes());
    }
}
