//! The faults of the field, one row each, and the record of what the tests of a row saw.
//!
//! A test makes a [`Fault`] at its start. When the test ends, one file of JSON tells whether it passed and what was seen, or why it
//! failed; [`table`] makes the table of all rows from these files.

pub mod lab;
pub mod plot;
pub mod table;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, Once, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

use serde_json::json;

use crate::fixtures::repository;

/// How many rows the list has.
pub const ROWS: u32 = 38;

/// How long a run may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Size {
    /// Part of `make test`: few repetitions, short waits.
    Sample,
    /// `make faults`: everything.
    All,
}

/// The size of this run: `MEDIASTACK_FAULTS=all`, or else a sample.
///
/// # Panics
/// When the variable has another value.
pub fn size() -> Size {
    match std::env::var("MEDIASTACK_FAULTS").as_deref() {
        Err(_) | Ok("" | "sample") => Size::Sample,
        Ok("all") => Size::All,
        Ok(other) => panic!("MEDIASTACK_FAULTS is all or sample, not {other:?}"),
    }
}

/// The one value in a sample, the other in a run of everything.
pub fn pick<T>(sample: T, all: T) -> T {
    match size() {
        Size::Sample => sample,
        Size::All => all,
    }
}

/// What something may take: `limit` in a run of everything, which has the machine for itself, and three times as much in a sample, which
/// runs beside other tests.
pub fn patience(limit: Duration) -> Duration {
    pick(limit * 3, limit)
}

/// Where the results lie.
pub fn results() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    repository().join(target).join("faults")
}

/// One test's view of one row. Dropped at the end of the test, it writes the result.
#[derive(Debug)]
pub struct Fault {
    number: u32,
    title: String,
    expected: String,
    test: String,
    seen: Vec<String>,
    recovered: Option<Duration>,
    lost: Option<f64>,
}

impl Fault {
    /// Begins the test of a row: its number in the list, the fault and what a user expects, in a few words each.
    #[track_caller]
    pub fn new(number: u32, title: &str, expected: &str) -> Fault {
        assert!((1..=ROWS).contains(&number), "the list ends at {ROWS}: {number}");
        listen_to_panics();
        let fault = Fault {
            number,
            title: title.to_owned(),
            expected: expected.to_owned(),
            test: name_of_test(),
            seen: Vec::new(),
            recovered: None,
            lost: None,
        };
        // An older result counts for nothing while this test runs, nor when it is killed.
        let _ = std::fs::remove_file(fault.path());
        fault
    }

    /// Notes what was seen, in a few words; it may be called again for more.
    pub fn seen(&mut self, what: impl Into<String>) -> &mut Fault {
        self.seen.push(what.into());
        self
    }

    /// Notes how long it took until all was well again; the longest counts.
    pub fn recovered_in(&mut self, time: Duration) -> &mut Fault {
        self.recovered = self.recovered.max(Some(time));
        self
    }

    /// Notes how many seconds of media were lost; the most counts.
    pub fn lost(&mut self, seconds: f64) -> &mut Fault {
        self.lost = Some(self.lost.unwrap_or(0.0).max(seconds));
        self
    }

    fn path(&self) -> PathBuf {
        let name: String = self
            .test
            .chars()
            .map(|c| if c.is_alphanumeric() { c } else { '_' })
            .collect();
        results().join(format!("{:02}-{name}.json", self.number))
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        let result = json!({
            "number": self.number,
            "title": self.title,
            "expected": self.expected,
            "test": self.test,
            "size": if size() == Size::All { "all" } else { "sample" },
            "outcome": if failed { "failed" } else { "passed" },
            "reason": failed.then(last_words),
            "seen": self.seen,
            "recovered_s": self.recovered.map(|time| time.as_secs_f64()),
            "lost_s": self.lost,
        });
        let path = self.path();
        let written =
            std::fs::create_dir_all(results()).and_then(|()| std::fs::write(&path, format!("{result}\n")));
        if let Err(error) = written {
            // A panic inside a panic would end the other tests as well.
            assert!(failed, "{}: {error}", path.display());
        }
    }
}

/// The path of the test within its program; the test runner names its threads so.
#[track_caller]
fn name_of_test() -> String {
    match std::thread::current().name() {
        Some(name) if name != "main" => name.to_owned(),
        // One thread for all tests: the place in the source has to do.
        _ => {
            let place = std::panic::Location::caller();
            format!("{}:{}", place.file(), place.line())
        }
    }
}

/// What each thread said when it panicked.
static LAST_WORDS: Mutex<Option<HashMap<ThreadId, String>>> = Mutex::new(None);

fn listen_to_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let said = panic.payload_as_str().unwrap_or("a panic without words");
            let place = panic
                .location()
                .map(|at| format!("{}:{}: ", at.file(), at.line()));
            let words = format!("{}{said}", place.unwrap_or_default());
            let mut all = LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner);
            all.get_or_insert_default()
                .insert(std::thread::current().id(), words);
            drop(all);
            before(panic);
        }));
    });
}

fn last_words() -> String {
    let all = LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner);
    let words = all.as_ref().and_then(|all| all.get(&std::thread::current().id()));
    words.cloned().unwrap_or_else(|| "a panic".to_owned())
}
