//! An RTSP server that sends everybody elsewhere.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

/// A running server.
#[derive(Debug)]
pub struct RtspRedirect {
    address: (Ipv4Addr, u16),
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl RtspRedirect {
    /// Starts one at an address of loopback whose answer to DESCRIBE is a redirect to `location`; `{port}` in it is its own port.
    pub fn start(at: [u8; 4], location: &str) -> RtspRedirect {
        let listener = TcpListener::bind((Ipv4Addr::from(at), 0)).expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let location = location.replace("{port}", &port.to_string());
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (ends, counts) = (Arc::clone(&stop), Arc::clone(&asked));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                // A client that is gone already is no concern of ours.
                let _ = answer(&stream, &location, &counts);
            }
        });
        RtspRedirect {
            address: (Ipv4Addr::from(at), port),
            stop,
            asked,
            thread: Some(thread),
        }
    }

    /// The address of its stream.
    pub fn url(&self) -> String {
        format!("rtsp://{}:{}/live", self.address.0, self.address.1)
    }

    /// How often it sent somebody elsewhere.
    pub fn redirects(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for RtspRedirect {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer(stream: &TcpStream, location: &str, counts: &AtomicU64) -> std::io::Result<()> {
    stream.set_read_timeout(Some(std::time::Duration::from_secs(5)))?;
    let (mut method, mut sequence) = (String::new(), String::from("1"));
    for line in BufReader::new(stream).lines() {
        let line = line?;
        if method.is_empty() {
            method = line.split(' ').next().unwrap_or_default().to_owned();
        }
        if let Some(number) = line.strip_prefix("CSeq:") {
            sequence = number.trim().to_owned();
        }
        if !line.is_empty() {
            continue;
        }
        let mut out = stream;
        if method == "DESCRIBE" {
            counts.fetch_add(1, Ordering::Relaxed);
            write!(
                out,
                "RTSP/1.0 302 Found\r\nCSeq: {sequence}\r\nLocation: {location}\r\n\r\n"
            )?;
        } else {
            write!(
                out,
                "RTSP/1.0 200 OK\r\nCSeq: {sequence}\r\nPublic: OPTIONS, DESCRIBE, SETUP, PLAY\r\n\r\n"
            )?;
        }
        method.clear();
    }
    Ok(())
}
