//! A server whose sources are recorded while something goes wrong, and what is left of it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::judge::{self, Verdict, assert_faststart};
use crate::recording::assert_finished;
use crate::server::{Api, Server};

/// How long a step may take that needs nothing but a busy machine.
pub const SOON: Duration = Duration::from_secs(30);

/// The server and its administrator.
#[derive(Debug)]
pub struct Lab {
    /// The server.
    pub server: Server,
    /// Signed in.
    pub admin: Api,
}

impl Default for Lab {
    fn default() -> Lab {
        Lab::start(&[])
    }
}

impl Lab {
    /// Starts a server with more variables in its environment.
    pub fn start(environment: &[(&str, &str)]) -> Lab {
        let server = Server::start_with(environment);
        let admin = server.admin();
        Lab { server, admin }
    }

    /// Signs in again, after the server was started again.
    pub fn sign_in(&mut self) {
        self.admin = self.server.admin();
    }

    /// A new source; its number.
    #[track_caller]
    pub fn source(&mut self, url: &str) -> i64 {
        let protocol = match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("rtmp") => "rtmp",
            Some("rtsp") => "rtsp",
            _ => "hls",
        };
        let new = json!({"name": "Hall", "protocol": protocol, "url": url});
        let source = self.admin.post("/api/sources", &new).json(201);
        source["id"].as_i64().expect("a number")
    }

    /// Begins to record a source; the task's number.
    #[track_caller]
    pub fn record(&mut self, source: i64) -> i64 {
        let task = self
            .admin
            .push(&format!("/api/sources/{source}/record/start"))
            .json(200);
        task["id"].as_i64().expect("a number")
    }

    /// Begins to record a new source and waits for the first seconds on the disk: the numbers of the source and of the task.
    #[track_caller]
    pub fn recording(&mut self, url: &str) -> (i64, i64) {
        let source = self.source(url);
        let task = self.record(source);
        self.until_durable(source, 2.0, SOON);
        (source, task)
    }

    /// What is shown of the recording of a source now; null when there is none.
    #[track_caller]
    pub fn live(&mut self, source: i64) -> Value {
        let all = self.admin.get("/api/tasks/live").json(200);
        let all = all.as_array().map(Vec::as_slice).unwrap_or_default();
        all.iter()
            .find(|one| one["source_id"] == source)
            .cloned()
            .unwrap_or_default()
    }

    /// Waits until what is shown of a source is `good`, and gives it with the time that it took.
    #[track_caller]
    pub fn until_live(
        &mut self,
        source: i64,
        limit: Duration,
        good: impl Fn(&Value) -> bool,
    ) -> (Value, Duration) {
        let began = Instant::now();
        loop {
            let live = self.live(source);
            if good(&live) {
                return (live, began.elapsed());
            }
            assert!(
                began.elapsed() < limit,
                "after {limit:?}: {live:#}\n{}",
                self.server.log()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until a source's recording is in a state; how long that took.
    #[track_caller]
    pub fn until_state(&mut self, source: i64, state: &str, limit: Duration) -> Duration {
        self.until_live(source, limit, |live| live["state"] == state).1
    }

    /// Waits until so many seconds are on the disk; how long that took.
    #[track_caller]
    pub fn until_durable(&mut self, source: i64, seconds: f64, limit: Duration) -> Duration {
        self.until_live(source, limit, |live| live["durable_s"].as_f64() >= Some(seconds))
            .1
    }

    /// Waits until so many more seconds are on the disk than now; how long that took.
    #[track_caller]
    pub fn until_more(&mut self, source: i64, seconds: f64, limit: Duration) -> Duration {
        let before = self.live(source)["durable_s"].as_f64().unwrap_or(0.0);
        self.until_durable(source, before + seconds, limit)
    }

    /// Stops the recording of a source; the task as it ended.
    #[track_caller]
    pub fn stop(&mut self, source: i64) -> Value {
        self.admin
            .push(&format!("/api/sources/{source}/record/stop"))
            .json(200)
    }

    /// A task.
    #[track_caller]
    pub fn task(&mut self, task: i64) -> Value {
        self.admin.get(&format!("/api/tasks/{task}")).json(200)
    }

    /// Waits until a task has ended by itself.
    #[track_caller]
    pub fn until_ended(&mut self, task: i64, limit: Duration) -> Value {
        self.admin.until(&format!("/api/tasks/{task}"), limit, |task| {
            task["ended_at"].is_string()
        })
    }

    /// What happened to a task, `kind: message` each.
    #[track_caller]
    pub fn events(&mut self, task: i64) -> Vec<String> {
        let events = self.admin.get(&format!("/api/tasks/{task}/events")).json(200);
        let events = events.as_array().map(Vec::as_slice).unwrap_or_default();
        let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
        events
            .iter()
            .map(|event| format!("{}: {}", text(event, "kind"), text(event, "message")))
            .collect()
    }

    /// The videos of the library.
    #[track_caller]
    pub fn videos(&mut self) -> Vec<Value> {
        let videos = self.admin.get("/api/videos").json(200);
        videos.as_array().cloned().unwrap_or_default()
    }

    /// The one video of the library.
    #[track_caller]
    pub fn only_video(&mut self) -> Value {
        let mut videos = self.videos();
        assert_eq!(videos.len(), 1, "one item: {videos:#?}");
        videos.remove(0)
    }

    /// The files of a video, in order.
    #[track_caller]
    pub fn files(&self, video: &Value) -> Vec<PathBuf> {
        let path = self
            .server
            .storage()
            .join(video["file_path"].as_str().expect("a name"));
        if path.extension().is_some_and(|ending| ending == "mp4") {
            return vec![path];
        }
        let manifest = std::fs::read(&path).expect("the manifest is there");
        let manifest: Value = serde_json::from_slice(&manifest).expect("it is JSON");
        let parts = manifest["parts"].as_array().cloned().unwrap_or_default();
        parts
            .iter()
            .map(|part| self.server.storage().join(part["file"].as_str().expect("a name")))
            .collect()
    }

    /// Asserts that every file of a video opens, is in order and as long as it says; its tracks may begin a little apart, as a source does
    /// that is joined in the middle. Gives ffprobe's view of them.
    #[track_caller]
    pub fn opened(&self, video: &Value) -> Vec<Verdict> {
        let files = self.files(video);
        let verdicts = files.iter().map(|file| {
            assert_faststart(file);
            let verdict = judge::probe(file);
            verdict.assert_clean();
            verdict.assert_duration();
            verdict
        });
        verdicts.collect()
    }

    /// Asserts that every file of a video is a finished recording, and gives ffprobe's view of them.
    #[track_caller]
    pub fn finished(&self, video: &Value) -> Vec<Verdict> {
        self.files(video)
            .iter()
            .map(|file| assert_finished(file))
            .collect()
    }
}

/// The lengths of the gaps that a task or a video lists.
#[track_caller]
pub fn gaps(item: &Value) -> Vec<f64> {
    let gaps = item["gaps"]
        .as_array()
        .unwrap_or_else(|| panic!("no gaps: {item:#}"));
    gaps.iter()
        .map(|gap| {
            assert!(
                gap["at_s"].is_number() && gap["cause"].as_str().is_some_and(|cause| !cause.is_empty()),
                "{gap}"
            );
            gap["length_s"].as_f64().expect("a length")
        })
        .collect()
}
