//! One attempt: sign, send, and what the answer means. <https://www.standardwebhooks.com>

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac};
use mediacore::clock::Clock;
use mediacore::source::{Egress, Interrupt, Post, SourceUrl, post};
use sha2::Sha256;

use crate::domain::time::Micros;

/// How long an attempt may take.
pub(super) const LIMIT: Duration = Duration::from_secs(10);

/// Bytes of an answer that are read.
const MAX_ANSWER: u64 = 64 << 10;

/// Characters of an answer that are told.
const TOLD: usize = 200;

/// Bytes of a secret.
const BYTES: usize = 24;

/// What messages are signed with.
pub(super) struct Secret([u8; BYTES]);

impl Secret {
    pub(super) fn make() -> anyhow::Result<Self> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("make a secret: {error}"))?;
        Ok(Self(bytes))
    }

    pub(super) fn of_bytes(bytes: Vec<u8>) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(super) const fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As receivers are given it.
    pub(super) fn text(&self) -> String {
        format!("whsec_{}", BASE64_STANDARD.encode(self.0))
    }

    /// The signature of a message that is sent at `seconds`.
    pub(super) fn sign(&self, letter: &Letter, seconds: i64) -> String {
        // HMAC takes keys of any length.
        let Ok(mut mac) = <Hmac<Sha256> as Mac>::new_from_slice(&self.0) else {
            return String::new();
        };
        mac.update(format!("{}.{seconds}.{}", letter.id, letter.body).as_bytes());
        format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret")
    }
}

/// A message on its way.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub(super) id: String,
    pub(super) body: String,
}

/// How an attempt went.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    /// The receiver took it.
    pub(crate) is_delivered: bool,
    /// The status of its answer.
    pub(crate) status: Option<u16>,
    /// Why not, in words.
    pub(crate) error: Option<String>,
    /// How long it took.
    pub(crate) took: Duration,
    /// When the receiver wants to be asked again.
    pub(super) retry_after: Option<Duration>,
    /// The server is stopping: it counts for nothing.
    pub(super) is_cut_off: bool,
}

impl Sent {
    pub(super) fn failed(why: String) -> Self {
        Self {
            error: Some(why),
            ..Self::default()
        }
    }

    /// The receiver wants no more messages.
    pub(super) fn is_gone(&self) -> bool {
        self.status == Some(410)
    }
}

/// Sends a message. Blocks for at most [`LIMIT`].
pub(super) fn send(
    url: &SourceUrl,
    secret: &Secret,
    letter: &Letter,
    egress: &Egress,
    interrupt: &Interrupt,
    clock: &Arc<dyn Clock>,
) -> Sent {
    let begun = Instant::now();
    let seconds = Micros::now().0.div_euclid(1_000_000);
    let signature = secret.sign(letter, seconds);
    let seconds = seconds.to_string();
    let message = Post {
        url,
        headers: &[
            ("content-type", "application/json"),
            ("webhook-id", &letter.id),
            ("webhook-timestamp", &seconds),
            ("webhook-signature", &signature),
        ],
        body: letter.body.as_bytes(),
        time: LIMIT,
        limit: MAX_ANSWER,
    };
    let mut sent = match post(egress, &message, interrupt, clock) {
        Ok(answer) => Sent {
            is_delivered: matches!(answer.status, 200..=299),
            status: Some(answer.status),
            error: why(answer.status, &answer.body),
            retry_after: answer.retry_after,
            ..Sent::default()
        },
        Err(error) => Sent {
            is_cut_off: interrupt.is_cancelled(),
            ..Sent::failed(error.report())
        },
    };
    sent.took = begun.elapsed();
    sent
}

/// Why an answer is none, with the beginning of what it says.
fn why(status: u16, body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text: String = text.chars().filter(|c| !c.is_control()).take(TOLD).collect();
    match status {
        200..=299 => None,
        300..=399 => Some(format!("HTTP status {status}: redirects are not followed")),
        _ if text.is_empty() => Some(format!("HTTP status {status}")),
        _ => Some(format!("HTTP status {status}: {text}")),
    }
}

/// The first wait, and the longest.
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(3600);

/// How long to wait after a number of attempts that failed: three times as long each time, give or take a fifth.
/// `chance` is 0 to 1.
pub(super) fn back_off(attempts: i64, retry_after: Option<Duration>, chance: f64) -> Duration {
    let power = u32::try_from(attempts.saturating_sub(1).clamp(0, 10)).unwrap_or(0);
    let wait = FIRST.saturating_mul(3_u32.saturating_pow(power)).min(LONGEST);
    let wait = wait.mul_f64(0.8 + 0.4 * chance.clamp(0.0, 1.0));
    retry_after.map_or(wait, |asked| wait.max(asked.min(LONGEST)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_convention() {
        // The example of the convention's text.
        let key = BASE64_STANDARD
            .decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
            .unwrap();
        let secret = Secret::of_bytes(key).unwrap();
        let letter = Letter {
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned(),
            body: "{\"test\": 2432232314}".to_owned(),
        };
        assert_eq!(
            secret.sign(&letter, 1_614_265_330),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        assert_eq!(secret.text(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        assert!(!format!("{secret:?}").contains("MfKQ"));
    }

    #[test]
    fn waits_grow_up_to_an_hour_and_the_receiver_is_heard() {
        let at = |attempts| back_off(attempts, None, 0.5).as_secs();
        assert_eq!([at(1), at(2), at(3), at(4)], [5, 15, 45, 135]);
        assert_eq!([at(7), at(40), at(i64::MAX)], [3600, 3600, 3600]);
        assert_eq!(back_off(1, None, 0.0), Duration::from_secs(4));
        assert_eq!(back_off(1, None, 1.0), Duration::from_secs(6));
        let asked = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(back_off(1, asked(60), 0.5).as_secs(), 60);
        assert_eq!(back_off(1, asked(1), 0.5).as_secs(), 5);
        assert_eq!(back_off(1, asked(1_000_000), 0.5).as_secs(), 3600);
    }

    #[test]
    fn an_answer_is_told_in_one_short_line() {
        assert_eq!(why(204, b"fine"), None);
        assert_eq!(why(500, b""), Some("HTTP status 500".to_owned()));
        let long = why(500, "a\r\n\x1b[31mb ".repeat(500).as_bytes()).unwrap();
        assert!(long.len() < 230 && !long.contains(['\n', '\x1b']), "{long}");
        assert!(why(302, b"").unwrap().contains("redirects"));
    }
}
