//! Languages: their ISO 639 codes, the tags that playlists print, and their names for themselves.

use std::sync::LazyLock;

use crate::codec::Language;

/// Rows of ISO 639-2/3 code, RFC 5646 primary tag and native name, in the order of the codes.
const TABLE: &str = include_str!("languages.tsv");

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| TABLE.lines().filter_map(Row::read).collect());

struct Row {
    code: Language,
    tag: &'static str,
    name: &'static str,
}

impl Row {
    fn read(line: &'static str) -> Option<Self> {
        let mut cells = line.split('\t');
        Some(Self {
            code: Language::new(cells.next()?),
            tag: cells.next()?,
            name: cells.next()?,
        })
    }
}

fn row(language: Language) -> Option<&'static Row> {
    let code = language.as_str();
    let at = ROWS.binary_search_by(|row| row.code.as_str().cmp(code)).ok()?;
    ROWS.get(at)
}

/// The language that an ISO 639-1, 639-2 or 639-3 code names; `None` for one that nobody knows.
pub fn known(code: &str) -> Option<Language> {
    let code = code.to_ascii_lowercase();
    match code.len() {
        2 => ROWS.iter().find(|row| row.tag == code).map(|row| row.code),
        _ => row(Language::new(&code))
            .filter(|row| row.code.as_str() == code)
            .map(|row| row.code),
    }
}

/// What the language calls itself.
pub fn native_name(language: Language) -> Option<&'static str> {
    row(language).map(|row| row.name)
}

/// The language as an RFC 5646 tag: two letters where there are, else three.
pub fn tag(language: &Language) -> &str {
    row(*language).map_or(language.as_str(), |row| row.tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_tags_and_names() {
        assert!(ROWS.is_sorted_by(|a, b| a.code.as_str() < b.code.as_str()));
        assert_eq!(ROWS.len(), TABLE.lines().count());
        let french = known("fra").unwrap();
        assert_eq!((tag(&french), native_name(french)), ("fr", Some("Français")));
        assert_eq!(known("FR"), Some(french));
        assert_eq!(known("zzz"), None);
        assert_eq!(known("und"), None);
        assert_eq!(tag(&Language::new("ace")), "ace");
        assert_eq!(tag(&Language::new("qaa")), "qaa");
    }
}
