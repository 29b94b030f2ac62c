//! [`opener`]: the right way to open an address.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::source::hls::{self, HlsInput};
use crate::source::http::{Client, Policy, Request};
use crate::source::streaming::LibavOpener;
use crate::source::{Egress, HlsStart, Input, Interrupt, Opener, SourceUrl, progressive};

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
/// Each host is looked up once for each opening, its addresses are checked against the egress policy, and the connection goes to one of
/// those: a name that changes its address in between gains nothing. So does each redirect of HTTP and RTSP, of which five are followed.
/// TLS keeps the host's name; certificates must be signed by a public authority, except for RTMPS and RTSPS in private networks. RTMP and
/// RTSP are spoken by libav. An HLS playlist is recognised by its first bytes, whatever the address ends with, and anything else that
/// comes over HTTP is read as one progressive stream.
pub fn opener(url: &SourceUrl, options: &Options, clock: &Arc<dyn Clock>) -> Box<dyn Opener> {
    let (url, options) = (url.clone(), options.clone());
    if url.scheme().is_http() {
        Box::new(HttpOpener {
            url,
            options,
            clock: clock.clone(),
        })
    } else {
        Box::new(LibavOpener {
            url,
            options,
            clock: clock.clone(),
        })
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
