//! A small HTTP/1.1 server over a directory, with faults on demand.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::ports;

/// Serves the files of one directory: GET and HEAD, one byte range, keep-alive.
#[derive(Debug)]
pub struct FileServer {
    shared: Arc<Shared>,
    address: Ipv4Addr,
    port: u16,
    accept: Option<JoinHandle<()>>,
}

/// What happens instead of a good answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// This status with an empty body.
    Status(u16),
    /// 302 to this address.
    Redirect(String),
    /// The headers promise the whole file; after so many bytes the connection is closed.
    Truncate(u64),
    /// The body at so many bytes per second.
    Drip(u64),
    /// The request is read and never answered.
    Silence,
    /// The connection is closed without an answer.
    Close,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    faults: Mutex<Vec<(String, Option<u32>, Effect)>>,
    streams: Mutex<Vec<(String, PathBuf)>>,
    requests: Mutex<Vec<String>>,
    stop: AtomicBool,
}

impl FileServer {
    /// Starts to serve `root` on a free port.
    pub fn start(root: &Path) -> FileServer {
        FileServer::start_at([127, 0, 0, 1], root)
    }

    /// The same on another address of the loopback.
    pub fn start_at(address: [u8; 4], root: &Path) -> FileServer {
        let address = Ipv4Addr::from(address);
        // Another test program may take the port between the look and the binding.
        let (port, listener) = (0..20)
            .map(|_| ports::free())
            .find_map(|port| Some((port, TcpListener::bind((address, port)).ok()?)))
            .expect("one of twenty free ports can be had");
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            faults: Mutex::default(),
            streams: Mutex::default(),
            requests: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        let accept = std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.stop.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                // A client that goes away is no failure of the server.
                std::thread::spawn(move || shared.serve(client));
            }
        });
        FileServer {
            shared,
            address,
            port,
            accept: Some(accept),
        }
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}:{}/{path}", self.address, self.port)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Answers the next `times` requests (or all, with `None`) whose path contains `part` with `effect`.
    pub fn fault(&self, part: &str, times: Option<u32>, effect: Effect) {
        self.shared
            .faults
            .lock()
            .expect("no holder panics")
            .push((part.to_owned(), times, effect));
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.shared.faults.lock().expect("no holder panics").clear();
    }

    /// Answers `path` with a live FLV stream: ffmpeg copies `file`, over and over, at its natural speed.
    pub fn live_flv(&self, path: &str, file: &Path) {
        self.shared
            .streams
            .lock()
            .expect("no holder panics")
            .push((path.to_owned(), file.to_owned()));
    }

    /// The paths asked for so far.
    pub fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().expect("no holder panics").clone()
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the accepting thread.
        let _ = TcpStream::connect((self.address, self.port));
        if let Some(thread) = self.accept.take() {
            let _ = thread.join();
        }
    }
}

struct Request {
    head_only: bool,
    path: String,
    range: Option<(u64, Option<u64>)>,
    keep_alive: bool,
}

impl Shared {
    fn serve(&self, client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        client.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut reader = BufReader::new(client.try_clone()?);
        while let Some(request) = read_request(&mut reader)? {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.requests
                .lock()
                .expect("no holder panics")
                .push(request.path.clone());
            if !self.answer(&request, &client)? || !request.keep_alive {
                break;
            }
        }
        client.shutdown(Shutdown::Both)
    }

    /// Answers one request; false when the connection must end.
    fn answer(&self, request: &Request, mut client: &TcpStream) -> io::Result<bool> {
        let mut limit = u64::MAX;
        let mut rate = None;
        match self.effect(&request.path) {
            None => {}
            Some(Effect::Status(code)) => {
                write!(client, "HTTP/1.1 {code} Injected\r\nContent-Length: 0\r\n\r\n")?;
                return Ok(true);
            }
            Some(Effect::Redirect(to)) => {
                write!(
                    client,
                    "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"
                )?;
                return Ok(true);
            }
            Some(Effect::Truncate(bytes)) => limit = bytes,
            Some(Effect::Drip(bytes)) => rate = Some(bytes.max(1)),
            Some(Effect::Silence) => {
                while !self.stop.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(50));
                }
                return Ok(false);
            }
            Some(Effect::Close) => return Ok(false),
        }
        if let Some(file) = self.stream_at(&request.path) {
            self.stream(&file, client)?;
            return Ok(false);
        }
        let opened = self
            .resolve(&request.path)
            .and_then(|p| Some((File::open(&p).ok()?, p)));
        let Some((mut file, path)) = opened else {
            write!(client, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
            return Ok(true);
        };
        let size = file.metadata()?.len();
        let (start, end) = match request.range {
            Some((start, end)) => (start.min(size), end.map_or(size, |e| (e + 1).min(size))),
            None => (0, size),
        };
        let length = end.saturating_sub(start);
        match request.range {
            Some(_) => write!(
                client,
                "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{}/{size}\r\n",
                end.saturating_sub(1)
            )?,
            None => write!(client, "HTTP/1.1 200 OK\r\n")?,
        }
        let kind = content_type(&path);
        write!(
            client,
            "Content-Type: {kind}\r\nContent-Length: {length}\r\nAccept-Ranges: bytes\r\n\r\n"
        )?;
        if request.head_only {
            return Ok(true);
        }
        file.seek(SeekFrom::Start(start))?;
        self.send(&mut file.take(length.min(limit)), client, rate)?;
        Ok(length <= limit)
    }

    fn send(&self, body: &mut impl Read, mut client: &TcpStream, rate: Option<u64>) -> io::Result<()> {
        let mut buffer = vec![0; rate.map_or(65536, |r| (r / 10).clamp(1, 65536) as usize)];
        loop {
            let read = body.read(&mut buffer)?;
            if read == 0 || self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            client.write_all(&buffer[..read])?;
            if let Some(rate) = rate {
                std::thread::sleep(Duration::from_secs_f64(read as f64 / rate as f64));
            }
        }
    }

    fn stream(&self, file: &Path, mut client: &TcpStream) -> io::Result<()> {
        write!(
            client,
            "HTTP/1.1 200 OK\r\nContent-Type: video/x-flv\r\nConnection: close\r\n\r\n"
        )?;
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args([
            "-nostdin",
            "-hide_banner",
            "-loglevel",
            "error",
            "-re",
            "-stream_loop",
            "-1",
            "-i",
        ]);
        ffmpeg
            .arg(file)
            .args(["-map", "0", "-c", "copy", "-flush_packets", "1", "-f", "flv", "-"]);
        let mut child = ffmpeg
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut body = child
            .stdout
            .take()
            .expect("standard output was asked for as a pipe");
        let result = self.send(&mut body, client, None);
        child.kill()?;
        child.wait()?;
        result
    }

    fn effect(&self, path: &str) -> Option<Effect> {
        let mut faults = self.faults.lock().expect("no holder panics");
        let (_, times, effect) = faults
            .iter_mut()
            .find(|(part, times, _)| *times != Some(0) && path.contains(part.as_str()))?;
        if let Some(times) = times {
            *times -= 1;
        }
        Some(effect.clone())
    }

    fn stream_at(&self, path: &str) -> Option<PathBuf> {
        let streams = self.streams.lock().expect("no holder panics");
        streams
            .iter()
            .find(|(p, _)| path.trim_start_matches('/') == p)
            .map(|(_, file)| file.clone())
    }

    fn resolve(&self, path: &str) -> Option<PathBuf> {
        let path = path.split('?').next()?.trim_start_matches('/');
        (!path.split('/').any(|part| part == "..")).then(|| self.root.join(path))
    }
}

fn read_request(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let head_only = words.next() == Some("HEAD");
    let path = words.next().unwrap_or("/").to_owned();
    let mut request = Request {
        head_only,
        path,
        range: None,
        keep_alive: true,
    };
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
            return Ok(Some(request));
        }
        let Some((name, value)) = header.split_once(':') else {
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "connection" => request.keep_alive = !value.trim().eq_ignore_ascii_case("close"),
            "range" => {
                request.range = value.trim().strip_prefix("bytes=").and_then(|r| {
                    let (start, end) = r.split_once('-')?;
                    Some((start.parse().ok()?, end.parse().ok()))
                });
            }
            _ => {}
        }
    }
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|e| e.to_str()) {
        Some("m3u8") => "application/vnd.apple.mpegurl",
        Some("ts") => "video/mp2t",
        Some("flv") => "video/x-flv",
        Some("mp4" | "m4s") => "video/mp4",
        _ => "application/octet-stream",
    }
}
