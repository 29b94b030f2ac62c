//! A source that goes silent can't hold a thread.

use std::io::{self, Read};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use av::{Error, ErrorKind, Input, Interrupt, OpenOptions};

fn network() -> OpenOptions {
    OpenOptions {
        protocols: "rtmp,rtsp,rtp,udp,tcp,http".to_owned(),
        options: vec![("rtsp_transport".to_owned(), "tcp".to_owned())],
        ..OpenOptions::default()
    }
}

/// A server that accepts and says nothing.
fn silent() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok((connection, _)) = listener.accept() {
            held.push(connection);
        }
    });
    port
}

fn open_and_cancel(url: &str) -> (Error, Duration) {
    let interrupt = Interrupt::new();
    let (url, watched) = (url.to_owned(), interrupt.clone());
    let opening = thread::spawn(move || Input::open_url(&url, &network(), &watched).map(drop));
    thread::sleep(Duration::from_millis(300));
    let cancelled = Instant::now();
    interrupt.cancel();
    let error = opening.join().expect("no panic").expect_err("nobody answered");
    (error, cancelled.elapsed())
}

#[test]
fn cancelling_ends_an_open_that_nobody_answers() {
    let port = silent();
    for scheme in ["rtsp", "rtmp", "http"] {
        let (error, took) = open_and_cancel(&format!("{scheme}://user:secret@127.0.0.1:{port}/live/x"));
        assert_eq!(error.kind, ErrorKind::Cancelled, "{scheme}: {error}");
        assert!(took < Duration::from_secs(1), "{scheme}: {took:?}");
        assert!(!error.message.contains("secret"), "{error}");
    }
}

#[test]
fn a_deadline_ends_it_too_and_is_told_apart() {
    let interrupt = Interrupt::new();
    interrupt.set_deadline(Duration::from_millis(200));
    let url = format!("rtsp://127.0.0.1:{}/x", silent());
    let error = Input::open_url(&url, &network(), &interrupt).expect_err("nobody answered");
    assert_eq!(error.kind, ErrorKind::TimedOut, "{error}");
}

#[test]
fn a_closed_port_is_unreachable_and_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    for scheme in ["rtsp", "rtmp", "http"] {
        let url = format!("{scheme}://127.0.0.1:{port}/x?token=abc");
        let error = Input::open_url(&url, &network(), &Interrupt::new()).expect_err("closed");
        assert_eq!(error.kind, ErrorKind::Unreachable, "{scheme}: {error}");
        assert!(
            error.message.contains("refused") && !error.message.contains("abc"),
            "{error}"
        );
    }
}

/// Never has anything.
struct Dry;

impl Read for Dry {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

#[test]
fn a_reader_without_data_is_interrupted() {
    let interrupt = Interrupt::new();
    interrupt.set_deadline(Duration::from_millis(100));
    let options = OpenOptions {
        format: Some("mpegts".to_owned()),
        ..OpenOptions::default()
    };
    // Opening may succeed: this format has no header.
    let outcome = Input::open_reader(Box::new(Dry), &options, &interrupt).and_then(|mut input| input.read());
    assert_eq!(outcome.expect_err("no data").kind, ErrorKind::TimedOut);
}
