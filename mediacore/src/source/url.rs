//! [`SourceUrl`]: an address that passed our checks and prints without its secrets.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

use crate::error::{Error, ErrorKind, Result};

/// The longest address we take, in bytes; longer ones are no camera's.
pub const MAX_URL_BYTES: usize = 4096;

/// How a source is spoken to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Scheme {
    /// RTMP over TCP.
    Rtmp,
    /// RTMP over TLS.
    Rtmps,
    /// RTSP over TCP.
    Rtsp,
    /// RTSP over TLS.
    Rtsps,
    /// HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// The part of an address before `://`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rtmp => "rtmp",
            Self::Rtmps => "rtmps",
            Self::Rtsp => "rtsp",
            Self::Rtsps => "rtsps",
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The TCP port when the address names none.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Rtmp => 1935,
            Self::Rtmps | Self::Https => 443,
            Self::Rtsp => 554,
            Self::Rtsps => 322,
            Self::Http => 80,
        }
    }

    /// `http` or `https`.
    pub const fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }

    fn parse(text: &str) -> Option<Self> {
        [
            Self::Rtmp,
            Self::Rtmps,
            Self::Rtsp,
            Self::Rtsps,
            Self::Http,
            Self::Https,
        ]
        .into_iter()
        .find(|scheme| text.eq_ignore_ascii_case(scheme.as_str()))
    }
}

/// The address of a live source: `rtmp(s)`, `rtsp(s)` or `http(s)`, at most [`MAX_URL_BYTES`] long, with a host.
///
/// `Display` and `Debug` print it without what may be secret: user and password become `***`, the values of the query
/// become `***`. Only [`SourceUrl::expose`] gives the real text. A host in a number form (`2130706433`, `0x7f.1`) is
/// turned into the address that it means, so that every reader of the text reaches the same host.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct SourceUrl {
    scheme: Scheme,
    url: Url,
}

impl SourceUrl {
    /// Checks `text`; `InvalidInput` says what is wrong without repeating the address.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > MAX_URL_BYTES {
            return Err(invalid(format!(
                "address: {} bytes, more than the {MAX_URL_BYTES} we take",
                text.len()
            )));
        }
        if let Some(at) = text.find(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(invalid(format!(
                "address: a blank or control character at byte {at}"
            )));
        }
        let scheme = scheme_of(text)?;
        let url =
            Url::parse(text).map_err(|cause| invalid(format!("address ({}): {cause}", scheme.as_str())))?;
        Self::check(scheme, url)
    }

    /// How the source is spoken to.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host's name or address; an IPv6 address has no brackets.
    pub fn host(&self) -> &str {
        self.url
            .host_str()
            .unwrap_or_default()
            .trim_start_matches('[')
            .trim_end_matches(']')
    }

    /// The TCP port, the scheme's own when the address names none.
    pub fn port(&self) -> u16 {
        self.url.port().unwrap_or(self.scheme.default_port())
    }

    /// The path, without the query.
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// The whole address with its secrets, for the code that connects; never for a log, an error or a file.
    pub fn expose(&self) -> &str {
        self.url.as_str()
    }

    /// What `reference` means when it stands in a document at this address (RFC 3986, 5); from `http(s)` it leads to
    /// `http(s)` only.
    pub(crate) fn join(&self, reference: &str) -> Result<Self> {
        if reference.len() > MAX_URL_BYTES {
            return Err(invalid(format!(
                "reference in {self}: longer than {MAX_URL_BYTES} bytes"
            )));
        }
        let url = self
            .url
            .join(reference)
            .map_err(|cause| invalid(format!("reference in {self}: {cause}")))?;
        let scheme = Scheme::parse(url.scheme())
            .filter(|scheme| scheme.is_http() == self.scheme.is_http())
            .ok_or_else(|| {
                let kind = ErrorKind::Refused;
                Error::new(
                    kind,
                    format!(
                        "reference in {self}: the scheme {} is refused",
                        shown_scheme(url.scheme())
                    ),
                )
            })?;
        Self::check(scheme, url)
    }

    /// The same scheme, host and port (RFC 6454).
    pub(crate) fn same_origin(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.host() == other.host() && self.port() == other.port()
    }

    /// User and password, percent-decoded; `None` without a user.
    pub(crate) fn credentials(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let user = self.url.username();
        let password = self.url.password().unwrap_or_default();
        (!user.is_empty() || !password.is_empty()).then(|| (percent_decode(user), percent_decode(password)))
    }

    /// The same address without user and password.
    pub(crate) fn without_credentials(&self) -> Self {
        let mut bare = self.clone();
        // Both only fail for addresses without a host, which we never hold.
        let _ = bare.url.set_username("");
        let _ = bare.url.set_password(None);
        bare
    }

    /// The path with the query, as they stand in the address.
    pub(crate) fn path_and_query(&self) -> &str {
        &self.url[url::Position::BeforePath..url::Position::AfterQuery]
    }

    /// The same address with user and password of `other`, unless it has its own.
    pub(crate) fn with_credentials_of(&self, other: &Self) -> Self {
        let mut full = self.clone();
        if self.url.username().is_empty() && self.url.password().is_none() {
            // Both only fail for addresses without a host, which we never hold.
            let _ = full.url.set_username(other.url.username());
            let _ = full.url.set_password(other.url.password());
        }
        full
    }

    /// What is said to libav to reach this at `target`: without TLS, which is not its own.
    pub(crate) fn at(&self, target: std::net::SocketAddr) -> Self {
        let mut literal = self.clone();
        literal.scheme = match self.scheme {
            Scheme::Rtmps => Scheme::Rtmp,
            Scheme::Rtsps => Scheme::Rtsp,
            plain => plain,
        };
        // They fail only for addresses without a host, and for schemes of another kind.
        let _ = literal.url.set_ip_host(target.ip());
        let _ = literal.url.set_port(Some(target.port()));
        let _ = literal.url.set_scheme(literal.scheme.as_str());
        literal
    }

    fn check(scheme: Scheme, mut url: Url) -> Result<Self> {
        let name = scheme.as_str();
        if url.as_str().len() > MAX_URL_BYTES {
            return Err(invalid(format!(
                "address ({name}): longer than {MAX_URL_BYTES} bytes"
            )));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(invalid(format!("address ({name}): no host")));
        }
        if scheme.is_http() {
            url.set_fragment(None);
            return Ok(Self { scheme, url });
        }
        if url.fragment().is_some() {
            return Err(invalid(format!("address ({name}): a '#' must be written as %23")));
        }
        // Of other schemes than http the url crate keeps the host's text as it is; read it as http would.
        if let Some(Host::Domain(text)) = url.host() {
            let host =
                Host::parse(text).map_err(|cause| invalid(format!("address ({name}): host: {cause}")))?;
            let set = match host {
                Host::Domain(domain) => url.set_host(Some(&domain)).is_ok(),
                Host::Ipv4(ip) => url.set_ip_host(ip.into()).is_ok(),
                Host::Ipv6(ip) => url.set_ip_host(ip.into()).is_ok(),
            };
            if !set {
                return Err(invalid(format!("address ({name}): the host can't be used")));
            }
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        if !url.host_str().is_some_and(|host| host.chars().all(plain)) {
            return Err(invalid(format!(
                "address ({name}): the host has a forbidden character"
            )));
        }
        Ok(Self { scheme, url })
    }
}

impl FromStr for SourceUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.as_str())?;
        if !self.url.username().is_empty() || self.url.password().is_some() {
            f.write_str("***@")?;
        }
        f.write_str(self.url.host_str().unwrap_or_default())?;
        if let Some(port) = self.url.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(self.url.path())?;
        for (index, pair) in self
            .url
            .query()
            .into_iter()
            .flat_map(|query| query.split('&'))
            .enumerate()
        {
            f.write_str(if index == 0 { "?" } else { "&" })?;
            match pair.split_once('=') {
                Some((key, _)) => write!(f, "{key}=***")?,
                None => f.write_str("***")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceUrl({self})")
    }
}

fn scheme_of(text: &str) -> Result<Scheme> {
    let Some((name, rest)) = text.split_once(':') else {
        return Err(invalid(
            "address: no scheme; write rtsp://, rtmp:// or https:// in front".into(),
        ));
    };
    match Scheme::parse(name) {
        Some(scheme) if rest.starts_with("//") => Ok(scheme),
        Some(scheme) => Err(invalid(format!(
            "address: {}: must be followed by //",
            scheme.as_str()
        ))),
        None => Err(invalid(format!(
            "address: the scheme {} is not one of rtmp, rtmps, rtsp, rtsps, http, https",
            shown_scheme(name)
        ))),
    }
}

/// A scheme is shown only when it looks like one: otherwise it may be a password in the wrong place.
fn shown_scheme(name: &str) -> String {
    let known = [
        "async",
        "cache",
        "concat",
        "concatf",
        "crypto",
        "data",
        "fd",
        "ffrtmphttp",
        "file",
        "ftp",
        "gopher",
        "gophers",
        "hls",
        "httpproxy",
        "icecast",
        "ipfs",
        "ipns",
        "javascript",
        "md5",
        "mmsh",
        "mmst",
        "pipe",
        "prompeg",
        "rtmpe",
        "rtmpt",
        "rtmpte",
        "rtmpts",
        "rtp",
        "sctp",
        "smb",
        "sftp",
        "srt",
        "srtp",
        "subfile",
        "tcp",
        "tee",
        "tls",
        "udp",
        "udplite",
        "unix",
        "ws",
        "wss",
        "zmq",
    ];
    let found = known.into_iter().find(|known| name.eq_ignore_ascii_case(known));
    found.map_or_else(|| "given".to_owned(), |name| format!("`{name}`"))
}

fn percent_decode(text: &str) -> Vec<u8> {
    let hex = |byte: Option<&u8>| {
        byte.and_then(|b| char::from(*b).to_digit(16))
            .and_then(|d| u8::try_from(d).ok())
    };
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, hex(bytes.get(at + 1)), hex(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push(high * 16 + low);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(text: &str) -> String {
        let error = SourceUrl::parse(text).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
        error.report()
    }

    #[test]
    fn only_six_schemes_pass_and_the_refusal_names_the_other() {
        for text in [
            "rtmp://h/a/b",
            "RTMPS://h/a",
            "rtsp://h",
            "rtsps://h:322/x",
            "http://h/",
            "https://[::1]/x",
        ] {
            assert!(SourceUrl::parse(text).is_ok(), "{text}");
        }
        for scheme in ["file", "concat", "data", "gopher", "pipe", "subfile"] {
            assert!(refusal(&format!("{scheme}:///etc/passwd")).contains(scheme));
        }
        assert!(refusal("/etc/passwd").contains("no scheme"));
        assert!(refusal("http:/etc/passwd").contains("//"));
    }

    #[test]
    fn blanks_nul_length_and_a_missing_host_are_refused() {
        for text in [
            "rtsp://h/a b",
            "rtsp://h/\0",
            "rtmp://h/x\r\nHost: y",
            "rtsp:///x",
            "rtmp://u:p@/x",
            "rtsp://h/a#b",
        ] {
            refusal(text);
        }
        assert!(refusal(&format!("http://h/{}", "a".repeat(4096))).contains("4096"));
        refusal("rtsp://a%2fb/x");
    }

    #[test]
    fn a_host_in_number_form_becomes_its_address() {
        for text in [
            "rtsp://2130706433/x",
            "rtmp://0x7f.1/x",
            "http://0177.0.0.1/x",
            "rtsp://%31%32%37.0.0.1/",
        ] {
            assert_eq!(SourceUrl::parse(text).expect(text).host(), "127.0.0.1", "{text}");
        }
        assert_eq!(
            SourceUrl::parse("rtsp://[::ffff:7f00:1]/x")
                .expect("valid")
                .host(),
            "::ffff:7f00:1"
        );
    }

    #[test]
    fn the_shown_form_keeps_what_helps_and_hides_what_is_secret() {
        let url = SourceUrl::parse("rtmp://bob:hunter2@h:1936/live/key?token=abc&x").expect("valid");
        assert_eq!(url.to_string(), "rtmp://***@h:1936/live/key?token=***&***");
        assert!(url.expose().contains("hunter2"));
    }

    #[test]
    fn a_reference_stays_with_http() {
        let base = SourceUrl::parse("https://u:p@h/a/b.m3u8?t=1").expect("valid");
        assert_eq!(
            base.join("c/1.ts").expect("relative").expose(),
            "https://u:p@h/a/c/1.ts"
        );
        for reference in ["file:///etc/passwd", "rtmp://h/x", "data:,x"] {
            assert_eq!(
                base.join(reference).expect_err(reference).kind(),
                ErrorKind::Refused
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_for_people_holds_the_secret(
            scheme in "(rtmps?|rtsps?|https?|file|gopher)",
            tail in "[a-z/?&=:@#%.0-9]{0,20}",
            shape in 0usize..5,
        ) {
            let secret = "S3cr3tS3cr3t";
            let text = match shape {
                0 => format!("{scheme}://user:{secret}@host/{tail}"),
                1 => format!("{scheme}://{secret}@host{tail}"),
                2 => format!("{scheme}://host/a?token={secret}&{tail}"),
                3 => format!("{scheme}://host/a?{secret}"),
                _ => format!("{secret}:{tail}@host"),
            };
            let shown = match SourceUrl::parse(&text) {
                Ok(url) => format!("{url} {url:?}"),
                Err(error) => format!("{error} {error:?} {}", error.report()),
            };
            prop_assert!(!shown.to_lowercase().contains(&secret.to_lowercase()), "{shown}");
        }

        #[test]
        fn any_text_is_an_address_or_an_error(text in "\\PC{0,60}") {
            let _ = SourceUrl::parse(&text);
            let _ = SourceUrl::parse(&format!("rtsp://{text}"));
        }
    }
}
