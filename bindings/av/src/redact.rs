//! Takes credentials out of text that may hold URLs.

use std::borrow::Cow;

/// `text` with `user:password@` and the values of a query replaced by `***` in every URL, and what follows
/// `Authorization:` cut off.
///
/// A password that holds an unescaped `/` hides the rest of the URL up to its last `@`.
pub fn redact(text: &str) -> Cow<'_, str> {
    let has_header = find_header(text).is_some();
    if !has_header && !text.contains("//") && !text.contains('?') {
        return Cow::Borrowed(text);
    }
    let (text, tail) = match find_header(text) {
        Some(end) => text.split_at(end),
        None => (text, ""),
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(is_delimiter).unwrap_or(rest.len());
        let (token, after) = rest.split_at(end);
        redact_token(token, &mut out);
        let delimiter = after.chars().next().map_or(0, char::len_utf8);
        out.push_str(&after[..delimiter]);
        rest = &after[delimiter..];
    }
    if !tail.is_empty() {
        out.push_str(" ***");
    }
    Cow::Owned(out)
}

fn find_header(text: &str) -> Option<usize> {
    const HEADER: &[u8] = b"authorization:";
    let at = text
        .as_bytes()
        .windows(HEADER.len())
        .position(|window| window.eq_ignore_ascii_case(HEADER))?;
    // The needle is ASCII, so its end is a character boundary.
    Some(at + HEADER.len())
}

fn is_delimiter(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\'' | '"' | '<' | '>' | '`')
}

fn redact_token(token: &str, out: &mut String) {
    let (address, query) = match token.find('?') {
        Some(at) => (&token[..at], Some(&token[at + 1..])),
        None => (token, None),
    };
    match address.find("//") {
        Some(at) => {
            let (scheme, rest) = address.split_at(at + 2);
            out.push_str(scheme);
            redact_authority(rest, out);
        }
        None => out.push_str(address),
    }
    let Some(query) = query else { return };
    out.push('?');
    // A password may hold the question mark.
    if address.contains("//") && query.contains('@') && !query.contains('=') {
        out.push_str("***");
        return;
    }
    for (i, pair) in query.split('&').enumerate() {
        if i > 0 {
            out.push('&');
        }
        match pair.split_once('=') {
            Some((name, value)) => {
                out.push_str(name);
                out.push_str("=***");
                // Punctuation of the sentence around the URL.
                out.push_str(&value[value.trim_end_matches([':', ',', '.', ')']).len()..]);
            }
            None => out.push_str(pair),
        }
    }
}

fn redact_authority(rest: &str, out: &mut String) {
    let slash = rest.find(['/', '#']).unwrap_or(rest.len());
    let authority = &rest[..slash];
    let is_host = |text: &str| match text.rsplit_once(':') {
        Some((_, port)) => text.ends_with(']') || port.is_empty() || port.bytes().all(|b| b.is_ascii_digit()),
        None => true,
    };
    let at = match authority.rfind('@') {
        Some(at) => Some(at),
        None if is_host(authority) => None,
        None => rest.rfind('@'),
    };
    match at {
        Some(at) => {
            out.push_str("***");
            out.push_str(&rest[at..]);
        }
        None => out.push_str(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_go_and_the_rest_stays() {
        for (text, want) in [
            ("nothing here", "nothing here"),
            ("rtsp://cam:554/a", "rtsp://cam:554/a"),
            (
                "open 'rtsp://u:p@cam:554/a' failed",
                "open 'rtsp://***@cam:554/a' failed",
            ),
            ("rtsp://u@cam/a@b", "rtsp://***@cam/a@b"),
            ("rtsp://u:p/w@cam/a", "rtsp://***@cam/a"),
            ("tcp://u:p@[::1]:80?timeout=5", "tcp://***@[::1]:80?timeout=***"),
            (
                "http://h/x?token=abc&b=c: refused",
                "http://h/x?token=***&b=***: refused",
            ),
            ("/live/x?sig=abc", "/live/x?sig=***"),
            ("why? no reason", "why? no reason"),
            ("header 'AUTHORIZATION: Basic Zm9v'", "header 'AUTHORIZATION: ***"),
            ("http://ü:ß@h/é?k=ö", "http://***@h/é?k=***"),
        ] {
            assert_eq!(redact(text), want);
        }
    }
}
