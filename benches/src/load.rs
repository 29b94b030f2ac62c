//! HTTP servers under load: what a request and a gigabyte cost them.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A server under test; it ends when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    _folder: Option<TempDir>,
}

/// What came back over a connection of its own.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Seconds to its first byte.
    pub begun: f64,
    /// Seconds to its last byte.
    pub done: f64,
    /// Its body.
    pub body: Vec<u8>,
}

/// The requests of a load, in random order.
#[derive(Clone, Copy, Debug)]
pub struct Requests<'a> {
    /// What is done.
    pub method: &'a str,
    /// With what.
    pub paths: &'a [String],
    /// Sent with each.
    pub headers: &'a [(&'a str, &'a str)],
    /// How long each connection rests after an answer.
    pub pause: Duration,
}

/// Processor time, in the program and in the kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// In the program.
    pub user: f64,
    /// In the kernel.
    pub system: f64,
}

/// What a load came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// Answers.
    pub requests: f64,
    /// Bytes received, heads included.
    pub bytes: f64,
    /// Seconds that it took.
    pub seconds: f64,
    /// Seconds from a request to its last byte: the median and the 99th percentile.
    pub latency: (f64, f64),
    /// The server's processor seconds.
    pub spent: Spent,
}

impl Outcome {
    /// The server's processor seconds for 10⁹ bytes: in the program, in all.
    pub fn per_gigabyte(&self) -> (f64, f64) {
        let gigabytes = self.bytes / 1e9;
        (
            self.spent.user / gigabytes,
            (self.spent.user + self.spent.system) / gigabytes,
        )
    }
}

impl Server {
    /// `mediastack vod` with one worker thread on the media below `root`.
    ///
    /// # Errors
    /// It can't be started or does not listen within ten seconds.
    pub fn mediastack(program: &Path, root: &Path, options: &[&str]) -> io::Result<Self> {
        Self::launch(|port| {
            let mut command = Command::new(program);
            command
                .args(["vod", "--workers", "1", "--preset", "nginx-vod", "--listen"])
                .arg(format!("127.0.0.1:{port}"))
                .arg("--root")
                .arg(root)
                .args(options)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            Ok(command)
        })
    }

    /// The command that `with` gives for a free port.
    ///
    /// # Errors
    /// It can't be started or does not listen within ten seconds.
    pub fn launch(with: impl FnOnce(u16) -> io::Result<Command>) -> io::Result<Self> {
        let port = free_port()?;
        Self {
            child: with(port)?.spawn()?,
            port,
            _folder: None,
        }
        .listening()
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// It can't be told or does not end well.
    pub fn terminate(&mut self) -> io::Result<()> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status()?;
        let status = self.child.wait()?;
        if status.success() {
            return Ok(());
        }
        Err(io::Error::other(format!("the server ended with {status}")))
    }

    /// nginx with one worker that serves the files below `root` through `sendfile`.
    ///
    /// # Errors
    /// It can't be started or does not listen within ten seconds.
    pub fn nginx(root: &Path) -> io::Result<Self> {
        let port = free_port()?;
        let folder = TempDir::new()?;
        let place = folder.path().display();
        let root = root.display();
        let text = format!(
            "daemon off; master_process off; worker_processes 1; pid {place}/pid; error_log {place}/error.log;\n\
             events {{ worker_connections 4096; }}\n\
             http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; client_body_temp_path {place}/body;\n\
             open_file_cache max=2000; server {{ listen 127.0.0.1:{port}; root {root}; }} }}\n"
        );
        let path = folder.path().join("nginx.conf");
        fs::write(&path, text)?;
        let child = Command::new("nginx")
            .arg("-c")
            .arg(&path)
            .arg("-p")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Self {
            child,
            port,
            _folder: Some(folder),
        }
        .listening()
    }

    fn listening(self) -> io::Result<Self> {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if start.elapsed() > Duration::from_secs(10) {
                return Err(io::Error::other("the server does not listen"));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(self)
    }

    /// The running process.
    pub fn child(&self) -> &Child {
        &self.child
    }

    /// Processor time that it took so far.
    ///
    /// # Errors
    /// Its entry in `/proc` can't be read.
    pub fn spent(&self) -> io::Result<Spent> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = text
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
        match (ticks(11), ticks(12)) {
            // A clock tick is a hundredth of a second on every Linux.
            (Some(user), Some(system)) => Ok(Spent {
                user: user / 100.0,
                system: system / 100.0,
            }),
            _ => Err(io::Error::other("/proc/PID/stat is not what it was")),
        }
    }

    /// One answer over a connection of its own: its status, seconds to the first byte and to the last, and the body.
    ///
    /// # Errors
    /// The server does not answer, or the answer breaks off.
    pub fn get(&self, path: &str) -> io::Result<(u16, f64, f64, Vec<u8>)> {
        let answer = self.ask("GET", path, &[], b"")?;
        Ok((answer.status, answer.begun, answer.done, answer.body))
    }

    /// Any request over a connection of its own.
    ///
    /// # Errors
    /// The server does not answer, or the answer breaks off.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Answer> {
        let start = Instant::now();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let lines: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {length}\r\n{lines}\r\n"
        )?;
        stream.write_all(body)?;
        let mut first = [0; 1];
        stream.read_exact(&mut first)?;
        let begun = start.elapsed().as_secs_f64();
        let mut answer = first.to_vec();
        stream.read_to_end(&mut answer)?;
        let done = start.elapsed().as_secs_f64();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.ok_or_else(|| io::Error::other("the answer's head breaks off"))?;
        let status = String::from_utf8_lossy(answer.get(9..12).unwrap_or_default()).parse();
        let body = answer.split_off(end + 4);
        Ok(Answer {
            status: status.map_err(io::Error::other)?,
            begun,
            done,
            body,
        })
    }

    /// Asks for `paths` in random order through `connections` for `seconds`, with `wrk`.
    ///
    /// # Errors
    /// `wrk` is missing or fails, or an answer was no 200.
    pub fn load(&self, paths: &[String], connections: u32, seconds: u32) -> io::Result<Outcome> {
        let requests = Requests {
            method: "GET",
            paths,
            headers: &[],
            pause: Duration::ZERO,
        };
        self.load_of(&requests, connections, seconds)
    }

    /// As [`load`](Self::load), of any requests.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_of(&self, requests: &Requests<'_>, connections: u32, seconds: u32) -> io::Result<Outcome> {
        let folder = TempDir::new()?;
        let script = folder.path().join("load.lua");
        fs::write(&script, lua(requests))?;
        let before = self.spent()?;
        let output = Command::new("wrk")
            .args([
                "-t1",
                &format!("-c{connections}"),
                &format!("-d{seconds}s"),
                "--timeout",
                "30s",
                "-s",
            ])
            .arg(&script)
            .arg(format!("http://127.0.0.1:{}/", self.port))
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()?;
        let after = self.spent()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let line = said.lines().find_map(|line| line.strip_prefix("RESULT "));
        let numbers: Vec<f64> = line
            .unwrap_or_default()
            .split(' ')
            .filter_map(|word| word.parse().ok())
            .collect();
        let [answers, bytes, duration, median, late, errors] = numbers[..] else {
            return Err(io::Error::other(format!("wrk said {said}")));
        };
        if errors > 0.0 {
            return Err(io::Error::other(format!(
                "{errors} of {answers} requests failed: {}",
                requests.paths.first().map_or("", String::as_str)
            )));
        }
        Ok(Outcome {
            requests: answers,
            bytes,
            seconds: duration / 1e6,
            latency: (median / 1e6, late / 1e6),
            spent: Spent {
                user: after.user - before.user,
                system: after.system - before.system,
            },
        })
    }
}

/// The script that makes `wrk` ask these requests and say what came of it in one line.
fn lua(requests: &Requests<'_>) -> String {
    let list: Vec<String> = requests.paths.iter().map(|path| format!("{path:?}")).collect();
    let headers: Vec<String> = requests
        .headers
        .iter()
        .map(|(name, value)| format!("[{name:?}] = {value:?}"))
        .collect();
    let pause = match requests.pause.as_millis() {
        0 => String::new(),
        pause => format!("delay = function() return {pause} + math.random(-100, 100) end\n"),
    };
    format!(
        "local paths = {{ {} }}\nlocal headers = {{ {} }}\n{pause}\
         request = function() return wrk.format({:?}, paths[math.random(#paths)], headers) end\n\
         done = function(s, l)\n\
         io.write(string.format('RESULT %d %d %d %d %d %d\\n', s.requests, s.bytes, s.duration, l:percentile(50), l:percentile(99),\n\
         s.errors.status + s.errors.read + s.errors.timeout + s.errors.connect))\n\
         end\n",
        list.join(", "),
        headers.join(", "),
        requests.method,
    )
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
