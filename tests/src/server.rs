//! `mediastack serve` on a free port with a data folder of its own, and a client of its API.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::{self, Run, Running};
use crate::http::{Answer, Client};
use crate::ports;

/// A running server.
#[derive(Debug)]
pub struct Server {
    running: Option<Running>,
    port: u16,
    folder: TempDir,
    environment: Vec<(String, String)>,
}

impl Server {
    /// Starts one with empty folders.
    pub fn start() -> Server {
        Server::start_with(&[])
    }

    /// Starts one with more variables in its environment.
    pub fn start_with(environment: &[(&str, &str)]) -> Server {
        let mut server = Server::prepare(environment);
        server.launch();
        server
    }

    /// Makes one that does not run yet: [`Server::restart`] starts it.
    pub fn prepare(environment: &[(&str, &str)]) -> Server {
        Server {
            running: None,
            port: ports::free(),
            folder: tempfile::tempdir().expect("a temporary directory"),
            environment: environment
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }

    /// Sets a variable for its next start.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    fn launch(&mut self) {
        let listen = format!("127.0.0.1:{}", self.port);
        let data = self.data();
        let mut command = binary::command(&["serve", "--listen", &listen, "--data-dir"]);
        command.arg(&data).env("TZ", "Asia/Shanghai");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let running = binary::spawn_command(&mut command);
        ports::wait_until_open(self.port, || format!("mediastack serve: {}", running.stderr()));
        self.running = Some(running);
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.kill();
            let _ = running.finish(Duration::from_secs(10));
        }
    }

    /// SIGTERM, and waits for its end.
    #[track_caller]
    pub fn stop(&mut self) -> Run {
        let running = self.running.take().expect("it runs");
        running.signal(Signal::TERM);
        running.finish(Duration::from_secs(30))
    }

    /// SIGTERM, a pause, another one, and waits for its end.
    #[track_caller]
    pub fn stop_twice(&mut self, pause: Duration) -> Run {
        let mut running = self.running.take().expect("it runs");
        running.signal(Signal::TERM);
        std::thread::sleep(pause);
        assert!(running.is_running(), "it ended before the second signal");
        running.signal(Signal::TERM);
        running.finish(Duration::from_secs(30))
    }

    /// Starts it again on the same port and folders.
    pub fn restart(&mut self) {
        self.launch();
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.running.as_ref().expect("it runs").id()
    }

    /// What it said so far.
    pub fn log(&self) -> String {
        self.running.as_ref().map(Running::stderr).unwrap_or_default()
    }

    /// Its database.
    pub fn database(&self) -> PathBuf {
        self.data().join("db/mediastack.db")
    }

    /// Runs `mediastack fsck --json` on its folders with more options.
    #[track_caller]
    pub fn fsck(&self, options: &[&str]) -> Run {
        let mut command = binary::command(&["fsck", "--json", "--data-dir"]);
        command.arg(self.data()).args(options).env("TZ", "Asia/Shanghai");
        binary::spawn_command(&mut command).finish(Duration::from_secs(60))
    }

    /// Asserts that rows and files agree. The server does not run.
    #[track_caller]
    pub fn assert_agrees(&self) {
        let run = self.fsck(&[]);
        assert_eq!(run.code, Some(0), "{:#}", run.json());
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Its storage folder.
    pub fn storage(&self) -> PathBuf {
        self.data().join("videos")
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a path that starts with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// A visitor.
    pub fn visitor(&self) -> Api {
        Api {
            client: Client::new(self.port, &format!("127.0.0.1:{}", self.port)),
            headers: Vec::new(),
        }
    }

    /// The first administrator, signed in.
    pub fn admin(&self) -> Api {
        let mut api = self.visitor();
        let form = [("username", "admin"), ("password", "admin123")];
        let token = api.form("/api/auth/login", &form, None).json(200)["access_token"].clone();
        let token = token.as_str().expect("a token");
        api.headers.push(format!("Authorization: Bearer {token}"));
        api
    }
}

/// Somebody who uses the API over one connection.
#[derive(Debug)]
pub struct Api {
    client: Client,
    /// Sent with every request.
    pub headers: Vec<String>,
}

impl Answer {
    /// The JSON of an answer that must have this status.
    #[track_caller]
    pub fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    /// The `detail` of a refusal that must have this status.
    #[track_caller]
    pub fn detail(&self, status: u16) -> String {
        let problem = self.json(status);
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        problem["detail"].as_str().expect("a text").to_owned()
    }

    /// The cookie that the answer sets, as a client sends it back.
    #[track_caller]
    pub fn cookie(&self) -> String {
        let set = self.header("set-cookie").expect("a cookie");
        let pair = set.split(';').next().expect("a pair");
        format!("Cookie: {pair}")
    }

    /// Asserts an empty answer of this status.
    #[track_caller]
    pub fn empty(&self, status: u16) {
        assert_eq!((self.status, self.text().as_str()), (status, ""));
    }
}

impl Api {
    /// Any request.
    pub fn ask(&mut self, method: &str, target: &str, more: &[&str], body: Option<&[u8]>) -> Answer {
        let headers: Vec<&str> = self
            .headers
            .iter()
            .map(String::as_str)
            .chain(more.iter().copied())
            .collect();
        self.client.send(method, target, &headers, body)
    }

    /// GET.
    pub fn get(&mut self, target: &str) -> Answer {
        self.ask("GET", target, &[], None)
    }

    /// POST of JSON.
    pub fn post(&mut self, target: &str, body: &Value) -> Answer {
        self.with_json("POST", target, body)
    }

    /// POST without a body.
    pub fn push(&mut self, target: &str) -> Answer {
        self.ask("POST", target, &[], Some(b""))
    }

    /// PUT of JSON.
    pub fn put(&mut self, target: &str, body: &Value) -> Answer {
        self.with_json("PUT", target, body)
    }

    /// DELETE.
    pub fn delete(&mut self, target: &str) -> Answer {
        self.ask("DELETE", target, &[], None)
    }

    fn with_json(&mut self, method: &str, target: &str, body: &Value) -> Answer {
        self.ask(
            method,
            target,
            &["Content-Type: application/json"],
            Some(body.to_string().as_bytes()),
        )
    }

    /// POST of a multipart form, with a file under the name and the file name of `file`.
    pub fn form(
        &mut self,
        target: &str,
        fields: &[(&str, &str)],
        file: Option<(&str, &str, &[u8])>,
    ) -> Answer {
        const EDGE: &str = "an-edge-that-no-file-has";
        let mut body = Vec::new();
        for (name, value) in fields {
            let part =
                format!("--{EDGE}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            body.extend_from_slice(part.as_bytes());
        }
        if let Some((name, file_name, bytes)) = file {
            let part = format!(
                "--{EDGE}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file_name}\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n"
            );
            body.extend_from_slice(part.as_bytes());
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{EDGE}--\r\n").as_bytes());
        let kind = format!("Content-Type: multipart/form-data; boundary={EDGE}");
        self.ask("POST", target, &[&kind], Some(&body))
    }

    /// Uploads a file by the chunked protocol and gives the answer of its completion.
    #[track_caller]
    pub fn upload(&mut self, file: &Path, about: &Value) -> Value {
        const CHUNK: usize = 1 << 20;
        let bytes = std::fs::read(file).expect("a file");
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        let init = json!({"filename": name, "file_size": bytes.len(), "chunk_size": CHUNK});
        let init = self.post("/api/upload/init", &init).json(200);
        let id = init["task_id"].as_str().expect("an id").to_owned();
        for (index, chunk) in bytes.chunks(CHUNK).enumerate() {
            let index = index.to_string();
            let target = format!("/api/upload/{id}/chunk");
            self.form(
                &target,
                &[("chunk_index", &index)],
                Some(("chunk", "blob", chunk)),
            )
            .json(200);
        }
        self.post(&format!("/api/upload/{id}/complete"), about).json(200)
    }

    /// Uploads a file, publishes it, and gives the path of its video in the API.
    #[track_caller]
    pub fn published(&mut self, file: &Path, about: &Value) -> String {
        let target = format!("/api/videos/{}", self.upload(file, about)["video_id"]);
        self.push(&format!("{target}/publish")).json(200);
        target
    }

    /// Asks until `good` is satisfied with the answer, and gives it.
    #[track_caller]
    pub fn until(&mut self, target: &str, limit: Duration, good: impl Fn(&Value) -> bool) -> Value {
        let end = std::time::Instant::now() + limit;
        loop {
            let value = self.get(target).json(200);
            if good(&value) {
                return value;
            }
            assert!(
                std::time::Instant::now() < end,
                "{target} after {limit:?}: {value:#}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
