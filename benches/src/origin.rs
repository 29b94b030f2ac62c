//! A live HTTP-FLV origin: plays one FLV file to every client at its own pace, again and again, with times that go on.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often what is due is sent.
const PACE: Duration = Duration::from_millis(10);

/// A server that runs until it is dropped.
pub struct Origin {
    port: u16,
    quit: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Origin {
    /// Serves the FLV file at `path`.
    ///
    /// # Errors
    /// The file is no FLV file, or no port is free.
    pub fn start(path: &Path) -> io::Result<Self> {
        Self::start_at(path, 1)
    }

    /// As [`start`](Self::start), `speed` times as fast as it was made.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_at(path: &Path, speed: u32) -> io::Result<Self> {
        let film = Arc::new(Film::read(&fs::read(path)?)?);
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let quit = Arc::new(AtomicBool::new(false));
        let (sender, clients) = channel();
        let stop = Arc::clone(&quit);
        let accepting = thread::Builder::new()
            .name("accept".to_owned())
            .spawn(move || accept(&listener, &sender, &stop))?;
        let stop = Arc::clone(&quit);
        let playing = thread::Builder::new()
            .name("play".to_owned())
            .spawn(move || play(&film, speed, &clients, &stop))?;
        Ok(Self {
            port,
            quit,
            threads: vec![accepting, playing],
        })
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/live.flv", self.port)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.quit.store(true, Ordering::Relaxed);
        // Wakes the accepting thread.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// An FLV file, tag by tag.
struct Film {
    /// File header and the tags that stand for no time: metadata and decoder configurations.
    head: Vec<u8>,
    tags: Vec<Tag>,
    /// Milliseconds after which it begins again.
    period: u32,
}

struct Tag {
    time: u32,
    bytes: Vec<u8>,
}

impl Film {
    fn read(file: &[u8]) -> io::Result<Self> {
        let broken = || io::Error::other("no FLV file");
        let mut film = Self {
            head: file.get(..13).ok_or_else(broken)?.to_vec(),
            tags: Vec::new(),
            period: 0,
        };
        let mut rest = file.get(13..).ok_or_else(broken)?;
        while let Some(&[kind, a, b, c, t1, t2, t3, t0, ..]) = rest.first_chunk::<11>() {
            let size = u32::from_be_bytes([0, a, b, c]) as usize;
            let Some(bytes) = rest.get(..size + 15) else { break };
            rest = rest.get(size + 15..).unwrap_or_default();
            let time = u32::from_be_bytes([t0, t1, t2, t3]);
            let configures = match (kind, bytes.get(11), bytes.get(12)) {
                (18, ..) => true,
                (9, Some(first), Some(0)) => first & 15 == 7,
                (8, Some(first), Some(0)) => first >> 4 == 10,
                _ => false,
            };
            if configures {
                film.head.extend_from_slice(bytes);
            } else {
                film.period = film.period.max(time + 33);
                film.tags.push(Tag {
                    time,
                    bytes: bytes.to_vec(),
                });
            }
        }
        if film.tags.is_empty() {
            return Err(broken());
        }
        Ok(film)
    }
}

struct Client {
    stream: TcpStream,
    since: Instant,
    next: usize,
    /// Milliseconds of all rounds before this one.
    before: u32,
}

fn accept(listener: &TcpListener, clients: &Sender<TcpStream>, quit: &AtomicBool) {
    for stream in listener.incoming().flatten() {
        if quit.load(Ordering::Relaxed) || clients.send(stream).is_err() {
            return;
        }
    }
}

fn play(film: &Film, speed: u32, arriving: &Receiver<TcpStream>, quit: &AtomicBool) {
    let mut clients: Vec<Client> = Vec::new();
    let mut due = Vec::new();
    let begun = Instant::now();
    while !quit.load(Ordering::Relaxed) {
        for stream in arriving.try_iter() {
            clients.extend(greet(film, stream));
        }
        clients.retain_mut(|client| {
            due.clear();
            client.take_due(film, speed, &mut due);
            due.is_empty() || client.stream.write_all(&due).is_ok()
        });
        let rest = begun.elapsed().as_nanos() % PACE.as_nanos();
        thread::sleep(PACE.saturating_sub(Duration::from_nanos(u64::try_from(rest).unwrap_or(0))));
    }
}

/// Reads the request and answers it; `None` for a client that says nothing.
fn greet(film: &Film, mut stream: TcpStream) -> Option<Client> {
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    stream.set_write_timeout(Some(Duration::from_secs(1))).ok()?;
    stream.set_nodelay(true).ok()?;
    let mut request = Vec::new();
    let mut chunk = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < 16 << 10 {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return None,
            Ok(read) => request.extend_from_slice(chunk.get(..read)?),
        }
    }
    let mut answer =
        b"HTTP/1.1 200 OK\r\nContent-Type: video/x-flv\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n".to_vec();
    answer.extend_from_slice(&film.head);
    stream.write_all(&answer).ok()?;
    Some(Client {
        stream,
        since: Instant::now(),
        next: 0,
        before: 0,
    })
}

impl Client {
    fn take_due(&mut self, film: &Film, speed: u32, due: &mut Vec<u8>) {
        let now = u32::try_from((self.since.elapsed() * speed).as_millis()).unwrap_or(u32::MAX);
        while let Some(tag) = film.tags.get(self.next) {
            let time = self.before.saturating_add(tag.time);
            if time > now {
                return;
            }
            let at = due.len();
            due.extend_from_slice(&tag.bytes);
            let [t0, t1, t2, t3] = time.to_be_bytes();
            if let Some(field) = due.get_mut(at + 4..at + 8) {
                field.copy_from_slice(&[t1, t2, t3, t0]);
            }
            self.next += 1;
            if self.next == film.tags.len() {
                self.next = 0;
                self.before = self.before.saturating_add(film.period);
            }
        }
    }
}
