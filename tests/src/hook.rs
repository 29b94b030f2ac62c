//! A receiver of webhooks: takes POSTs, answers what it is told to, and checks signatures as the convention "Standard Webhooks" has it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;

/// A receiver on a port of its own.
#[derive(Debug)]
pub struct Hook {
    shared: Arc<Shared>,
    port: u16,
    accept: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    status: AtomicU16,
    /// Nothing is answered.
    silent: AtomicBool,
    stop: AtomicBool,
    got: Mutex<Vec<Got>>,
}

/// A message as it came.
#[derive(Clone, Debug)]
pub struct Got {
    /// The path and query that it was sent to.
    pub target: String,
    /// Names in lower case, values.
    pub headers: Vec<(String, String)>,
    /// The body, byte for byte.
    pub body: String,
    /// What it was answered; 0 for nothing.
    pub status: u16,
}

impl Got {
    /// The value of a header.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map_or("", |(_, value)| value)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// Its `type`.
    pub fn kind(&self) -> String {
        self.json()["type"].as_str().expect("a type").to_owned()
    }

    /// Whether it is signed with `secret` (`whsec_…`).
    pub fn is_signed(&self, secret: &str) -> bool {
        let key = base64(secret.strip_prefix("whsec_").expect("a secret"));
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&key).expect("keys of any length");
        let signed = format!(
            "{}.{}.{}",
            self.header("webhook-id"),
            self.header("webhook-timestamp"),
            self.body
        );
        mac.update(signed.as_bytes());
        let signatures = self.header("webhook-signature").split(' ');
        signatures
            .filter_map(|one| one.strip_prefix("v1,"))
            .any(|one| mac.clone().verify_slice(&base64(one)).is_ok())
    }
}

/// Reads Base64 with the letters of RFC 4648, section 4.
fn base64(text: &str) -> Vec<u8> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        other => panic!("{other} is no letter of Base64"),
    };
    let letters: Vec<u8> = text.trim_end_matches('=').bytes().map(value).collect();
    let mut out = Vec::new();
    for chunk in letters.chunks(4) {
        let bits = (0..4).fold(0u32, |bits, at| {
            bits << 6 | u32::from(chunk.get(at).copied().unwrap_or(0))
        });
        out.extend(&bits.to_be_bytes()[1..chunk.len()]);
    }
    out
}

impl Hook {
    /// Starts one that answers 204.
    pub fn start() -> Hook {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let shared = Arc::new(Shared {
            status: AtomicU16::new(204),
            silent: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            got: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        let accept = std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.stop.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                // A sender that goes away is no failure of the receiver.
                std::thread::spawn(move || shared.serve(client));
            }
        });
        Hook {
            shared,
            port,
            accept: Some(accept),
        }
    }

    /// Its address.
    pub fn url(&self, target: &str) -> String {
        format!("http://127.0.0.1:{}{target}", self.port)
    }

    /// Answers with this status from now on.
    pub fn answer(&self, status: u16) {
        self.shared.status.store(status, Ordering::Relaxed);
    }

    /// Whether messages are left without an answer from now on.
    pub fn be_silent(&self, silent: bool) {
        self.shared.silent.store(silent, Ordering::Relaxed);
    }

    /// What came so far, each attempt of a message by itself.
    pub fn got(&self) -> Vec<Got> {
        self.shared.got.lock().expect("no holder panics").clone()
    }

    /// What was taken so far: answered with 2xx.
    pub fn taken(&self) -> Vec<Got> {
        let mut all = self.got();
        all.retain(|got| (200..300).contains(&got.status));
        all
    }

    /// Waits until what came is good, and gives it.
    #[track_caller]
    pub fn until(&self, limit: Duration, good: impl Fn(&[Got]) -> bool) -> Vec<Got> {
        let end = Instant::now() + limit;
        loop {
            let got = self.got();
            if good(&got) {
                return got;
            }
            assert!(Instant::now() < end, "after {limit:?}: {got:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Hook {
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
    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        client.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut reader = BufReader::new(client.try_clone()?);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut got = Got {
            target: line.split(' ').nth(1).unwrap_or_default().to_owned(),
            headers: Vec::new(),
            body: String::new(),
            status: 0,
        };
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            got.headers
                .push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let length = got.header("content-length").parse().unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        got.body = String::from_utf8_lossy(&body).into_owned();
        if self.silent.load(Ordering::Relaxed) {
            self.got.lock().expect("no holder panics").push(got);
            // Until the sender gives up.
            let _ = reader.read(&mut [0]);
            return Ok(());
        }
        got.status = self.status.load(Ordering::Relaxed);
        let status = got.status;
        self.got.lock().expect("no holder panics").push(got);
        write!(
            client,
            "HTTP/1.1 {status} Told\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
    }
}
