//! Tokens and the sessions behind them: made at a sign-in, checked from memory, listed and ended.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::PoisonError;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Auth;
use crate::domain::time::Micros;
use crate::fault::Fault;
use crate::store::admins::Admin;
use crate::store::sessions;

/// Bytes of the longest token that is looked at.
const MAX_TOKEN: usize = 4096;

/// Characters of a user agent that are kept.
const MAX_AGENT: usize = 200;

pub(super) const ISSUER: &str = "mediastack";

/// An administrator who is signed in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Session {
    /// The account.
    pub(crate) admin_id: i64,
    /// Its name.
    pub(crate) username: String,
    /// The token's own name.
    pub(super) id: String,
    pub(super) expires_at: Micros,
}

impl Session {
    /// Whether it is the one of this name.
    pub(crate) fn is(&self, id: &str) -> bool {
        self.id == id
    }
}

/// What somebody signs in with.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    /// Where from, as trusted proxies tell it.
    pub(crate) address: IpAddr,
    user_agent: String,
}

impl Device {
    /// The device at `address` that calls itself `user_agent`.
    pub(crate) fn new(address: IpAddr, user_agent: Option<&str>) -> Self {
        let shown = |text: &str| {
            text.chars()
                .filter(|char| !char.is_control())
                .take(MAX_AGENT)
                .collect()
        };
        Self {
            address: address.to_canonical(),
            user_agent: user_agent.map(shown).unwrap_or_default(),
        }
    }
}

/// What a token says.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Claims {
    /// The administrator's name.
    pub(super) sub: String,
    /// Who made it.
    pub(super) iss: String,
    /// In seconds since 1970.
    pub(super) exp: u64,
    pub(super) iat: u64,
    pub(super) nbf: u64,
    /// The token's own name.
    pub(super) jti: String,
    /// The account's number.
    pub(super) uid: i64,
    /// The version of the account's tokens.
    pub(super) ver: i64,
}

/// A token and how long it lasts.
#[derive(Debug)]
pub(crate) struct Token {
    /// The JWT.
    pub(crate) text: String,
    /// How long it lasts.
    pub(crate) life: Duration,
}

fn micros(seconds: u64) -> Micros {
    Micros(
        i64::try_from(seconds)
            .unwrap_or(i64::MAX)
            .saturating_mul(1_000_000),
    )
}

fn seconds(at: Micros) -> u64 {
    u64::try_from(at.0 / 1_000_000).unwrap_or(0)
}

impl Auth {
    /// Begins a session of `admin`.
    pub(super) async fn begin(&self, admin: &Admin, device: &Device) -> Result<Token, Fault> {
        let now = Micros::now();
        let claims = Claims {
            sub: admin.username.clone(),
            iss: ISSUER.to_owned(),
            exp: seconds(now).saturating_add(self.life.as_secs()),
            iat: seconds(now),
            nbf: seconds(now),
            jti: uuid::Uuid::new_v4().simple().to_string(),
            uid: admin.id,
            ver: admin.token_version,
        };
        let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
        let text = jsonwebtoken::encode(&header, &claims, &self.signing)
            .map_err(|error| Fault::internal(format!("sign a token: {error}")))?;
        let session = sessions::Session {
            id: claims.jti,
            admin_id: admin.id,
            created_at: now,
            expires_at: micros(claims.exp),
            last_seen_at: now,
            address: device.address.to_string(),
            user_agent: device.user_agent.clone(),
        };
        self.store.add_session(&session).await?;
        self.reload().await?;
        Ok(Token {
            text,
            life: self.life,
        })
    }

    /// Whose token it is; `None` for one that is wrong in any way, expired or ended.
    pub(crate) fn session(&self, token: &str) -> Option<Session> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &self.checking, &self.validation)
            .ok()?
            .claims;
        let now = Micros::now();
        // The library looks at `exp`, `nbf`, `iss` and the algorithm.
        if claims.iat > seconds(now) {
            return None;
        }
        let session = self.with(|known| {
            let admin = known.admins.get(&claims.uid)?;
            let good = admin.username == claims.sub
                && admin.token_version == claims.ver
                && !known.ended.contains_key(&claims.jti);
            good.then(|| Session {
                admin_id: admin.id,
                username: admin.username.clone(),
                id: claims.jti,
                expires_at: micros(claims.exp),
            })
        })?;
        self.saw(&session.id, now);
        Some(session)
    }

    /// Whether a session that was good when its request came still is: for answers that go on for long.
    pub(crate) fn lasts(&self, session: &Session) -> bool {
        let there = self.with(|known| {
            known.admins.contains_key(&session.admin_id) && !known.ended.contains_key(&session.id)
        });
        there && session.expires_at > Micros::now()
    }

    fn saw(&self, id: &str, now: Micros) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.get_mut(id) {
            Some(at) => *at = now,
            None => {
                seen.insert(id.to_owned(), now);
            }
        }
    }

    /// Writes when sessions were seen: to be called once a minute and at the end, so that no request writes.
    ///
    /// # Errors
    /// When the store fails; the times are kept for the next call.
    pub(crate) async fn write_seen(&self) -> Result<(), Fault> {
        let taken = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        if taken.is_empty() {
            return Ok(());
        }
        let written: Vec<(String, Micros)> = taken.into_iter().collect();
        let done = self.store.note_sessions_seen(&written).await;
        if done.is_err() {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            for (id, at) in written {
                seen.entry(id).or_insert(at);
            }
        }
        Ok(done?)
    }

    /// Forgets sessions that have expired.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn sweep(&self) -> Result<(), Fault> {
        self.store.sweep_sessions(Micros::now()).await?;
        Ok(())
    }

    /// The sessions of an account, newest first, as they were seen last.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn sessions(&self, of: &Session) -> Result<Vec<sessions::Session>, Fault> {
        let mut all = self.store.sessions().await?;
        all.retain(|session| session.admin_id == of.admin_id);
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for session in &mut all {
            if let Some(at) = seen.get(&session.id) {
                session.last_seen_at = session.last_seen_at.max(*at);
            }
        }
        Ok(all)
    }

    /// Ends a session: its token is void from now on.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn sign_out(&self, session: &Session) -> Result<(), Fault> {
        self.end(&[(session.id.clone(), session.expires_at)]).await
    }

    /// Ends one of the sessions of the account that `of` belongs to.
    ///
    /// # Errors
    /// `NotFound` when it is another's, or is over.
    pub(crate) async fn end_session(&self, of: &Session, id: &str) -> Result<(), Fault> {
        let all = self.sessions(of).await?;
        let ended = all.into_iter().find(|session| session.id == id);
        let ended = ended.ok_or_else(|| Fault::missing("Session not found"))?;
        self.end(&[(ended.id, ended.expires_at)]).await
    }

    /// Ends all sessions of the account but this one.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn end_others(&self, of: &Session) -> Result<(), Fault> {
        let mut others = self.sessions(of).await?;
        others.retain(|session| session.id != of.id);
        let others: Vec<_> = others
            .into_iter()
            .map(|session| (session.id, session.expires_at))
            .collect();
        self.end(&others).await
    }

    async fn end(&self, ended: &[(String, Micros)]) -> Result<(), Fault> {
        self.store.end_sessions(ended).await?;
        self.reload().await
    }
}

/// The networks that accounts are signed in from.
pub(super) fn homes(all: &[sessions::Session]) -> std::collections::HashSet<(i64, IpAddr)> {
    let home = |session: &sessions::Session| {
        let address = session.address.parse().ok()?;
        Some((session.admin_id, super::network(address)))
    };
    all.iter().filter_map(home).collect()
}

/// Times by session.
pub(super) type Seen = HashMap<String, Micros>;
