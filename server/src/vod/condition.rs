//! Validators and preconditions (RFC 9110, 8.8 and 13).

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, SystemTime};

use http::header::{self, HeaderMap, HeaderName};

/// What tells one state of a resource from another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Validators {
    /// The strong entity tag, quotes included.
    pub(crate) tag: String,
    /// When it last changed, in whole seconds.
    pub(crate) modified: Option<SystemTime>,
}

/// What a request's preconditions come to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Answer.
    Go,
    /// The client has it (304).
    NotModified,
    /// It is not what the client means (412).
    Failed,
}

/// A strong entity tag of everything that decides a body.
pub(crate) fn tag(of: &impl Hash) -> String {
    // Two sums with different starts, for one of 64 bits meets its like too early.
    format!("\"{:016x}{:016x}\"", sum(&(0, of)), sum(&(1, of)))
}

/// A number that stands for `of`, the same in every process.
pub(crate) fn sum(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// `time` without the part of a second that HTTP dates can't tell.
pub(crate) fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

impl Validators {
    /// Evaluates the preconditions in the order of RFC 9110, 13.2.2.
    pub(crate) fn judge(&self, headers: &HeaderMap) -> Verdict {
        let date = |name| text(headers, &name).and_then(|value| httpdate::parse_http_date(value).ok());
        if headers.contains_key(header::IF_MATCH) {
            if !self.listed(headers, header::IF_MATCH, true) {
                return Verdict::Failed;
            }
        } else if let (Some(limit), Some(modified)) = (date(header::IF_UNMODIFIED_SINCE), self.modified)
            && modified > limit
        {
            return Verdict::Failed;
        }
        if headers.contains_key(header::IF_NONE_MATCH) {
            if self.listed(headers, header::IF_NONE_MATCH, false) {
                return Verdict::NotModified;
            }
        } else if let (Some(since), Some(modified)) = (date(header::IF_MODIFIED_SINCE), self.modified)
            && modified <= since
        {
            return Verdict::NotModified;
        }
        Verdict::Go
    }

    /// Whether `If-Range` allows to answer `Range` with a part.
    pub(crate) fn allow_range(&self, headers: &HeaderMap) -> bool {
        let Some(condition) = headers.get(header::IF_RANGE) else {
            return true;
        };
        let Ok(condition) = condition.to_str().map(str::trim) else {
            return false;
        };
        if condition.starts_with('"') || condition.starts_with("W/") {
            return condition == self.tag;
        }
        httpdate::parse_http_date(condition).is_ok_and(|date| self.modified == Some(date))
    }

    /// Whether our tag is in the list; by weak comparison unless `strong`.
    fn listed(&self, headers: &HeaderMap, name: HeaderName, strong: bool) -> bool {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .any(|tag| {
                tag == "*" || tag == self.tag || (!strong && tag.strip_prefix("W/") == Some(&self.tag))
            })
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    fn ours() -> Validators {
        Validators {
            tag: "\"ab\"".to_owned(),
            modified: httpdate::parse_http_date("Sun, 19 Nov 2000 08:52:00 GMT").ok(),
        }
    }

    #[test]
    fn preconditions_decide_as_the_standard_says() {
        let judge = |name, value: &str| ours().judge(&headers(name, value));
        assert_eq!(ours().judge(&HeaderMap::new()), Verdict::Go);
        for held in ["\"ab\"", "W/\"ab\"", "\"x\", \"ab\"", "*"] {
            assert_eq!(judge(header::IF_NONE_MATCH, held), Verdict::NotModified, "{held}");
        }
        assert_eq!(judge(header::IF_NONE_MATCH, "\"abc\""), Verdict::Go);
        assert_eq!(judge(header::IF_MATCH, "\"ab\""), Verdict::Go);
        assert_eq!(judge(header::IF_MATCH, "W/\"ab\""), Verdict::Failed);
        let since = |value| judge(header::IF_MODIFIED_SINCE, value);
        assert_eq!(since("Sun, 19 Nov 2000 08:52:00 GMT"), Verdict::NotModified);
        assert_eq!(since("Mon, 20 Nov 2000 08:52:00 GMT"), Verdict::NotModified);
        assert_eq!(since("Sat, 18 Nov 2000 08:52:00 GMT"), Verdict::Go);
        assert_eq!(since("yesterday"), Verdict::Go);
        assert_eq!(
            judge(header::IF_UNMODIFIED_SINCE, "Sat, 18 Nov 2000 08:52:00 GMT"),
            Verdict::Failed
        );
        let mut both = headers(header::IF_NONE_MATCH, "\"other\"");
        both.insert(
            header::IF_MODIFIED_SINCE,
            "Mon, 20 Nov 2000 08:52:00 GMT".parse().unwrap(),
        );
        assert_eq!(ours().judge(&both), Verdict::Go);
    }

    #[test]
    fn a_part_is_only_sent_of_the_state_that_the_client_has() {
        let allows = |value: &str| ours().allow_range(&headers(header::IF_RANGE, value));
        assert!(ours().allow_range(&HeaderMap::new()));
        assert!(allows("\"ab\"") && allows("Sun, 19 Nov 2000 08:52:00 GMT"));
        assert!(
            !allows("W/\"ab\"")
                && !allows("\"x\"")
                && !allows("Mon, 20 Nov 2000 08:52:00 GMT")
                && !allows("?")
        );
    }

    #[test]
    fn another_state_has_another_tag() {
        assert_eq!(tag(&("a", 1)), tag(&("a", 1)));
        assert_ne!(tag(&("a", 1)), tag(&("a", 2)));
        assert_eq!(tag(&1).len(), 34);
    }
}
