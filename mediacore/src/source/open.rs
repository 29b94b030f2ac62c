//! [`opener`]: the right way to open an address.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::source::hls::{self, HlsInput};
use crate::source::http::{Client, Policy, Request};
use crate::source::libav::{self, LibavInput};
use crate::source::{Egress, HlsStart, Input, Interrupt, Opener, Scheme, SourceUrl, progressive};

/// How media comes from an RTSP server.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum RtspTransport {
    /// Inside the RTSP connection; over UDP when the server refuses that.
    #[default]
    Auto,
    /// Inside the RTSP connection: nothing is lost or reordered.
    Tcp,
    /// As UDP packets, which some cameras insist on.
    Udp,
}

/// How a source is opened and read.
#[derive(Clone, Debug)]
pub struct Options {
    /// How media comes from an RTSP server.
    pub rtsp_transport: RtspTransport,
    /// Longest time for a connection to be made. Default 10 s.
    pub connect_timeout: Duration,
    /// Longest silence on a connection. Default 10 s.
    pub read_timeout: Duration,
    /// Which addresses may be reached.
    pub egress: Egress,
    /// Where a recording of a live playlist begins.
    pub hls_start: HlsStart,
    /// Whether a redirect may lead from `https` to `http`. Default no.
    pub allow_downgrade: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rtsp_transport: RtspTransport::Auto,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(10),
            egress: Egress::default(),
            hls_start: HlsStart::default(),
            allow_downgrade: false,
        }
    }
}

/// What opens connections to `url`, again and again.
///
/// RTMP and RTSP are libav's. Their hosts are checked against the egress policy before each opening, and RTSP connects to
/// the checked address; RTMP and RTSPS need the host's name on the wire, so libav looks it up once more, and a name that
/// changes its address in between gets past the check. So does an RTSP redirect, which libav follows by itself. Where
/// that matters, give addresses or close the network. HTTP has neither gap: an HLS playlist is recognised by its first
/// bytes, whatever the address ends with, and anything else is read as one progressive stream.
pub fn opener(url: &SourceUrl, options: &Options, clock: &Arc<dyn Clock>) -> Box<dyn Opener> {
    let (url, options) = (url.clone(), options.clone());
    if url.scheme().is_http() {
        Box::new(HttpOpener {
            url,
            options,
            clock: clock.clone(),
        })
    } else {
        Box::new(LibavOpener { url, options })
    }
}

struct LibavOpener {
    url: SourceUrl,
    options: Options,
}

impl Opener for LibavOpener {
    fn open(&mut self, interrupt: &Interrupt) -> Result<Box<dyn Input>> {
        let url = &self.url;
        let context = |cause: Error| cause.context(format!("opening {url}"));
        let found = self
            .options
            .egress
            .resolve(url.host(), url.port(), interrupt)
            .map_err(context)?;
        let address = match (url.scheme(), found.first()) {
            (Scheme::Rtsp, Some(first)) => url.with_host(first.ip()),
            _ => url.clone(),
        };
        let options = libav_options(url.scheme(), &self.options);
        let input = av::Input::open_url(address.expose(), &options, interrupt)
            .map_err(libav::error)
            .map_err(context)?;
        // A connection that ends says nothing about the media.
        Ok(Box::new(LibavInput::new(input, || false)))
    }
}

fn libav_options(scheme: Scheme, options: &Options) -> av::OpenOptions {
    let micros = |time: Duration| time.as_micros().to_string();
    let (protocols, mut list) = match scheme {
        Scheme::Rtmps => (
            "rtmps,tls,tcp",
            vec![("rw_timeout", micros(options.read_timeout))],
        ),
        Scheme::Rtsp => (
            "rtsp,rtp,rtcp,udp,tcp",
            vec![("timeout", micros(options.read_timeout))],
        ),
        Scheme::Rtsps => (
            "rtsps,rtsp,rtp,rtcp,srtp,udp,tls,tcp",
            vec![("timeout", micros(options.read_timeout))],
        ),
        Scheme::Rtmp | Scheme::Http | Scheme::Https => {
            ("rtmp,tcp", vec![("rw_timeout", micros(options.read_timeout))])
        }
    };
    let is_rtsp = matches!(scheme, Scheme::Rtsp | Scheme::Rtsps);
    if is_rtsp {
        let transport = match options.rtsp_transport {
            RtspTransport::Auto => "tcp+udp",
            RtspTransport::Tcp => "tcp",
            RtspTransport::Udp => "udp",
        };
        list.push(("rtsp_transport", transport.to_owned()));
        if options.rtsp_transport == RtspTransport::Auto {
            list.push(("rtsp_flags", "prefer_tcp".to_owned()));
        }
        if options.rtsp_transport != RtspTransport::Tcp {
            // Half a second of 1 500 packets per second out of order, and a socket buffer for a burst at a key frame.
            list.push(("reorder_queue_size", "750".to_owned()));
            list.push(("buffer_size", (2 << 20).to_string()));
        }
    }
    av::OpenOptions {
        format: is_rtsp
            .then(|| "rtsp".to_owned())
            .or_else(|| Some("flv".to_owned())),
        protocols: protocols.to_owned(),
        options: list
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        ..av::OpenOptions::default()
    }
}

struct HttpOpener {
    url: SourceUrl,
    options: Options,
    clock: Arc<dyn Clock>,
}

impl Opener for HttpOpener {
    fn open(&mut self, interrupt: &Interrupt) -> Result<Box<dyn Input>> {
        let policy = Policy {
            egress: self.options.egress.clone(),
            connect_timeout: self.options.connect_timeout,
            read_timeout: self.options.read_timeout,
            allow_downgrade: self.options.allow_downgrade,
        };
        let client = Arc::new(Client::new(&policy, &self.url, interrupt, &self.clock));
        let url = &self.url;
        let context = |cause: Error| cause.context(format!("opening {url}"));
        // The head and the first bytes must come in time; a stream that goes on for ever may.
        let time = Some(self.options.connect_timeout + self.options.read_timeout);
        let mut response = client.get(&Request {
            url,
            range: None,
            time,
            limit: u64::MAX,
        })?;
        let mut start = response.body.read_up_to(SNIFFED).map_err(context)?;
        if hls::is_playlist(&start) {
            let most = usize::try_from(hls::PLAYLIST_BYTES).unwrap_or(usize::MAX);
            start.extend(
                response
                    .body
                    .read_up_to(most + 1 - start.len().min(most))
                    .map_err(context)?,
            );
            if start.len() > most {
                let message = format!("opening {url}: a playlist larger than {most} bytes");
                return Err(Error::new(ErrorKind::LimitExceeded, message));
            }
            let base = response.url.clone();
            drop(response);
            let read = (base, start.as_slice());
            let input = HlsInput::open(client, url, read, self.options.hls_start, interrupt, &self.clock)?;
            return Ok(Box::new(input));
        }
        response.body.untimed();
        let input = progressive::open(client, response, start, interrupt).map_err(context)?;
        Ok(Box::new(input))
    }
}

/// A byte order mark and `#EXTM3U`.
const SNIFFED: usize = 10;

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn a_host_that_the_policy_refuses_is_never_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("sets");
        let port = listener.local_addr().expect("bound").port();
        let options = Options {
            egress: Egress {
                private: false,
                allow: Vec::new(),
            },
            ..Options::default()
        };
        for scheme in ["rtmp", "rtmps", "rtsp", "rtsps", "http", "https"] {
            for host in ["127.0.0.1", "[::ffff:7f00:1]", "2130706433"] {
                let url = SourceUrl::parse(&format!("{scheme}://u:secret@{host}:{port}/a/b")).expect("valid");
                let mut opener = opener(&url, &options, &SystemClock::shared());
                let error = opener.open(&Interrupt::new()).map(drop).expect_err("refused");
                assert_eq!(
                    error.kind(),
                    ErrorKind::Refused,
                    "{scheme} {host}: {}",
                    error.report()
                );
                assert!(!error.report().contains("secret"));
            }
        }
        assert!(listener.accept().is_err());
    }

    #[test]
    fn a_closed_port_is_unreachable_and_a_stop_ends_the_wait() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        for scheme in ["rtmp", "rtsp", "http"] {
            let url = SourceUrl::parse(&format!("{scheme}://u:secret@127.0.0.1:{port}/a/b")).expect("valid");
            let interrupt = Interrupt::new();
            interrupt.set_deadline(Duration::from_millis(200));
            let mut opener = opener(&url, &Options::default(), &SystemClock::shared());
            let error = opener.open(&interrupt).map(drop).expect_err("silent");
            assert_eq!(error.kind(), ErrorKind::TimedOut, "{scheme}: {}", error.report());
        }
        drop(listener);
        for scheme in ["rtmp", "rtsp", "http"] {
            let url = SourceUrl::parse(&format!("{scheme}://u:secret@127.0.0.1:{port}/a/b")).expect("valid");
            let mut opener = opener(&url, &Options::default(), &SystemClock::shared());
            let error = opener.open(&Interrupt::new()).map(drop).expect_err("closed");
            assert_eq!(
                error.kind(),
                ErrorKind::Unreachable,
                "{scheme}: {}",
                error.report()
            );
            assert!(!error.report().contains("secret"), "{}", error.report());
        }
    }
}
