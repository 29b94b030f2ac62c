//! `mediastack serve` under measurement: a process with folders of its own, an administrator who is signed in, and many rows.

mod rows;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::load::{Answer, Server};

pub use rows::fill;

/// A running server and whoever may do everything there.
#[derive(Debug)]
pub struct Site {
    /// The process.
    pub server: Server,
    folder: TempDir,
    program: PathBuf,
    bearer: String,
}

impl Site {
    /// Starts one with empty folders below `folder`.
    ///
    /// # Errors
    /// It can't be started, or nobody can sign in.
    pub fn start(program: &Path, folder: TempDir) -> io::Result<Self> {
        let server = launch(program, folder.path())?;
        let mut site = Self {
            server,
            folder,
            program: program.to_owned(),
            bearer: String::new(),
        };
        site.sign_in()?;
        Ok(site)
    }

    /// Stops it, lets `change` at its database, and starts it again.
    ///
    /// # Errors
    /// As [`start`](Self::start), or what `change` says.
    pub fn with_database(&mut self, change: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        self.server.terminate()?;
        change(&self.folder.path().join("data/db/mediastack.db"))?;
        self.server = launch(&self.program, self.folder.path())?;
        self.sign_in()
    }

    fn sign_in(&mut self) -> io::Result<()> {
        let form = b"username=admin&password=admin123";
        let kind = [("Content-Type", "application/x-www-form-urlencoded")];
        let answer = self.server.ask("POST", "/api/auth/login", &kind, form)?;
        let token = json(&answer)?["access_token"].clone();
        let token = token
            .as_str()
            .ok_or_else(|| io::Error::other("no token came of the sign-in"))?;
        self.bearer = format!("Bearer {token}");
        Ok(())
    }

    /// The header of the administrator.
    pub fn bearer(&self) -> [(&str, &str); 1] {
        [("Authorization", &self.bearer)]
    }

    /// Asks as the administrator, with JSON or without a body.
    ///
    /// # Errors
    /// No answer, or one that is no success.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Value> {
        self.timed(method, path, body).map(|(value, _)| value)
    }

    /// As [`ask`](Self::ask), with the seconds to the last byte.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub fn timed(&self, method: &str, path: &str, body: Option<&Value>) -> io::Result<(Value, f64)> {
        let headers = [
            ("Authorization", self.bearer.as_str()),
            ("Content-Type", "application/json"),
        ];
        let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let answer = self.server.ask(method, path, &headers, &bytes)?;
        if !(200..300).contains(&answer.status) {
            let said = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(io::Error::other(format!(
                "{method} {path}: {} {said}",
                answer.status
            )));
        }
        Ok((json(&answer)?, answer.done))
    }

    /// Asks until `good` is satisfied.
    ///
    /// # Errors
    /// It is not within `limit`.
    pub fn until(&self, path: &str, limit: Duration, good: impl Fn(&Value) -> bool) -> io::Result<Value> {
        let start = Instant::now();
        loop {
            let value = self.ask("GET", path, None)?;
            if good(&value) {
                return Ok(value);
            }
            if start.elapsed() > limit {
                return Err(io::Error::other(format!("{path} after {limit:?}: {value}")));
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Makes a source and begins to record it; its number.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub fn record(&self, name: &str, url: &str) -> io::Result<i64> {
        let protocol = if url.starts_with("rtmp") { "rtmp" } else { "hls" };
        let new = serde_json::json!({"name": name, "protocol": protocol, "url": url});
        let id = number(&self.ask("POST", "/api/sources", Some(&new))?["id"])?;
        self.ask("POST", &format!("/api/sources/{id}/record/start"), None)?;
        Ok(id)
    }
}

/// A number of an answer.
///
/// # Errors
/// It is none.
pub fn number(value: &Value) -> io::Result<i64> {
    value
        .as_i64()
        .ok_or_else(|| io::Error::other(format!("{value} is no number")))
}

fn json(answer: &Answer) -> io::Result<Value> {
    if answer.body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&answer.body).map_err(io::Error::other)
}

/// `mediastack serve` with its data in `folder`, listening.
fn launch(program: &Path, folder: &Path) -> io::Result<Server> {
    Server::launch(|port| {
        let log = fs::File::create(folder.join("log"))?;
        let mut command = Command::new(program);
        command
            .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data-dir"])
            .arg(folder.join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        Ok(command)
    })
}

/// Milliseconds from the start of the process to its first good answer, with empty folders.
///
/// # Errors
/// It can't be started.
pub fn start_up(program: &Path, folder: &Path) -> io::Result<f64> {
    let start = Instant::now();
    let server = launch(program, folder)?;
    loop {
        match server.ask("GET", "/api/health", &[], b"") {
            Ok(answer) if answer.status == 200 => return Ok(start.elapsed().as_secs_f64()),
            _ if start.elapsed() > Duration::from_secs(10) => {
                return Err(io::Error::other("it is not healthy after ten seconds"));
            }
            _ => {}
        }
    }
}
