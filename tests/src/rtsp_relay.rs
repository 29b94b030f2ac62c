//! An RTSP camera of our own: ffmpeg makes the RTP of any codec, and we hand it out over TCP or over a UDP that loses and reorders.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

use crate::ports;
use crate::process::Process;

/// What the camera sends, over and over.
#[derive(Clone, Debug)]
pub struct Feed {
    /// The file; its pictures are copied.
    pub file: PathBuf,
    /// ffmpeg's options for the sound, `-c:a g726 -ar 8000`; empty is no sound.
    pub sound: Vec<&'static str>,
    /// Whether there is a track of data beside them, as cameras send their events.
    pub data: bool,
}

/// A running camera at `/live`.
pub struct Relay {
    shared: Arc<Shared>,
    port: u16,
    sender: Process,
    _dir: TempDir,
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Relay({})", self.port)
    }
}

#[derive(Default)]
struct Shared {
    sdp: Mutex<String>,
    clients: Mutex<Vec<Arc<Client>>>,
    stop: AtomicBool,
    /// Of a hundred packets over UDP so many are lost.
    lost: AtomicU32,
    /// Of a hundred packets over UDP so many come after the next one.
    late: AtomicU32,
    /// UDP is refused.
    tcp_only: AtomicBool,
    /// Nothing of this track is handed out.
    mute: Mutex<Option<usize>>,
    dropped: AtomicU64,
    udp: AtomicU64,
    tcp: AtomicU64,
}

/// Where one client wants which track.
#[derive(Clone, Copy, Debug)]
enum Way {
    Inside(u8),
    Udp(u16),
}

struct Client {
    connection: Mutex<TcpStream>,
    ways: Mutex<Vec<Option<Way>>>,
    plays: AtomicBool,
    gone: AtomicBool,
    socket: UdpSocket,
    /// A packet that is sent after the next one, by track.
    held: Mutex<Vec<Option<Vec<u8>>>>,
}

impl Relay {
    /// Starts to send.
    pub fn start(feed: &Feed) -> Relay {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let shared = Arc::new(Shared::default());
        let count = 1 + usize::from(!feed.sound.is_empty());
        let pairs: Vec<[UdpSocket; 2]> = (0..count).map(|_| pair()).collect();
        let url = |index: usize| {
            let port = pairs[index][0].local_addr().expect("it is bound").port();
            format!("rtp://127.0.0.1:{port}?pkt_size=1200")
        };
        let mut command = Command::new("ffmpeg");
        command.args([
            "-nostdin",
            "-hide_banner",
            "-loglevel",
            "warning",
            "-re",
            "-stream_loop",
            "-1",
        ]);
        command.arg("-i").arg(&feed.file);
        command.args(["-map", "0:v", "-c:v", "copy", "-f", "rtp", &url(0)]);
        if count > 1 {
            command
                .args(["-map", "0:a"])
                .args(&feed.sound)
                .args(["-f", "rtp", &url(1)]);
        }
        let description = dir.path().join("live.sdp");
        command.arg("-sdp_file").arg(&description);
        let sender = Process::start("camera", &mut command, dir.path());
        ports::wait_for("the camera's description", Duration::from_secs(10), || {
            std::fs::read_to_string(&description).is_ok_and(|text| text.matches("m=").count() == count)
        });
        let text = std::fs::read_to_string(&description).expect("just read");
        *shared.sdp.lock().expect("no holder panics") = described(&text, feed.data);

        for (track, sockets) in pairs.into_iter().enumerate() {
            for (control, socket) in sockets.into_iter().enumerate() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || shared.relay(&socket, track, control == 1));
            }
        }
        if feed.data {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.tell_data(count));
        }
        let port = ports::free();
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port was free a moment ago");
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                if accepting.stop.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || shared.serve(connection));
            }
        });
        Relay {
            shared,
            port,
            sender,
            _dir: dir,
        }
    }

    /// The port of RTSP.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address.
    pub fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/live", self.port)
    }

    /// Over UDP so many packets of a hundred are lost, and so many come after the next one.
    pub fn disturb(&self, lost: u32, late: u32) {
        self.shared.lost.store(lost, Ordering::Relaxed);
        self.shared.late.store(late, Ordering::Relaxed);
    }

    /// Refuses UDP, as a camera does that is told so.
    pub fn tcp_only(&self) {
        self.shared.tcp_only.store(true, Ordering::Relaxed);
    }

    /// Nothing of the second track comes, though it is announced.
    pub fn mute_sound(&self) {
        *self.shared.mute.lock().expect("no holder panics") = Some(1);
    }

    /// How many packets were lost, and how many were sent over UDP and over TCP.
    pub fn counts(&self) -> (u64, u64, u64) {
        let Shared {
            dropped, udp, tcp, ..
        } = &*self.shared;
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (get(dropped), get(udp), get(tcp))
    }

    /// Asserts that it still sends.
    #[track_caller]
    pub fn assert_alive(&mut self) {
        assert!(self.sender.is_running(), "{}", self.sender.describe());
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// Two sockets at an even port and the next one.
fn pair() -> [UdpSocket; 2] {
    for _ in 0..200 {
        let port = ports::free() & !1;
        let bind = |port: u16| {
            let socket = UdpSocket::bind(("127.0.0.1", port))?;
            socket.set_read_timeout(Some(Duration::from_millis(200)))?;
            Ok::<_, io::Error>(socket)
        };
        if let (Ok(media), Ok(control)) = (bind(port), bind(port + 1)) {
            return [media, control];
        }
    }
    panic!("no two free ports beside each other");
}

/// ffmpeg's description as a camera gives it.
fn described(text: &str, data: bool) -> String {
    let mut out = String::new();
    let mut track = 0;
    let mut open = false;
    for line in text.lines().filter(|line| line.get(1..2) == Some("=")) {
        if let Some(rest) = line.strip_prefix("m=") {
            if open {
                out += &format!("a=control:track{track}\r\n");
                track += 1;
            }
            open = true;
            let mut words = rest.split(' ');
            let kind = words.next().unwrap_or_default();
            let rest: Vec<&str> = words.skip(1).collect();
            out += &format!("m={kind} 0 {}\r\n", rest.join(" "));
        } else {
            out += &format!("{line}\r\n");
        }
    }
    out += &format!("a=control:track{track}\r\n");
    if data {
        out += &format!(
            "m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\na=control:track{}\r\n",
            track + 1
        );
    }
    out
}

impl Shared {
    fn relay(&self, socket: &UdpSocket, track: usize, control: bool) {
        let mut buffer = [0; 65536];
        let mut random: u64 = 0x9e37_79b9_7f4a_7c15 + track as u64;
        while !self.stop.load(Ordering::Relaxed) {
            if let Ok(length) = socket.recv(&mut buffer) {
                self.hand_out(&buffer[..length], track, control, &mut random);
            }
        }
    }

    fn hand_out(&self, packet: &[u8], track: usize, control: bool, random: &mut u64) {
        if *self.mute.lock().expect("no holder panics") == Some(track) {
            return;
        }
        let clients = self.clients.lock().expect("no holder panics").clone();
        for client in clients
            .iter()
            .filter(|client| client.plays.load(Ordering::Relaxed))
        {
            let way = client
                .ways
                .lock()
                .expect("no holder panics")
                .get(track)
                .copied()
                .flatten();
            match way {
                Some(Way::Inside(channel)) => {
                    self.tcp.fetch_add(1, Ordering::Relaxed);
                    let length = (packet.len() as u16).to_be_bytes();
                    let head = [b'$', channel + u8::from(control), length[0], length[1]];
                    let mut connection = client.connection.lock().expect("no holder panics");
                    let sent = connection.write_all(&[&head, packet].concat());
                    client.gone.fetch_or(sent.is_err(), Ordering::Relaxed);
                }
                Some(Way::Udp(port)) => self.scatter(client, packet, track, (port, control), random),
                None => {}
            }
        }
        let mut clients = self.clients.lock().expect("no holder panics");
        clients.retain(|client| !client.gone.load(Ordering::Relaxed));
    }

    fn scatter(
        &self,
        client: &Client,
        packet: &[u8],
        track: usize,
        (port, control): (u16, bool),
        random: &mut u64,
    ) {
        let to = ("127.0.0.1", port + u16::from(control));
        // A client that is gone is told by ICMP.
        let send = |packet: &[u8]| drop(client.socket.send_to(packet, to));
        if control {
            return send(packet);
        }
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        let dice = (*random >> 33) as u32 % 100;
        let lost = self.lost.load(Ordering::Relaxed);
        if dice < lost {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.udp.fetch_add(1, Ordering::Relaxed);
        let mut held = client.held.lock().expect("no holder panics");
        if held.len() <= track {
            held.resize(track + 1, None);
        }
        if dice < lost + self.late.load(Ordering::Relaxed) && held[track].is_none() {
            held[track] = Some(packet.to_vec());
            return;
        }
        send(packet);
        if let Some(late) = held[track].take() {
            send(&late);
        }
    }

    /// One packet of text each half second.
    fn tell_data(&self, track: usize) {
        let mut random = 1;
        for number in 0_u32.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            std::thread::sleep(Duration::from_millis(500));
            let mut packet = vec![0x80, 0x80 | 107];
            packet.extend_from_slice(&(number as u16).to_be_bytes());
            packet.extend_from_slice(&(number * 45_000).to_be_bytes());
            packet.extend_from_slice(&[1, 2, 3, 4]);
            packet.extend_from_slice(b"<tt:MetadataStream/>");
            self.hand_out(&packet, track, false, &mut random);
        }
    }

    fn serve(&self, connection: TcpStream) -> io::Result<()> {
        connection.set_nodelay(true)?;
        connection.set_write_timeout(Some(Duration::from_secs(20)))?;
        let mut reader = BufReader::new(connection.try_clone()?);
        let client = Arc::new(Client {
            connection: Mutex::new(connection),
            ways: Mutex::default(),
            plays: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            socket: UdpSocket::bind("127.0.0.1:0")?,
            held: Mutex::default(),
        });
        self.clients
            .lock()
            .expect("no holder panics")
            .push(Arc::clone(&client));
        let served = self.converse(&mut reader, &client);
        client.gone.store(true, Ordering::Relaxed);
        client.plays.store(false, Ordering::Relaxed);
        served
    }

    fn converse(&self, reader: &mut impl BufRead, client: &Client) -> io::Result<()> {
        loop {
            // Reports of the client, inside the connection.
            while reader.fill_buf()?.first() == Some(&b'$') {
                let mut head = [0; 4];
                reader.read_exact(&mut head)?;
                let length = u16::from_be_bytes([head[2], head[3]]);
                io::copy(&mut reader.by_ref().take(length.into()), &mut io::sink())?;
            }
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line)? == 0 {
                    return Ok(());
                }
                if line.trim().is_empty() {
                    break;
                }
                lines.push(line.trim().to_owned());
            }
            let answer = self.answer(&lines, client);
            client
                .connection
                .lock()
                .expect("no holder panics")
                .write_all(answer.as_bytes())?;
        }
    }

    fn answer(&self, lines: &[String], client: &Client) -> String {
        let first = lines.first().map(String::as_str).unwrap_or_default();
        let mut words = first.split(' ');
        let (method, url) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let header = |name: &str| {
            lines
                .iter()
                .find_map(|line| line.strip_prefix(name))
                .map(str::trim)
        };
        let sequence = header("CSeq:").unwrap_or_default();
        let good = |more: &str| format!("RTSP/1.0 200 OK\r\nCSeq: {sequence}\r\nSession: 1\r\n{more}");
        match method {
            "OPTIONS" => good("Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN\r\n\r\n"),
            "DESCRIBE" => {
                let sdp = self.sdp.lock().expect("no holder panics").clone();
                good(&format!(
                    "Content-Base: {url}/\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
                    sdp.len()
                ))
            }
            "SETUP" => {
                let track: usize = url
                    .rsplit("track")
                    .next()
                    .and_then(|n| n.parse().ok())
                    .unwrap_or(0);
                let transport = header("Transport:").unwrap_or_default();
                let number = |name: &str| {
                    let text = transport.split(name).nth(1)?;
                    text.split(['-', ';']).next()?.parse::<u16>().ok()
                };
                let way = if transport.contains("TCP") {
                    Some(Way::Inside(number("interleaved=").unwrap_or(0) as u8))
                } else if self.tcp_only.load(Ordering::Relaxed) {
                    None
                } else {
                    number("client_port=").map(Way::Udp)
                };
                let Some(way) = way else {
                    return format!("RTSP/1.0 461 Unsupported transport\r\nCSeq: {sequence}\r\n\r\n");
                };
                let mut ways = client.ways.lock().expect("no holder panics");
                if ways.len() <= track {
                    ways.resize(track + 1, None);
                }
                ways[track] = Some(way);
                let local = client.socket.local_addr().map_or(0, |address| address.port());
                let more = match way {
                    Way::Inside(_) => String::new(),
                    Way::Udp(_) => format!(";server_port={local}-{}", local.wrapping_add(1)),
                };
                good(&format!("Transport: {transport}{more}\r\n\r\n"))
            }
            "PLAY" => {
                client.plays.store(true, Ordering::Relaxed);
                good("Range: npt=now-\r\n\r\n")
            }
            _ => good("\r\n"),
        }
    }
}
