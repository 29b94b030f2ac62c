//! A connection on which bytes are written one by one, for clients that no library would be.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A connection to a server on loopback.
#[derive(Debug)]
pub struct Raw(TcpStream);

impl Raw {
    /// Connects.
    pub fn connect(port: u16) -> Raw {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server accepts");
        stream.set_nodelay(true).expect("a connection");
        Raw(stream)
    }

    /// Connects from another address of this machine.
    pub fn connect_from(address: [u8; 4], port: u16) -> Raw {
        use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        bind(&socket, &SocketAddr::from((address, 0))).expect("an address of loopback");
        connect(&socket, &SocketAddr::from(([127, 0, 0, 1], port))).expect("the server accepts");
        Raw(TcpStream::from(socket))
    }

    /// Connects, sends a text, and gives all that comes until the server closes, or `limit` is over.
    pub fn ask(port: u16, text: &str, limit: Duration) -> String {
        let mut raw = Raw::connect(port);
        raw.send(text.as_bytes());
        raw.rest(limit).0
    }

    /// Sends bytes; false when the server has closed.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// All that comes until the server closes, and how long that took; at most `limit`.
    ///
    /// # Panics
    /// When the server has not closed by then.
    #[track_caller]
    pub fn rest(&mut self, limit: Duration) -> (String, Duration) {
        let began = Instant::now();
        let mut all = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let left = limit.saturating_sub(began.elapsed());
            assert!(
                !left.is_zero(),
                "still open after {limit:?}: {}",
                String::from_utf8_lossy(&all)
            );
            self.0
                .set_read_timeout(Some(left))
                .expect("a limit that is not zero");
            match self.0.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => all.extend_from_slice(&buffer[..count]),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                }
                // The server closed with bytes unread.
                Err(_) => break,
            }
        }
        (String::from_utf8_lossy(&all).into_owned(), began.elapsed())
    }

    /// Whether the server has closed it by now.
    pub fn is_closed(&mut self) -> bool {
        self.0
            .set_read_timeout(Some(Duration::from_millis(1)))
            .expect("a limit that is not zero");
        loop {
            match self.0.read(&mut [0; 4096]) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => {
                    return !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
                }
            }
        }
    }
}
