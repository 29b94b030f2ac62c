//! Who may see what: viewing codes that were entered, as a signed token in a cookie or as a header.

use std::collections::HashSet;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

use super::codes::{Codes, Right};
use super::keys::Keys;
use super::limits::{Guesses, network};
use crate::domain::time::Micros;
use crate::fault::Fault;
use crate::metrics::CODES;

/// How long an unlock lasts when its code does not end before.
const UNLOCK: Duration = Duration::from_secs(30 * 24 * 3600);

/// Codes that one viewer can have entered; a further one takes the place of the oldest.
const MAX_CODES: usize = 16;

/// Bytes of a token's signature.
const SIGNATURE: usize = 16;

/// Somebody who looks.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Viewer {
    /// An administrator sees everything.
    pub(crate) admin: bool,
    /// The codes that were entered, by their numbers.
    pub(crate) codes: Vec<i64>,
    locked: HashSet<i64>,
    unlocked: HashSet<i64>,
}

impl Viewer {
    /// An administrator.
    pub(crate) fn administrator() -> Self {
        Self {
            admin: true,
            ..Self::default()
        }
    }

    /// Whether a category needs a code at all.
    pub(crate) fn locks(&self, category: Option<i64>) -> bool {
        category.is_some_and(|id| self.locked.contains(&id))
    }

    /// Whether this viewer may open what is published in a category.
    pub(crate) fn may_open(&self, category: Option<i64>) -> bool {
        self.admin || !self.locks(category) || category.is_some_and(|id| self.unlocked.contains(&id))
    }

    /// The categories that are shut for this viewer.
    pub(crate) fn shut(&self) -> Vec<i64> {
        let mut shut: Vec<i64> = match self.admin {
            true => Vec::new(),
            false => self.locked.difference(&self.unlocked).copied().collect(),
        };
        shut.sort_unstable();
        shut
    }
}

/// What entering a code came to.
#[derive(Clone, Debug)]
pub(crate) struct Unlock {
    /// What it opens, and until when.
    pub(crate) right: Right,
    /// The token that says so.
    pub(crate) token: String,
    /// How long the token lasts.
    pub(crate) life: Duration,
}

/// Checks codes and tokens.
pub(crate) struct Access {
    codes: Arc<Codes>,
    keys: Keys,
    guesses: Guesses<IpAddr>,
}

impl Access {
    /// For these codes.
    pub(crate) fn new(codes: &Arc<Codes>, keys: &Keys) -> Self {
        Self {
            codes: Arc::clone(codes),
            keys: keys.clone(),
            guesses: Guesses::new(
                "viewing_code",
                NonZeroU32::new(20).unwrap_or(NonZeroU32::MIN),
                Duration::from_secs(3),
            ),
        }
    }

    /// What a viewer with these codes may see now.
    pub(crate) fn viewer(&self, admin: bool, codes: &[i64]) -> Viewer {
        Viewer {
            admin,
            codes: codes.to_vec(),
            locked: self.codes.locked_categories(),
            unlocked: if codes.is_empty() {
                HashSet::new()
            } else {
                self.codes.opened_by(codes)
            },
        }
    }

    /// The codes of a request: of its token, and the one that its header says.
    ///
    /// # Errors
    /// `TooMany` when too many wrong ones came from a network, for the one of the header.
    pub(crate) fn codes_of(
        &self,
        token: Option<&str>,
        code: Option<&str>,
        from: IpAddr,
    ) -> Result<Vec<i64>, Fault> {
        let mut codes = token
            .and_then(|token| self.read(token, Micros::now()))
            .unwrap_or_default();
        if let Some(text) = code.filter(|text| !text.is_empty()) {
            let found = self.guesses.guess(&network(from), || self.codes.find(text))?;
            codes.extend(found.map(|right| right.id).filter(|id| !codes.contains(id)));
        }
        Ok(codes)
    }

    /// Enters a code beside those of `token`. `None` when it is wrong, inactive or expired, which look the same.
    ///
    /// # Errors
    /// `TooMany` when too many wrong ones came from a network.
    pub(crate) async fn enter(
        &self,
        text: &str,
        token: Option<&str>,
        from: IpAddr,
    ) -> Result<Option<Unlock>, Fault> {
        let found = self.guesses.guess(&network(from), || self.codes.find(text))?;
        let Some(right) = found else {
            CODES.count("wrong");
            tracing::info!(network = %network(from), "a viewing code was refused");
            return Ok(None);
        };
        CODES.count("right");
        self.codes.used(right.id).await?;
        let now = Micros::now();
        let mut codes = token.and_then(|token| self.read(token, now)).unwrap_or_default();
        codes.retain(|id| *id != right.id);
        codes.push(right.id);
        let codes = codes
            .get(codes.len().saturating_sub(MAX_CODES)..)
            .unwrap_or_default();
        let life = right.expires_at.map_or(UNLOCK, |at| at.since(now).min(UNLOCK));
        Ok(Some(Unlock {
            token: self.token(codes, now.after(life)),
            right,
            life,
        }))
    }

    fn token(&self, codes: &[i64], expires: Micros) -> String {
        let mut token = Vec::with_capacity(8 * (codes.len() + 1) + SIGNATURE);
        token.extend_from_slice(&expires.0.to_be_bytes());
        codes
            .iter()
            .for_each(|code| token.extend_from_slice(&code.to_be_bytes()));
        let signature = self.keys.hash("viewer", &[&token]);
        token.extend_from_slice(signature.get(..SIGNATURE).unwrap_or_default());
        BASE64_URL_SAFE_NO_PAD.encode(token)
    }

    fn read(&self, token: &str, now: Micros) -> Option<Vec<i64>> {
        if token.len() > 2 * (8 * (MAX_CODES + 1) + SIGNATURE) {
            return None;
        }
        let token = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
        let (said, signature) = token.split_at_checked(token.len().checked_sub(SIGNATURE)?)?;
        let right = self.keys.hash("viewer", &[said]);
        if !bool::from(right.get(..SIGNATURE)?.ct_eq(signature)) {
            return None;
        }
        let (expires, codes) = said.split_first_chunk::<8>()?;
        let alive = i64::from_be_bytes(*expires) > now.0;
        alive.then(|| {
            codes
                .as_chunks::<8>()
                .0
                .iter()
                .map(|code| i64::from_be_bytes(*code))
                .collect()
        })
    }

    /// Forgets networks that have been quiet.
    pub(crate) fn forget(&self) {
        self.guesses.forget();
    }
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
