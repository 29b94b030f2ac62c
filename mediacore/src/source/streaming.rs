//! [`LibavOpener`]: RTMP and RTSP, which libav speaks, to the addresses that the egress policy leaves and no others.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::source::http::{Control, connect, in_slices};
use crate::source::libav::{self, LibavInput};
use crate::source::tls::{Relay, Trust};
use crate::source::{
    Input, InputEvent, Interrupt, Opener, Options, RtspTransport, Scheme, SourceUrl, TrackInfo,
};

/// Times that an RTSP server may send us elsewhere.
const MAX_REDIRECTS: u32 = 5;

/// Opens one address again and again.
pub(super) struct LibavOpener {
    pub(super) url: SourceUrl,
    pub(super) options: Options,
    pub(super) clock: Arc<dyn Clock>,
}

impl Opener for LibavOpener {
    fn open(&mut self, interrupt: &Interrupt) -> Result<Box<dyn Input>> {
        let mut url = self.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            match self.open_once(&url, interrupt) {
                Ok(input) => return Ok(input),
                Err((error, None)) => return Err(error.context(format!("opening {url}"))),
                Err((_, Some(next))) => {
                    url = self
                        .hop(&url, next.expose())
                        .map_err(|error| error.context(format!("opening {}", self.url)))?;
                }
            }
        }
        let text = format!("opening {}: more than {MAX_REDIRECTS} redirects", self.url);
        Err(Error::new(ErrorKind::LimitExceeded, text))
    }
}

impl LibavOpener {
    /// Where a redirect leads; credentials go along to the same host only.
    fn hop(&self, from: &SourceUrl, to: &str) -> Result<SourceUrl> {
        let next = SourceUrl::parse(to).map_err(|error| error.context(format!("a redirect of {from}")))?;
        let downgrade = from.scheme() == Scheme::Rtsps && next.scheme() == Scheme::Rtsp;
        let refused = match next.scheme() {
            Scheme::Rtsp | Scheme::Rtsps => downgrade && !self.options.allow_downgrade,
            _ => true,
        };
        if refused {
            let text = format!(
                "a redirect from {} to {} is refused",
                from.scheme().as_str(),
                next.scheme().as_str()
            );
            return Err(Error::new(ErrorKind::Refused, text));
        }
        Ok(if next.host() == from.host() {
            next.with_credentials_of(from)
        } else {
            next
        })
    }

    fn open_once(
        &self,
        url: &SourceUrl,
        interrupt: &Interrupt,
    ) -> std::result::Result<Box<dyn Input>, (Error, Option<av::Location>)> {
        let only = |error: Error| (error, None);
        let options = &self.options;
        let found = options
            .egress
            .resolve(url.host(), url.port(), interrupt)
            .map_err(only)?;
        let relay = match url.scheme() {
            Scheme::Rtmps | Scheme::Rtsps => Some(self.relay(url, &found, interrupt).map_err(only)?),
            _ => None,
        };
        let target = relay.as_ref().map(Relay::address).or(found.first().copied());
        let address = target.map_or_else(|| url.clone(), |target| url.at(target));
        let opened = av::Input::open_url(address.expose(), &libav_options(url, options), interrupt)
            .map_err(|cause| (libav::error(cause.clone()), cause.redirect))?;
        // A connection that ends says nothing about the media.
        let input = LibavInput::new(opened, || false);
        Ok(match relay {
            Some(relay) => Box::new(Relayed { input, _relay: relay }),
            None => Box::new(input),
        })
    }

    /// TLS to the first of `found` that takes a connection.
    fn relay(&self, url: &SourceUrl, found: &[SocketAddr], interrupt: &Interrupt) -> Result<Relay> {
        let options = &self.options;
        let control = Control::new(
            options.egress.clone(),
            interrupt.clone(),
            Arc::clone(&self.clock),
            options.connect_timeout,
            options.read_timeout,
        );
        let mut last = Error::new(ErrorKind::Unreachable, "no address to connect to");
        for address in found {
            match connect(&control, *address, options.connect_timeout) {
                Ok(stream) => {
                    in_slices(&stream).map_err(|cause| {
                        Error::new(ErrorKind::Internal, "set up a connection").with_source(cause)
                    })?;
                    let trust = if crate::source::egress::is_private(address.ip()) {
                        Trust::Any
                    } else {
                        Trust::Public
                    };
                    return Relay::start(stream, url.host(), trust, &control);
                }
                Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// An input whose bytes come through TLS. The connection is closed after libav let go of it.
struct Relayed {
    input: LibavInput,
    _relay: Relay,
}

impl Input for Relayed {
    fn tracks(&self) -> &[TrackInfo] {
        self.input.tracks()
    }

    fn read(&mut self) -> Result<InputEvent> {
        self.input.read()
    }

    fn patience(&self) -> Duration {
        self.input.patience()
    }
}

/// libav's options for `url`. TLS is ours: libav speaks the plain protocol to a [`Relay`].
fn libav_options(url: &SourceUrl, options: &Options) -> av::OpenOptions {
    let micros = |time: Duration| time.as_micros().to_string();
    let mut list = Vec::new();
    let rtsp = matches!(url.scheme(), Scheme::Rtsp | Scheme::Rtsps);
    let protocols = if rtsp {
        list.push(("timeout", micros(options.read_timeout)));
        let wanted = match url.scheme() {
            // What comes beside a TLS connection is not protected by it.
            Scheme::Rtsps => RtspTransport::Tcp,
            _ => options.rtsp_transport,
        };
        let transport = match wanted {
            RtspTransport::Auto => "tcp+udp",
            RtspTransport::Tcp => "tcp",
            RtspTransport::Udp => "udp",
        };
        list.push(("rtsp_transport", transport.to_owned()));
        if wanted == RtspTransport::Auto {
            list.push(("rtsp_flags", "prefer_tcp".to_owned()));
        }
        if wanted != RtspTransport::Tcp {
            // Half a second of 1 500 packets per second out of order, and a socket buffer for a burst at a key frame.
            list.push(("reorder_queue_size", "750".to_owned()));
            list.push(("buffer_size", (2 << 20).to_string()));
        }
        "rtsp,rtp,rtcp,udp,tcp"
    } else {
        list.push(("rw_timeout", micros(options.read_timeout)));
        list.push(("rtmp_tcurl", tc_url(url)));
        "rtmp,tcp"
    };
    av::OpenOptions {
        format: Some(if rtsp { "rtsp" } else { "flv" }.to_owned()),
        protocols: protocols.to_owned(),
        options: list
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        ..av::OpenOptions::default()
    }
}

/// The `tcUrl` that an RTMP client tells the server: the address up to the name of the application, with the host's own name, by which
/// servers tell virtual hosts apart. What the application is, is libav's to say, which parts the path into it and the stream's name.
fn tc_url(url: &SourceUrl) -> String {
    let host = match url.host() {
        host if host.contains(':') => format!("[{host}]"),
        host => host.to_owned(),
    };
    let port = match url.port() {
        port if port == url.scheme().default_port() => String::new(),
        port => format!(":{port}"),
    };
    let app = application(url.path_and_query());
    format!("{}://{host}{port}/{app}", url.scheme().as_str())
}

/// The part of a path that libav takes for the application (`rtmp_open`).
fn application(path: &str) -> &str {
    let rest = path.strip_prefix('/').unwrap_or(path);
    if path
        .split_once('?')
        .is_some_and(|(_, query)| query.contains("slist="))
    {
        return rest;
    }
    if path.starts_with("/ondemand/") {
        return "ondemand";
    }
    let Some(first) = rest.find('/') else { return rest };
    let after = rest.get(first + 1..).unwrap_or_default();
    let second = after.find('/');
    let colon = after.find(':');
    match (second, colon) {
        // A second part is an instance of the application, unless it is the type of the stream (`mp4:name`).
        (Some(second), colon) if colon.is_none_or(|colon| colon > second) => {
            rest.get(..first + 1 + second).unwrap_or(rest)
        }
        _ => rest.get(..first).unwrap_or(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_application_is_the_one_that_libav_takes() {
        for (url, told) in [
            ("rtmp://h/live/stage", "rtmp://h/live"),
            ("rtmp://u:p@h:1936/live/a/stage?key=1", "rtmp://h:1936/live/a"),
            ("rtmp://h/live/mp4:a/b", "rtmp://h/live"),
            ("rtmp://h/live", "rtmp://h/live"),
            ("rtmp://h/ondemand/x/y", "rtmp://h/ondemand"),
            ("rtmps://[2001:db8::1]/app/x", "rtmps://[2001:db8::1]/app"),
            ("rtmp://h:1935/app/x", "rtmp://h/app"),
        ] {
            assert_eq!(tc_url(&SourceUrl::parse(url).unwrap()), told, "{url}");
        }
    }

    #[test]
    fn a_redirect_leads_to_rtsp_alone_and_takes_no_password_to_others() {
        let from = SourceUrl::parse("rtsp://u:secret@cam/a").unwrap();
        let opener = LibavOpener {
            url: from.clone(),
            options: Options::default(),
            clock: crate::clock::SystemClock::shared(),
        };
        let hop = |to: &str| opener.hop(&from, to).map(|url| url.expose().to_owned());
        assert_eq!(hop("rtsp://cam:8554/b").unwrap(), "rtsp://u:secret@cam:8554/b");
        assert_eq!(hop("rtsps://other/b").unwrap(), "rtsps://other/b");
        for bad in ["http://cam/b", "file:///etc/passwd", "rtmp://cam/b", "/b", ""] {
            assert!(!hop(bad).unwrap_err().report().contains("secret"), "{bad}");
        }
        let safe = SourceUrl::parse("rtsps://cam/a").unwrap();
        assert_eq!(
            opener.hop(&safe, "rtsp://cam/b").unwrap_err().kind(),
            ErrorKind::Refused
        );
    }
}
