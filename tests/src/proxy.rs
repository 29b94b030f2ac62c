//! A TCP proxy that misbehaves on demand: slow, cut, damaging, or silent with its sockets open.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::ports;

/// Forwards connections to one target port on loopback.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    port: u16,
    accept: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    target: u16,
    stop: AtomicBool,
    /// New connections are reset at once.
    refuse: AtomicBool,
    delay_ms: AtomicU64,
    /// Bytes per second and direction; 0 is no limit.
    rate: AtomicU64,
    /// Of so many bytes from the server one is changed; 0 is none.
    corrupt: AtomicU64,
    links: Mutex<Vec<Arc<Link>>>,
    accepted: Mutex<Vec<Instant>>,
}

#[derive(Debug)]
struct Link {
    client: TcpStream,
    server: TcpStream,
    frozen: AtomicBool,
    /// The pumps leave without a FIN; the last of them closes the sockets, which sends the reset.
    cut: AtomicBool,
}

impl Proxy {
    /// Starts a proxy to `target` on a free port.
    pub fn start(target: u16) -> Proxy {
        let port = ports::free();
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port was free a moment ago");
        let shared = Arc::new(Shared {
            target,
            ..Shared::default()
        });
        let accepting = Arc::clone(&shared);
        let accept = std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.stop.load(Ordering::Relaxed) {
                    return;
                }
                // A target that is down: the client's connection ends, as it would without us.
                let _ = accepting.connect(client);
            }
        });
        Proxy {
            shared,
            port,
            accept: Some(accept),
        }
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections were accepted so far.
    pub fn accepted(&self) -> u64 {
        self.attempts().len() as u64
    }

    /// When connections were accepted or refused.
    pub fn attempts(&self) -> Vec<Instant> {
        self.shared.accepted.lock().expect("no holder panics").clone()
    }

    /// The present connections go silent for ever, with their sockets open; new ones work.
    pub fn freeze(&self) {
        self.each(|link| link.frozen.store(true, Ordering::Relaxed));
    }

    /// The frozen connections go on where they stopped.
    pub fn thaw(&self) {
        self.each(|link| link.frozen.store(false, Ordering::Relaxed));
    }

    /// Ends the present connections with a TCP reset.
    pub fn cut(&self) {
        self.each(|link| {
            reset_on_close(&link.client);
            reset_on_close(&link.server);
            link.cut.store(true, Ordering::Relaxed);
        });
        self.shared.links.lock().expect("no holder panics").clear();
    }

    /// Whether new connections are reset at once.
    pub fn refuse(&self, refuse: bool) {
        self.shared.refuse.store(refuse, Ordering::Relaxed);
    }

    /// Holds every piece of data back for so long.
    pub fn delay(&self, delay: Duration) {
        self.shared
            .delay_ms
            .store(delay.as_millis() as u64, Ordering::Relaxed);
    }

    /// Forwards at most so many bytes per second in each direction; 0 is no limit.
    pub fn throttle(&self, bytes_per_second: u64) {
        self.shared.rate.store(bytes_per_second, Ordering::Relaxed);
    }

    /// Changes one byte in so many of what the server sends; 0 changes none.
    pub fn corrupt(&self, one_in: u64) {
        self.shared.corrupt.store(one_in, Ordering::Relaxed);
    }

    fn each(&self, act: impl Fn(&Link)) {
        self.shared
            .links
            .lock()
            .expect("no holder panics")
            .iter()
            .for_each(|link| act(link));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.cut();
        // Wakes the accepting thread.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.accept.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn connect(self: &Arc<Self>, client: TcpStream) -> io::Result<()> {
        self.accepted
            .lock()
            .expect("no holder panics")
            .push(Instant::now());
        if self.refuse.load(Ordering::Relaxed) {
            reset_on_close(&client);
            return Ok(());
        }
        let server = TcpStream::connect(("127.0.0.1", self.target))?;
        for socket in [&client, &server] {
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(Duration::from_millis(20)))?;
            socket.set_write_timeout(Some(Duration::from_secs(10)))?;
        }
        let link = Arc::new(Link {
            client,
            server,
            frozen: AtomicBool::new(false),
            cut: AtomicBool::new(false),
        });
        self.links
            .lock()
            .expect("no holder panics")
            .push(Arc::clone(&link));
        for upstream in [true, false] {
            let (shared, link) = (Arc::clone(self), Arc::clone(&link));
            std::thread::spawn(move || {
                let (from, to) = if upstream {
                    (&link.client, &link.server)
                } else {
                    (&link.server, &link.client)
                };
                let _ = shared.pump(&link, from, to, upstream);
                if !link.cut.load(Ordering::Relaxed) {
                    let _ = to.shutdown(Shutdown::Write);
                }
            });
        }
        Ok(())
    }

    /// Changes bytes of what the server sends; `count` is how many came before.
    fn damage(&self, bytes: &mut [u8], count: u64) {
        let one_in = self.corrupt.load(Ordering::Relaxed);
        if one_in == 0 {
            return;
        }
        for (at, byte) in (count..).zip(bytes) {
            if at % one_in == one_in - 1 {
                *byte ^= 0x55;
            }
        }
    }

    fn pump(&self, link: &Link, mut from: &TcpStream, mut to: &TcpStream, upstream: bool) -> io::Result<()> {
        let mut buffer = [0; 16384];
        let mut count = 0;
        while !self.stop.load(Ordering::Relaxed) && !link.cut.load(Ordering::Relaxed) {
            if link.frozen.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(20));
                continue;
            }
            let read = match from.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => continue,
                Err(e) => return Err(e),
            };
            while link.frozen.load(Ordering::Relaxed) && !link.cut.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(20));
            }
            let delay = Duration::from_millis(self.delay_ms.load(Ordering::Relaxed));
            let rate = self.rate.load(Ordering::Relaxed);
            let pace = if rate == 0 { 0.0 } else { read as f64 / rate as f64 };
            std::thread::sleep(delay + Duration::from_secs_f64(pace));
            if !upstream {
                self.damage(&mut buffer[..read], count);
                count += read as u64;
            }
            to.write_all(&buffer[..read])?;
        }
        Ok(())
    }
}

/// Makes the close of a socket send RST instead of FIN: what a router answers that forgot the connection.
fn reset_on_close(socket: &TcpStream) {
    let _ = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO));
}
