//! The keys of an answer and what stands in them, in the notation of the API's documentation.

use serde_json::Value;

/// Asserts that `value` is an object that has these keys with these kinds, and maybe more:
/// `id:int name:str category:obj? tags:arr created_at:date`. A `?` lets null stand there.
///
/// Kinds: `int`, `num`, `str`, `bool`, `arr`, `obj`, `date` (RFC 3339 with a zone).
#[track_caller]
pub fn assert_shape(value: &Value, shape: &str) {
    let object = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
    for field in shape.split_whitespace() {
        let (name, kind) = field.split_once(':').expect("name:kind");
        let found = object
            .get(name)
            .unwrap_or_else(|| panic!("no key {name}: {value:#}"));
        let (kind, optional) = kind.strip_suffix('?').map_or((kind, false), |kind| (kind, true));
        if found.is_null() {
            assert!(optional, "{name} is null: {value:#}");
            continue;
        }
        let good = match kind {
            "int" => found.is_i64() || found.is_u64(),
            "num" => found.is_number(),
            "str" => found.is_string(),
            "bool" => found.is_boolean(),
            "arr" => found.is_array(),
            "obj" => found.is_object(),
            "date" => found.as_str().is_some_and(is_date),
            other => panic!("no kind {other}"),
        };
        assert!(good, "{name} is no {kind}: {found}");
    }
}

/// Asserts a bare array whose entries all have a shape, and gives them.
#[track_caller]
pub fn assert_all(value: &Value, shape: &str) -> Vec<Value> {
    let all = value
        .as_array()
        .unwrap_or_else(|| panic!("no bare array: {value}"));
    for one in all {
        assert_shape(one, shape);
    }
    all.clone()
}

/// Whether a text is a date with a zone: `2026-11-22T17:12:27.5Z`, `2026-11-28T08:00:00+08:00`. Browsers take one without a zone for
/// their own local time.
fn is_date(text: &str) -> bool {
    let like = |text: &str, pattern: &str| {
        text.len() == pattern.len()
            && text.bytes().zip(pattern.bytes()).all(|(c, like)| match like {
                b'0' => c.is_ascii_digit(),
                like => c == like,
            })
    };
    let Some((moment, rest)) = text.split_at_checked(19) else {
        return false;
    };
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    like(moment, "0000-00-00T00:00:00") && (zone == "Z" || like(&zone.replace('-', "+"), "+00:00"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_zones() {
        for good in [
            "2026-11-22T17:12:27Z",
            "2026-11-22T17:12:27.123456Z",
            "2026-11-28T08:00:00+08:00",
            "2026-11-28T08:00:00-03:30",
        ] {
            assert!(is_date(good), "{good}");
        }
        for bad in [
            "2026-11-22T17:12:27",
            "2026-11-22",
            "2026-11-22T17:12:27.5",
            "2026-11-22 17:12:27Z",
            "2026-11-22T17:12:27+0800",
        ] {
            assert!(!is_date(bad), "{bad}");
        }
    }
}
