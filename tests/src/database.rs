//! A server's SQLite file in the hands of another program: changed, and locked.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::ports;
use crate::process::{Process, output_of};

/// Runs statements on the file and gives the rows of the last one, a line each with `|` between the columns.
pub fn sql(file: &Path, statements: &str) -> String {
    const PROGRAM: &str = "import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=30)
rows = []
for statement in sys.argv[2].split(';'):
    rows = db.execute(statement).fetchall()
db.commit()
for row in rows:
    print('|'.join(str(cell) for cell in row))";
    let mut python = Command::new("python3");
    python.args(["-c", PROGRAM]).arg(file).arg(statements);
    output_of(&mut python).0
}

/// A lock on the file that keeps everybody else from writing, until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _holder: Process,
    _dir: TempDir,
}

impl Lock {
    /// Takes it, and waits until it is held.
    pub fn take(file: &Path) -> Lock {
        const PROGRAM: &str = "import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
db.execute('BEGIN EXCLUSIVE')
print('held', flush=True)
time.sleep(3600)";
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut python = Command::new("python3");
        python.args(["-c", PROGRAM]).arg(file);
        let holder = Process::start("lock", &mut python, dir.path());
        ports::wait_for("the database's lock", Duration::from_secs(30), || {
            holder.stdout().contains("held")
        });
        Lock {
            _holder: holder,
            _dir: dir,
        }
    }
}
