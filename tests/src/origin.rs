//! An HTTP server that a test writes: one function answers every request, with lies where it wants to.

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::ports;

/// One request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The path with its query, without the first slash.
    pub path: String,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// When it came.
    pub at: Instant,
}

impl Asked {
    /// The value of a header, named in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

type WriteBody = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + Send>;

/// One answer. The connection is kept when the body is as long as it claims to be.
pub struct Reply {
    status: u16,
    headers: Vec<String>,
    body: Body,
    /// What `Content-Length` says; the body's length unless something else is wanted.
    claim: Option<u64>,
    /// Bytes per second.
    rate: Option<u64>,
}

enum Body {
    Bytes(Arc<[u8]>),
    /// The connection ends with it.
    Stream(WriteBody),
    /// The connection stays open and nothing comes.
    Silence,
    /// The connection ends without an answer.
    Close,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({})", self.status)
    }
}

impl Reply {
    /// 200 with these bytes.
    pub fn ok(kind: &str, body: impl Into<Arc<[u8]>>) -> Reply {
        Reply {
            status: 200,
            headers: vec![format!("Content-Type: {kind}")],
            body: Body::Bytes(body.into()),
            claim: None,
            rate: None,
        }
    }

    /// A playlist.
    pub fn playlist(text: &str) -> Reply {
        Reply::ok("application/vnd.apple.mpegurl", text.as_bytes())
    }

    /// A status without a body.
    pub fn status(status: u16) -> Reply {
        Reply {
            status,
            headers: Vec::new(),
            ..Reply::ok("text/plain", [])
        }
    }

    /// 302 to an address.
    pub fn redirect(to: &str) -> Reply {
        Reply::status(302).with(&format!("Location: {to}"))
    }

    /// 200 with a body that the function writes, until it returns or the client leaves.
    pub fn stream(
        kind: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
    ) -> Reply {
        Reply {
            body: Body::Stream(Box::new(write)),
            ..Reply::ok(kind, [])
        }
    }

    /// The request is read and never answered.
    pub fn silence() -> Reply {
        Reply {
            body: Body::Silence,
            ..Reply::status(200)
        }
    }

    /// The connection ends without an answer.
    pub fn close() -> Reply {
        Reply {
            body: Body::Close,
            ..Reply::status(200)
        }
    }

    /// One more header line.
    #[must_use]
    pub fn with(mut self, header: &str) -> Reply {
        self.headers.push(header.to_owned());
        self
    }

    /// `Content-Length` says this, whatever comes.
    #[must_use]
    pub fn claiming(mut self, length: u64) -> Reply {
        self.claim = Some(length);
        self
    }

    /// The length is told truly, and the connection ends after so many bytes.
    #[must_use]
    pub fn cut_after(mut self, bytes: usize) -> Reply {
        if let Body::Bytes(body) = &self.body {
            self.claim = Some(body.len() as u64);
            self.body = Body::Bytes(body.iter().take(bytes).copied().collect());
        }
        self
    }

    /// So many bytes per second.
    #[must_use]
    pub fn dripping(mut self, bytes_per_second: u64) -> Reply {
        self.rate = Some(bytes_per_second.max(1));
        self
    }
}

type Answer = dyn Fn(&Asked) -> Reply + Send + Sync;

/// A running server.
pub struct Origin {
    shared: Arc<Shared>,
    port: u16,
    accept: Option<JoinHandle<()>>,
}

struct Shared {
    answer: Box<Answer>,
    asked: Mutex<Vec<Asked>>,
    stop: AtomicBool,
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({})", self.port)
    }
}

impl Origin {
    /// Starts one on a free port of the loopback.
    pub fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Origin {
        // Another test program may take the port between the look and the binding.
        let (port, listener) = (0..20)
            .map(|_| ports::free())
            .find_map(|port| Some((port, TcpListener::bind(("127.0.0.1", port)).ok()?)))
            .expect("one of twenty free ports can be had");
        let shared = Arc::new(Shared {
            answer: Box::new(answer),
            asked: Mutex::default(),
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
        Origin {
            shared,
            port,
            accept: Some(accept),
        }
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// All that was asked for so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().expect("no holder panics").clone()
    }

    /// How many requests had a path that contains `part`.
    pub fn count(&self, part: &str) -> usize {
        let asked = self.shared.asked.lock().expect("no holder panics");
        asked.iter().filter(|asked| asked.path.contains(part)).count()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.accept.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn serve(&self, client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        client.set_read_timeout(Some(Duration::from_secs(60)))?;
        // A stream to a client that reads nothing more must end with the test.
        client.set_write_timeout(Some(Duration::from_secs(30)))?;
        let mut reader = BufReader::new(client.try_clone()?);
        while let Some(asked) = read_request(&mut reader)? {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.asked.lock().expect("no holder panics").push(asked.clone());
            if !self.reply((self.answer)(&asked), &client)? {
                break;
            }
        }
        client.shutdown(Shutdown::Both)
    }

    /// Writes one answer; false when the connection must end.
    fn reply(&self, reply: Reply, mut client: &TcpStream) -> io::Result<bool> {
        let mut head = format!("HTTP/1.1 {} Scripted\r\n", reply.status);
        for header in &reply.headers {
            head += &format!("{header}\r\n");
        }
        match reply.body {
            Body::Close => Ok(false),
            Body::Silence => {
                while !self.stop.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Ok(false)
            }
            Body::Stream(write) => {
                head += "Connection: close\r\n\r\n";
                client.write_all(head.as_bytes())?;
                write(&mut client)?;
                Ok(false)
            }
            Body::Bytes(body) => {
                let length = body.len() as u64;
                let claim = reply.claim.unwrap_or(length);
                head += &format!("Content-Length: {claim}\r\n\r\n");
                client.write_all(head.as_bytes())?;
                self.send(&body, client, reply.rate)?;
                Ok(claim == length)
            }
        }
    }

    fn send(&self, body: &[u8], mut client: &TcpStream, rate: Option<u64>) -> io::Result<()> {
        let Some(rate) = rate else {
            return client.write_all(body);
        };
        let piece = (rate / 10).clamp(1, 65536);
        for piece in body.chunks(piece as usize) {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            client.write_all(piece)?;
            std::thread::sleep(Duration::from_secs_f64(piece.len() as f64 / rate as f64));
        }
        Ok(())
    }
}

fn read_request(reader: &mut impl BufRead) -> io::Result<Option<Asked>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split_whitespace().nth(1).unwrap_or("/");
    let mut asked = Asked {
        path: path.trim_start_matches('/').to_owned(),
        headers: Vec::new(),
        at: Instant::now(),
    };
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
            return Ok(Some(asked));
        }
        if let Some((name, value)) = header.split_once(':') {
            asked
                .headers
                .push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
}
