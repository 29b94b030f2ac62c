//! Who is signed in: passwords, tokens, and the accounts of administrators.
//!
//! A token is checked without the database: accounts and ended sessions are kept in memory and written through.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::keys::Keys;
use super::limits::{Limiter, network};
use crate::domain::time::Micros;
use crate::fault::{Fault, blocking};
use crate::metrics::SIGN_INS;
use crate::store::admins::Admin;
use crate::store::{Store, is_unique_violation};

/// Passwords that are hashed at a time. Each takes 19 MiB and a processor for 30 ms.
const HASHES: usize = 2;

/// What no password hashes to, and takes as long to check as a real one.
const DECOY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm8gc2FsdCBhdCBhbGwhIQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Bytes of the longest password.
const MAX_PASSWORD: usize = 1024;

/// Bytes of the longest token that is looked at.
const MAX_TOKEN: usize = 4096;

/// What a wrong name and a wrong password are answered.
const WRONG_PAIR: &str = "Incorrect username or password";

/// Signs in and checks who is.
pub(crate) struct Auth {
    store: Store,
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
    life: Duration,
    known: RwLock<Known>,
    hashing: Arc<Semaphore>,
    by_account: Limiter<String>,
    by_network: Limiter<IpAddr>,
}

#[derive(Debug, Default)]
struct Known {
    admins: HashMap<i64, Admin>,
    /// Sessions that were ended, until when they would have lasted.
    ended: HashMap<String, Micros>,
}

/// An administrator who is signed in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Session {
    /// The account.
    pub(crate) admin_id: i64,
    /// Its name.
    pub(crate) username: String,
    token_id: String,
    expires_at: Micros,
}

/// What a token says.
#[derive(Debug, Deserialize, Serialize)]
struct Claims {
    /// The administrator's name.
    sub: String,
    /// Who made it.
    iss: String,
    /// In seconds since 1970.
    exp: u64,
    iat: u64,
    nbf: u64,
    /// The token's own name.
    jti: String,
    /// The account's number.
    uid: i64,
    /// The version of the account's tokens.
    ver: i64,
}

const ISSUER: &str = "mediastack";

/// A token and how long it lasts.
#[derive(Debug)]
pub(crate) struct Token {
    /// The JWT.
    pub(crate) text: String,
    /// How long it lasts.
    pub(crate) life: Duration,
}

impl Auth {
    /// Reads the accounts; makes the first one when there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn open(
        store: &Store,
        keys: &Keys,
        life: Duration,
        first: (&str, &str),
    ) -> anyhow::Result<Self> {
        let key = keys.derive("tokens");
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.validate_nbf = true;
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "sub"]);
        if store.admins().await?.is_empty() {
            let (name, password) = (first.0, first.1.to_owned());
            let hashed = tokio::task::spawn_blocking(move || hash(&password)).await??;
            store.add_admin(name, &hashed).await?;
        }
        let auth = Self {
            store: store.clone(),
            signing: EncodingKey::from_secret(&key),
            checking: DecodingKey::from_secret(&key),
            validation,
            life,
            known: RwLock::default(),
            hashing: Arc::new(Semaphore::new(HASHES)),
            by_account: Limiter::new(
                "sign_in_account",
                NonZeroU32::new(10).unwrap_or(NonZeroU32::MIN),
                Duration::from_secs(6),
            ),
            by_network: Limiter::new(
                "sign_in_network",
                NonZeroU32::new(30).unwrap_or(NonZeroU32::MIN),
                Duration::from_secs(2),
            ),
        };
        auth.reload().await?;
        Ok(auth)
    }

    /// Reads accounts and ended sessions again.
    pub(crate) async fn reload(&self) -> Result<(), Fault> {
        let admins = self
            .store
            .admins()
            .await?
            .into_iter()
            .map(|admin| (admin.id, admin))
            .collect();
        let ended = self.store.revoked_tokens().await?.into_iter().collect();
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Known { admins, ended };
        self.by_account.forget();
        self.by_network.forget();
        Ok(())
    }

    fn with<T>(&self, look: impl FnOnce(&Known) -> T) -> T {
        look(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Signs in.
    ///
    /// # Errors
    /// `Unauthorized` for a wrong pair, in the time that a right one takes; `TooMany` for too many tries.
    pub(crate) async fn sign_in(&self, name: &str, password: &str, from: IpAddr) -> Result<Token, Fault> {
        self.by_network.check(&network(from))?;
        self.by_account
            .check(&name.chars().take(64).collect::<String>().to_lowercase())?;
        let admin = self.with(|known| {
            known
                .admins
                .values()
                .find(|admin| admin.username == name)
                .cloned()
        });
        let stored = admin
            .as_ref()
            .map_or_else(|| DECOY.to_owned(), |admin| admin.password_hash.clone());
        let right = self.verify(password, stored.clone()).await?;
        let Some(admin) = admin.filter(|_| right) else {
            SIGN_INS.count("wrong");
            tracing::warn!(network = %network(from), "a sign-in was refused");
            return Err(Fault::Unauthorized(WRONG_PAIR.to_owned()));
        };
        SIGN_INS.count("right");
        if !stored.starts_with("$argon2") {
            let new = self.hash(password).await?;
            self.store.set_admin_password(admin.id, &new, false).await?;
        }
        self.store.note_admin_login(admin.id).await?;
        self.reload().await?;
        self.token(&admin)
    }

    fn token(&self, admin: &Admin) -> Result<Token, Fault> {
        let now = u64::try_from(Micros::now().0 / 1_000_000).unwrap_or(0);
        let claims = Claims {
            sub: admin.username.clone(),
            iss: ISSUER.to_owned(),
            exp: now.saturating_add(self.life.as_secs()),
            iat: now,
            nbf: now,
            jti: uuid::Uuid::new_v4().simple().to_string(),
            uid: admin.id,
            ver: admin.token_version,
        };
        let text = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing);
        let text = text.map_err(|error| Fault::internal(format!("sign a token: {error}")))?;
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
        self.with(|known| {
            let admin = known.admins.get(&claims.uid)?;
            let good = admin.username == claims.sub
                && admin.token_version == claims.ver
                && !known.ended.contains_key(&claims.jti);
            good.then(|| Session {
                admin_id: admin.id,
                username: admin.username.clone(),
                token_id: claims.jti,
                expires_at: Micros(
                    i64::try_from(claims.exp)
                        .unwrap_or(i64::MAX)
                        .saturating_mul(1_000_000),
                ),
            })
        })
    }

    /// Ends a session.
    pub(crate) async fn sign_out(&self, session: &Session) -> Result<(), Fault> {
        self.store
            .revoke_token(&session.token_id, session.expires_at)
            .await?;
        self.reload().await
    }

    /// Changes the password of who is signed in and ends all sessions of the account, this one too.
    ///
    /// # Errors
    /// `BadRequest` when `old` is wrong, `Invalid` when `new` is too short.
    pub(crate) async fn change_password(
        &self,
        session: &Session,
        old: &str,
        new: &str,
    ) -> Result<Token, Fault> {
        self.by_account.check(&session.username.to_lowercase())?;
        let stored = self.with(|known| {
            known
                .admins
                .get(&session.admin_id)
                .map(|admin| admin.password_hash.clone())
        });
        if !self
            .verify(old, stored.unwrap_or_else(|| DECOY.to_owned()))
            .await?
        {
            return Err(Fault::bad("The current password is wrong"));
        }
        self.set_password(session.admin_id, new).await?;
        let admin = self.with(|known| known.admins.get(&session.admin_id).cloned());
        self.token(&admin.ok_or_else(|| Fault::Unauthorized(WRONG_PAIR.to_owned()))?)
    }

    /// Sets a password and ends all sessions of the account.
    ///
    /// # Errors
    /// `Invalid` when it is too short or too long, `NotFound` without such an account.
    pub(crate) async fn set_password(&self, admin_id: i64, new: &str) -> Result<(), Fault> {
        good_password(new)?;
        let hashed = self.hash(new).await?;
        if !self.store.set_admin_password(admin_id, &hashed, true).await? {
            return Err(Fault::missing("Administrator not found"));
        }
        self.reload().await
    }

    /// All accounts.
    pub(crate) fn admins(&self) -> Vec<Admin> {
        let mut admins: Vec<_> = self.with(|known| known.admins.values().cloned().collect());
        admins.sort_by_key(|admin: &Admin| admin.id);
        admins
    }

    /// Makes an account.
    ///
    /// # Errors
    /// `Invalid` for a bad name or password, `BadRequest` for a name that is taken.
    pub(crate) async fn add(&self, name: &str, password: &str) -> Result<Admin, Fault> {
        if name.trim().is_empty() || name.chars().count() > 32 || name.chars().any(char::is_control) {
            return Err(Fault::field("body.username", "1 to 32 characters"));
        }
        good_password(password)?;
        let hashed = self.hash(password).await?;
        let admin =
            self.store
                .add_admin(name, &hashed)
                .await
                .map_err(|error| match is_unique_violation(&error) {
                    true => Fault::bad("Username already exists"),
                    false => error.into(),
                })?;
        self.reload().await?;
        Ok(admin)
    }

    /// Removes an account and ends its sessions.
    ///
    /// # Errors
    /// `BadRequest` for the last one, `NotFound` without such an account.
    pub(crate) async fn remove(&self, id: i64) -> Result<(), Fault> {
        if !self.with(|known| known.admins.contains_key(&id)) {
            return Err(Fault::missing("Administrator not found"));
        }
        if !self.store.remove_admin(id).await? {
            return Err(Fault::bad("The last administrator can't be removed"));
        }
        self.reload().await
    }

    async fn hash(&self, password: &str) -> Result<String, Fault> {
        let place = self.place().await?;
        let password = password.to_owned();
        blocking(move || {
            let _place = place;
            hash(&password).map_err(Fault::Internal)
        })
        .await
    }

    async fn verify(&self, password: &str, stored: String) -> Result<bool, Fault> {
        if password.len() > MAX_PASSWORD {
            return Ok(false);
        }
        let place = self.place().await?;
        let password = password.to_owned();
        blocking(move || {
            let _place = place;
            Ok::<_, Fault>(verify(&password, &stored))
        })
        .await
    }

    async fn place(&self) -> Result<tokio::sync::OwnedSemaphorePermit, Fault> {
        let place = Arc::clone(&self.hashing).acquire_owned().await;
        place.map_err(|_| Fault::Unavailable("the server is stopping".to_owned()))
    }
}

fn good_password(text: &str) -> Result<(), Fault> {
    match text.chars().count() {
        8.. if text.len() <= MAX_PASSWORD => Ok(()),
        _ => Err(Fault::field(
            "body.password",
            format!("8 to {MAX_PASSWORD} characters"),
        )),
    }
}

fn hash(password: &str) -> anyhow::Result<String> {
    let hashed = Argon2::default().hash_password(password.as_bytes());
    Ok(hashed
        .map_err(|error| anyhow::anyhow!("hash a password: {error}"))?
        .to_string())
}

fn verify(password: &str, stored: &str) -> bool {
    if stored.starts_with("$2") {
        return bcrypt::verify(password, stored).unwrap_or(false);
    }
    PasswordHash::new(stored).is_ok_and(|stored| {
        Argon2::default()
            .verify_password(password.as_bytes(), &stored)
            .is_ok()
    })
}

#[cfg(test)]
#[path = "auth_tests.rs"]
mod tests;
