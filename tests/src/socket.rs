//! A WebSocket client (RFC 6455) that is told everything: the handshake's answer, and frames of text.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// An open connection.
#[derive(Debug)]
pub struct Socket {
    stream: BufReader<TcpStream>,
}

/// The key of the example of RFC 6455, and what a server makes of it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

impl Socket {
    /// Opens `path` of a server on loopback, as a page of any origin does.
    ///
    /// # Errors
    /// The status of a refused handshake.
    pub fn open(port: u16, path: &str) -> Result<Socket, u16> {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server accepts");
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a limit that is not zero");
        let mut stream = BufReader::new(stream);
        let asked = format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://elsewhere.example\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
        );
        stream
            .get_mut()
            .write_all(asked.as_bytes())
            .expect("the server reads");
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).expect("an answer") > 0 {}
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        match status {
            Some(101) => {
                let accepted = head
                    .lines()
                    .filter_map(|line| line.split_once(": "))
                    .any(|(name, value)| {
                        name.eq_ignore_ascii_case("sec-websocket-accept") && value == ACCEPT
                    });
                assert!(accepted, "{head}");
                Ok(Socket { stream })
            }
            status => Err(status.unwrap_or(0)),
        }
    }

    /// Sends a text.
    pub fn say(&mut self, text: &str) {
        let length = u8::try_from(text.len())
            .ok()
            .filter(|length| *length < 126)
            .expect("a short text");
        let mask = [0x5a, 0x01, 0xfe, 0x77];
        let mut frame = vec![0x81, 0x80 | length];
        frame.extend_from_slice(&mask);
        frame.extend(
            text.bytes()
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        self.stream.get_mut().write_all(&frame).expect("the server reads");
    }

    /// The next text as JSON; `None` when nothing comes for `limit`, or the server has closed.
    pub fn hear(&mut self, limit: Duration) -> Option<Value> {
        self.stream
            .get_ref()
            .set_read_timeout(Some(limit))
            .expect("a limit that is not zero");
        let (kind, payload) = self.frame().ok()?;
        (kind == 1).then(|| serde_json::from_slice(&payload).expect("JSON"))
    }

    fn frame(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head)?;
        let length = match head[1] & 0x7f {
            126 => {
                let mut long = [0; 2];
                self.stream.read_exact(&mut long)?;
                usize::from(u16::from_be_bytes(long))
            }
            length => usize::from(length),
        };
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload)?;
        Ok((head[0] & 0x0f, payload))
    }
}
