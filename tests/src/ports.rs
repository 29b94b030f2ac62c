//! Free loopback ports.

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// A TCP port on 127.0.0.1 that nothing listens on, and that no other call in this process was given.
///
/// It lies below the kernel's range for outgoing connections, so that none of these takes it in the meantime.
pub fn free() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 10_000;
    // Two test processes at the same time begin at different places.
    let start = (std::process::id() % 97) as u16 * 100;
    for _ in 0..COUNT {
        let port = FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port from {FIRST} on");
}

/// Waits until something accepts connections on `port`.
///
/// # Panics
/// When nothing does within ten seconds, with `describe`'s text (the server's log).
pub fn wait_until_open(port: u16, describe: impl Fn() -> String) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(
            Instant::now() < deadline,
            "port {port} stayed closed for 10 s\n{}",
            describe()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until `ready` is true, looking every 20 ms.
///
/// # Panics
/// When it isn't within `limit`, saying `what` was waited for.
pub fn wait_for(what: &str, limit: Duration, mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !ready() {
        assert!(Instant::now() < deadline, "waited {limit:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
