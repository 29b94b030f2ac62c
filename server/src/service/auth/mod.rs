//! Who is signed in: passwords, tokens, and the accounts of administrators.
//!
//! A token is checked without the database: accounts and ended sessions are kept in memory and written through. A sign-in reads the
//! account, so that what a command changed counts at once; sessions that a command ended are over within half a minute.
//!
//! Tries are counted for each network, and for each account; from where an account is signed in already they are counted apart, so
//! that whoever guesses elsewhere doesn't shut its owner out.

mod sessions;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use tokio::sync::Semaphore;

use super::keys::Keys;
use super::limits::{Limiter, network};
use crate::domain::time::Micros;
use crate::fault::{Fault, blocking};
use crate::metrics::SIGN_INS;
use crate::store::admins::Admin;
use crate::store::{Store, is_unique_violation};

pub(crate) use sessions::{Device, Session, Token};
use sessions::{ISSUER, Seen, homes};

/// Passwords that are hashed at a time. Each takes 19 MiB and a processor for 30 ms.
const HASHES: usize = 2;

/// What no password hashes to, and takes as long to check as a real one.
const DECOY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm8gc2FsdCBhdCBhbGwhIQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Bytes of the longest password.
const MAX_PASSWORD: usize = 1024;

/// Tries at an account at once, and how often there is another one.
const TRIES: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
const A_TRY: Duration = Duration::from_secs(6);

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
    /// One reads at a time, so that what was read last is what is kept.
    reading: tokio::sync::Mutex<()>,
    /// When sessions were seen since that was last written.
    seen: Mutex<Seen>,
    hashing: Arc<Semaphore>,
    by_network: Limiter<IpAddr>,
    by_account: Limiter<String>,
    /// In place of `by_account` where the account is signed in.
    by_home: Limiter<(i64, IpAddr)>,
}

#[derive(Debug, Default)]
struct Known {
    admins: HashMap<i64, Admin>,
    /// Sessions that were ended, until when they would have lasted.
    ended: HashMap<String, Micros>,
    /// The networks that accounts are signed in from.
    homes: HashSet<(i64, IpAddr)>,
}

impl Auth {
    /// Reads the accounts; makes the `first` one, of this name and password, when there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn open(
        store: &Store,
        keys: &Keys,
        life: Duration,
        first: Option<(&str, &str)>,
    ) -> anyhow::Result<Self> {
        let key = keys.derive("tokens");
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.validate_nbf = true;
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "sub"]);
        if let Some((name, password)) = first
            && store.admins().await?.is_empty()
        {
            let password = password.to_owned();
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
            reading: tokio::sync::Mutex::default(),
            seen: Mutex::default(),
            hashing: Arc::new(Semaphore::new(HASHES)),
            by_network: Limiter::new(
                "sign_in_network",
                NonZeroU32::new(30).unwrap_or(NonZeroU32::MIN),
                Duration::from_secs(2),
            ),
            by_account: Limiter::new("sign_in_account", TRIES, A_TRY),
            by_home: Limiter::new("sign_in_home", TRIES, A_TRY),
        };
        auth.reload().await?;
        Ok(auth)
    }

    /// Reads accounts and ended sessions again.
    pub(crate) async fn reload(&self) -> Result<(), Fault> {
        let _one = self.reading.lock().await;
        let admins = self
            .store
            .admins()
            .await?
            .into_iter()
            .map(|admin| (admin.id, admin))
            .collect();
        let ended = self.store.ended_sessions().await?.into_iter().collect();
        let homes = homes(&self.store.sessions().await?);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Known { admins, ended, homes };
        Ok(())
    }

    /// Forgets who has been quiet.
    pub(crate) fn forget(&self) {
        self.by_network.forget();
        self.by_account.forget();
        self.by_home.forget();
    }

    fn with<T>(&self, look: impl FnOnce(&Known) -> T) -> T {
        look(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Signs in.
    ///
    /// # Errors
    /// `Unauthorized` for a wrong pair, in the time that a right one takes; `TooMany` for too many tries.
    pub(crate) async fn sign_in(&self, name: &str, password: &str, device: &Device) -> Result<Token, Fault> {
        let from = network(device.address);
        self.by_network.check(&from)?;
        // No name has what a database can't keep.
        let admin = match name.contains('\0') {
            true => None,
            false => self.store.admin_named(name).await?,
        };
        let home = admin.as_ref().map(|admin| (admin.id, from));
        match home.filter(|home| self.with(|known| known.homes.contains(home))) {
            Some(home) => self.by_home.check(&home)?,
            None => self.by_account.check(&account(name))?,
        }
        let stored = admin.as_ref().map(|admin| admin.password_hash.as_str());
        let right = self.verify(password, stored).await?;
        let Some(admin) = admin.filter(|_| right) else {
            SIGN_INS.count("wrong");
            tracing::warn!(network = %from, "a sign-in was refused");
            return Err(Fault::Unauthorized(WRONG_PAIR.to_owned()));
        };
        SIGN_INS.count("right");
        if !admin.password_hash.starts_with("$argon2") {
            let new = self.hash(password).await?;
            self.store.set_admin_password(admin.id, &new, false).await?;
        }
        self.begin(&admin, device).await
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
        device: &Device,
    ) -> Result<Token, Fault> {
        self.by_home.check(&(session.admin_id, network(device.address)))?;
        let stored = self.with(|known| {
            known
                .admins
                .get(&session.admin_id)
                .map(|admin| admin.password_hash.clone())
        });
        if !self.verify(old, stored.as_deref()).await? {
            return Err(Fault::bad("The current password is wrong"));
        }
        self.set_password(session.admin_id, new).await?;
        let admin = self.with(|known| known.admins.get(&session.admin_id).cloned());
        let admin = admin.ok_or_else(|| Fault::Unauthorized(WRONG_PAIR.to_owned()))?;
        self.begin(&admin, device).await
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

    /// Whether it is the password that `stored` is of. It takes as long when nothing is stored.
    async fn verify(&self, password: &str, stored: Option<&str>) -> Result<bool, Fault> {
        if password.len() > MAX_PASSWORD {
            return Ok(false);
        }
        let place = self.place().await?;
        let password = password.to_owned();
        let known = stored.is_some();
        let stored = stored.unwrap_or(DECOY).to_owned();
        // Hashes of an import take another time. While one is left every try takes both, so that the time tells no name.
        let other = if stored.starts_with("$2") {
            Some(DECOY.to_owned())
        } else {
            self.with(|known| {
                let mut hashes = known.admins.values().map(|admin| &admin.password_hash);
                hashes.find(|hash| hash.starts_with("$2")).cloned()
            })
        };
        blocking(move || {
            let _place = place;
            let right = verify(&password, &stored);
            if let Some(other) = other {
                std::hint::black_box(verify(&password, &other));
            }
            Ok::<_, Fault>(known && right)
        })
        .await
    }

    async fn place(&self) -> Result<tokio::sync::OwnedSemaphorePermit, Fault> {
        let place = Arc::clone(&self.hashing).acquire_owned().await;
        place.map_err(|_| Fault::Unavailable("the server is stopping".to_owned()))
    }
}

/// The name of an account, for counting tries.
fn account(name: &str) -> String {
    name.chars().take(64).collect::<String>().to_lowercase()
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
mod tests;
