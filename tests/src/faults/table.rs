//! The table of all rows, made from the results of the tests.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

/// Where and how the tests ran.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The day.
    pub date: String,
    /// The machine, in a few words.
    pub machine: String,
    /// The command that ran them.
    pub command: String,
}

/// Reads the results in a folder; a folder that is not there has none.
///
/// # Panics
/// When a result is not JSON.
pub fn read(folder: &Path) -> Vec<Value> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        })
        .collect()
}

/// The rows from 1 to `rows` that no test has passed, or that a test has failed, each with the reason.
pub fn missing(results: &[Value], rows: u32) -> Vec<String> {
    let by_row = by_row(results);
    let mut missing = Vec::new();
    for number in 1..=rows {
        let Some(tests) = by_row.get(&u64::from(number)) else {
            missing.push(format!("{number}: no test"));
            continue;
        };
        for test in tests.iter().filter(|test| test["outcome"] != "passed") {
            let reason = text(test, "reason");
            let line = reason.lines().next().unwrap_or_default();
            missing.push(format!("{number}: {}: {line}", text(test, "test")));
        }
    }
    missing
}

/// The table in Markdown.
pub fn render(results: &[Value], place: &Place) -> String {
    let mut out = String::from(
        "# The faults, as they were seen\n\n\
         Made by the tests in `tests/tests/faults`; don't edit. Each row is a fault that the field knows, what a user expects then, \
         what the tests saw on the real binary, the longest time until all was well again, and the most media that was lost.\n\n",
    );
    let Place {
        date,
        machine,
        command,
    } = place;
    let _ = writeln!(out, "{date}, {machine}, `{command}`.\n");
    out += "| # | Fault | Expected | Seen | Recovered in | Media lost | Tests |\n|--:|---|---|---|--:|--:|---|\n";
    for (number, tests) in by_row(results) {
        let first = |key: &str| cell(tests.first().map(|test| text(test, key)).unwrap_or_default());
        let seen: Vec<String> = tests.iter().map(|test| told(test)).collect();
        let names: Vec<String> = tests
            .iter()
            .map(|test| format!("`{}`", cell(text(test, "test"))))
            .collect();
        let most = |key: &str| {
            let all = tests.iter().filter_map(|test| test[key].as_f64());
            all.fold(None, |most: Option<f64>, one| {
                Some(most.map_or(one, |most| most.max(one)))
            })
        };
        let seconds =
            |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.1} s"));
        let _ = writeln!(
            out,
            "| {number} | {} | {} | {} | {} | {} | {} |",
            first("title"),
            first("expected"),
            seen.join("; "),
            seconds(most("recovered_s")),
            seconds(most("lost_s")),
            names.join(" "),
        );
    }
    out
}

fn told(test: &Value) -> String {
    if test["outcome"] != "passed" {
        let reason = text(test, "reason");
        return format!("**FAILED**: {}", cell(reason.lines().next().unwrap_or_default()));
    }
    let seen = test["seen"].as_array().map(Vec::as_slice).unwrap_or_default();
    let seen: Vec<&str> = seen.iter().filter_map(Value::as_str).collect();
    if seen.is_empty() {
        "as expected".to_owned()
    } else {
        cell(&seen.join(", "))
    }
}

fn by_row(results: &[Value]) -> BTreeMap<u64, Vec<&Value>> {
    let mut rows: BTreeMap<u64, Vec<&Value>> = BTreeMap::new();
    for result in results {
        rows.entry(result["number"].as_u64().unwrap_or(0))
            .or_default()
            .push(result);
    }
    rows
}

fn text<'a>(result: &'a Value, key: &str) -> &'a str {
    result[key].as_str().unwrap_or_default()
}

/// A text that cannot end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn result(number: u32, test: &str, outcome: &str, lost: Option<f64>) -> Value {
        json!({"number": number, "title": "a cut", "expected": "a|b", "test": test, "outcome": outcome,
            "reason": "x.rs:1: no\nmore", "seen": ["one", "two"], "recovered_s": 2.04, "lost_s": lost})
    }

    #[test]
    fn several_tests_of_a_row_share_it_and_the_worst_counts() {
        let results = [
            result(2, "a::b", "passed", Some(0.5)),
            result(2, "a::c", "passed", Some(1.25)),
            result(1, "a::d", "failed", None),
        ];
        let place = Place {
            date: "2026-01-02".to_owned(),
            machine: "2 cores".to_owned(),
            command: "make faults".to_owned(),
        };
        let table = render(&results, &place);
        assert!(table.contains("2026-01-02, 2 cores, `make faults`."), "{table}");
        assert!(
            table.contains("| 1 | a cut | a\\|b | **FAILED**: x.rs:1: no | 2.0 s | – | `a::d` |\n| 2 | a cut | a\\|b | one, two; one, two | 2.0 s | 1.2 s | `a::b` `a::c` |\n"),
            "{table}"
        );
        assert_eq!(missing(&results, 3), ["1: a::d: x.rs:1: no", "3: no test"]);
        assert_eq!(missing(&results[..2], 2), ["1: no test"]);
    }
}
