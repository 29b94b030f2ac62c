//! [`post`]: one message to an address that somebody configured, under the same rules as media that is fetched.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::Uri;

use super::{Client, Policy, basic};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::source::{Egress, Interrupt, SourceUrl};

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub struct Post<'a> {
    /// Where to: `http` or `https`. User and password in it are sent as `Basic` credentials.
    pub url: &'a SourceUrl,
    /// Names and values.
    pub headers: &'a [(&'a str, &'a str)],
    /// The message.
    pub body: &'a [u8],
    /// How long all of it may take, name lookup and answer included.
    pub time: Duration,
    /// Bytes of the answer's body that are read; more are left unread.
    pub limit: u64,
}

/// What came back, whatever its status.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Posted {
    /// The HTTP status. A redirect is one too: it is not followed.
    pub status: u16,
    /// When the receiver wants to be asked again, if it says so in seconds.
    pub retry_after: Option<Duration>,
    /// The body, as far as it came and was read.
    pub body: Vec<u8>,
}

/// Sends a message and waits for the answer. Blocks; ends within 200 ms once the interrupt fires, whose deadline it sets.
///
/// # Errors
/// `InvalidInput` for an address of another protocol, `Refused` by the egress policy or TLS, `Unreachable`, `TimedOut`, `Cancelled`,
/// `Malformed`. None of their texts has the address in it, other than its host.
pub fn post(
    egress: &Egress,
    message: &Post<'_>,
    interrupt: &Interrupt,
    clock: &Arc<dyn Clock>,
) -> Result<Posted> {
    let invalid = |why: &str| Error::new(ErrorKind::InvalidInput, why);
    if !message.url.scheme().is_http() {
        return Err(invalid("the address is not of http or https"));
    }
    interrupt.set_deadline(message.time);
    let policy = Policy {
        egress: egress.clone(),
        connect_timeout: message.time,
        read_timeout: message.time,
        allow_downgrade: false,
    };
    let client = Client::new(&policy, message.url, interrupt, clock);
    client.control.begin(Some(clock.now() + message.time));
    let bare = message.url.without_credentials();
    let uri: Uri = bare
        .expose()
        .parse()
        .map_err(|_| invalid("the address has characters that HTTP forbids"))?;
    let mut request = client.agent.post(&uri);
    if let Some((user, password)) = message.url.credentials() {
        request = request.header("Authorization", basic(&user, &password));
    }
    for (name, value) in message.headers {
        request = request.header(*name, *value);
    }
    let answer = request
        .send(message.body)
        .map_err(|cause| client.explain(cause))?;
    let retry_after = answer
        .headers()
        .get("retry-after")
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let status = answer.status().as_u16();
    let mut body = Vec::new();
    let reader = answer.into_body().into_with_config().limit(u64::MAX).reader();
    // The status says how it went; a body that breaks off says nothing more.
    let _ = reader.take(message.limit).read_to_end(&mut body);
    Ok(Posted {
        status,
        retry_after,
        body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::source::http::tests::Origin;

    fn send(url: &SourceUrl, egress: &Egress, time: Duration) -> Result<Posted> {
        let message = Post {
            url,
            headers: &[("x-a", "b")],
            body: b"{}",
            time,
            limit: 4,
        };
        post(egress, &message, &Interrupt::new(), &SystemClock::shared())
    }

    #[test]
    fn a_message_comes_with_its_headers_and_the_answer_is_read_in_part() {
        let origin = Origin::new(|_| {
            b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 6\r\n\r\nlonger".to_vec()
        });
        let plain = origin.url("/hook?token=s3cret").expose().to_owned();
        let url = SourceUrl::parse(&plain.replace("//", "//user:pw@")).expect("an address");
        let posted = send(&url, &Egress::default(), Duration::from_secs(5)).expect("an answer");
        assert_eq!((posted.status, posted.body.as_slice()), (503, b"long".as_slice()));
        assert_eq!(posted.retry_after, Some(Duration::from_secs(7)));
        let asked = origin.asked().remove(0);
        assert_eq!(asked.path, "/hook?token=s3cret");
        assert_eq!(asked.header("x-a"), Some("b"));
        assert_eq!(asked.header("authorization"), Some("Basic dXNlcjpwdw=="));
        assert_eq!(asked.header("content-length"), Some("2"));
    }

    #[test]
    fn a_redirect_is_an_answer_and_leads_nowhere() {
        let other = Origin::new(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec());
        let to = other.url("/").expose().to_owned();
        let origin = Origin::new(move |_| {
            format!("HTTP/1.1 307 Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").into_bytes()
        });
        let posted = send(&origin.url("/"), &Egress::default(), Duration::from_secs(5)).expect("an answer");
        assert_eq!(posted.status, 307);
        assert!(other.asked().is_empty());
    }

    #[test]
    fn silence_and_forbidden_addresses_are_errors_without_the_address() {
        let origin = Origin::new(|_| {
            std::thread::sleep(Duration::from_secs(2));
            Vec::new()
        });
        let url = origin.url("/s3cret");
        let late = send(&url, &Egress::default(), Duration::from_millis(300)).expect_err("silence");
        assert_eq!(late.kind(), ErrorKind::TimedOut);
        let closed = Egress {
            private: false,
            ..Egress::default()
        };
        let refused = send(&url, &closed, Duration::from_secs(5)).expect_err("a private address");
        assert_eq!(refused.kind(), ErrorKind::Refused);
        assert!(!late.report().contains("s3cret") && !refused.report().contains("s3cret"));
    }
}
