//! [`Ring`]: the newest lines, bounded in bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Level, Line};

/// The newest lines.
#[derive(Debug)]
pub(crate) struct Ring {
    most: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<Arc<Line>>,
    bytes: usize,
    last: u64,
}

/// Which lines.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// This serious or more.
    pub(crate) level: Level,
    /// With this text somewhere, whatever the case.
    pub(crate) search: Option<String>,
    /// Older than that one.
    pub(crate) before: Option<u64>,
    /// So many of the newest.
    pub(crate) limit: usize,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            level: Level::Debug,
            search: None,
            before: None,
            limit: 200,
        }
    }
}

impl Ring {
    /// One that takes `most` bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            kept: Mutex::default(),
        }
    }

    pub(super) fn push(&self, mut line: Line) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.last += 1;
        line.id = kept.last;
        kept.bytes += line.weight();
        kept.lines.push_back(Arc::new(line));
        while kept.bytes > self.most
            && let Some(oldest) = kept.lines.pop_front()
        {
            kept.bytes -= oldest.weight();
        }
    }

    /// The lines that are wanted, newest first.
    pub(crate) fn lines(&self, wanted: &Wanted) -> Vec<Arc<Line>> {
        let search = wanted.search.as_deref().map(str::to_lowercase);
        // Searching takes longer than copying the list; nobody who logs waits for it.
        let all: Vec<Arc<Line>> = {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.lines.iter().rev().cloned().collect()
        };
        all.into_iter()
            .filter(|line| wanted.before.is_none_or(|before| line.id < before))
            .filter(|line| line.level <= wanted.level)
            .filter(|line| search.as_deref().is_none_or(|text| line.has(text)))
            .take(wanted.limit)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Micros;

    fn line(level: Level, message: &str) -> Line {
        let mut fields = serde_json::Map::new();
        fields.insert("source".to_owned(), "Hall".into());
        Line {
            id: 0,
            at: Micros(0),
            level,
            target: "mediastack".to_owned(),
            message: message.to_owned(),
            fields,
        }
    }

    #[test]
    fn the_newest_lines_stay_and_are_found() {
        let ring = Ring::new(10_000);
        for number in 0..1000 {
            let level = if number % 2 == 0 {
                Level::Warn
            } else {
                Level::Debug
            };
            ring.push(line(level, &format!("line {number}")));
        }
        let all = ring.lines(&Wanted {
            limit: usize::MAX,
            ..Wanted::default()
        });
        assert!((10..100).contains(&all.len()), "{}", all.len());
        assert_eq!((all[0].id, all[0].message.as_str()), (1000, "line 999"));
        assert!(all.is_sorted_by(|a, b| a.id > b.id));
        let serious = ring.lines(&Wanted {
            level: Level::Warn,
            limit: 2,
            before: Some(999),
            search: None,
        });
        assert_eq!(serious.iter().map(|line| line.id).collect::<Vec<_>>(), [997, 995]);
        let found = |text: &str| {
            let wanted = Wanted {
                search: Some(text.to_owned()),
                ..Wanted::default()
            };
            ring.lines(&wanted).len()
        };
        assert_eq!(
            (found("LINE 999"), found("line 1 "), found("source=hall")),
            (1, 0, all.len())
        );
    }
}
