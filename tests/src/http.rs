//! A small HTTP/1.1 client that shows everything: status, headers, and a body that ended too early.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// One connection, kept alive.
#[derive(Debug)]
pub struct Client {
    port: u16,
    host: String,
    stream: Option<BufReader<TcpStream>>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status; 0 when the connection ended without one.
    pub status: u16,
    /// Names in lower case, values.
    pub headers: Vec<(String, String)>,
    /// The body as far as it came.
    pub body: Vec<u8>,
    /// Whether as much came as `Content-Length` says.
    pub complete: bool,
}

impl Answer {
    /// The value of a header, named in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Client {
    /// A client of a server on loopback, which is told that it is called `host`.
    pub fn new(port: u16, host: &str) -> Client {
        Client {
            port,
            host: host.to_owned(),
            stream: None,
        }
    }

    /// GET without further headers.
    pub fn get(&mut self, target: &str) -> Answer {
        self.ask("GET", target, &[])
    }

    /// One request with further header lines. A connection that the server closed in the meantime is opened again.
    pub fn ask(&mut self, method: &str, target: &str, headers: &[&str]) -> Answer {
        self.send(method, target, headers, None)
    }

    /// One request with further header lines and a body.
    pub fn send(&mut self, method: &str, target: &str, headers: &[&str], body: Option<&[u8]>) -> Answer {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n", self.host);
        for header in headers {
            head += &format!("{header}\r\n");
        }
        if let Some(body) = body {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        head += "\r\n";
        let request = [head.as_bytes(), body.unwrap_or_default()].concat();
        for _ in 0..2 {
            if self.stream.is_none() {
                let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the server accepts");
                stream
                    .set_read_timeout(Some(Duration::from_secs(30)))
                    .expect("a limit that is not zero");
                self.stream = Some(BufReader::new(stream));
            }
            let mut stream = self.stream.take().expect("just opened");
            if stream.get_mut().write_all(&request).is_err() {
                continue;
            }
            if let Ok(answer) = read(&mut stream, method == "HEAD") {
                let close = answer.header("connection") == Some("close");
                if answer.complete && !close {
                    self.stream = Some(stream);
                }
                return answer;
            }
        }
        Answer {
            status: 0,
            headers: Vec::new(),
            body: Vec::new(),
            complete: false,
        }
    }
}

fn read(stream: &mut BufReader<TcpStream>, head: bool) -> io::Result<Answer> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut answer = Answer {
        status,
        headers,
        body: Vec::new(),
        complete: true,
    };
    if answer.header("transfer-encoding") == Some("chunked") && !head {
        answer.complete = read_chunks(stream, &mut answer.body).is_ok();
        return Ok(answer);
    }
    let length: u64 = answer
        .header("content-length")
        .and_then(|value| value.parse().ok())
        .unwrap_or(0);
    if !head && status != 304 {
        // What came before an error is kept.
        let _ = stream.take(length).read_to_end(&mut answer.body);
        answer.complete = answer.body.len() as u64 == length;
    }
    Ok(answer)
}

fn read_chunks(stream: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> io::Result<()> {
    let mut line = String::new();
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let length = u64::from_str_radix(line.trim(), 16).map_err(|_| io::ErrorKind::InvalidData)?;
        let read = stream.take(length).read_to_end(body)?;
        line.clear();
        stream.read_line(&mut line)?;
        match length {
            0 => return Ok(()),
            _ if read as u64 == length && line.trim().is_empty() => {}
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
