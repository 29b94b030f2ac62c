//! [`Limiter`]: how often something may be tried, for each account and for each network. [`Guesses`]: how often it may be wrong.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};

use crate::fault::Fault;
use crate::metrics::REFUSALS;

/// Attempts, by key.
#[derive(Debug)]
pub(crate) struct Limiter<K: Hash + Eq + Clone> {
    /// What is tried, for the count of refusals.
    what: &'static str,
    limits: DefaultKeyedRateLimiter<K>,
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    /// `burst` attempts at `what` at once, then one each `every`.
    pub(crate) fn new(what: &'static str, burst: NonZeroU32, every: Duration) -> Self {
        let quota = Quota::with_period(every).unwrap_or(Quota::per_second(NonZeroU32::MIN));
        Self {
            what,
            limits: DefaultKeyedRateLimiter::keyed(quota.allow_burst(burst)),
        }
    }

    /// Counts an attempt.
    ///
    /// # Errors
    /// `TooMany` with the time until the next one is allowed.
    pub(crate) fn check(&self, key: &K) -> Result<(), Fault> {
        self.limits
            .check_key(key)
            .map_err(|not_until| self.refused(not_until.wait_time_from(DefaultClock::default().now())))
    }

    fn refused(&self, wait: Duration) -> Fault {
        REFUSALS.count(self.what);
        Fault::TooMany(wait)
    }

    /// Takes an attempt, if there is one. That there is none is no refusal of anybody.
    pub(crate) fn take(&self, key: &K) -> bool {
        self.limits.check_key(key).is_ok()
    }

    /// Forgets keys that have been quiet.
    pub(crate) fn forget(&self) {
        self.limits.retain_recent();
        self.limits.shrink_to_fit();
    }
}

/// Wrong guesses, by key. Right ones are not counted, so that a hall full of people may all be right at once; and while a key has no
/// guess left it gets no answer, right or wrong, so that guessing on tells nothing.
#[derive(Debug)]
pub(crate) struct Guesses<K: Hash + Eq + Clone> {
    wrong: Limiter<K>,
    /// Until when a key gets no answer.
    shut: Mutex<HashMap<K, Instant>>,
}

impl<K: Hash + Eq + Clone> Guesses<K> {
    /// `burst` wrong guesses at `what` at once, then one each `every`.
    pub(crate) fn new(what: &'static str, burst: NonZeroU32, every: Duration) -> Self {
        Self {
            wrong: Limiter::new(what, burst, every),
            shut: Mutex::default(),
        }
    }

    fn shut(&self) -> MutexGuard<'_, HashMap<K, Instant>> {
        self.shut.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `look` finds; nothing found is a wrong guess.
    ///
    /// # Errors
    /// `TooMany` while the key has no guess left.
    pub(crate) fn guess<T>(&self, key: &K, look: impl FnOnce() -> Option<T>) -> Result<Option<T>, Fault> {
        let now = Instant::now();
        if let Some(until) = self.shut().get(key).filter(|until| **until > now) {
            return Err(self.wrong.refused(*until - now));
        }
        let found = look();
        if found.is_none()
            && let Err(fault) = self.wrong.check(key)
        {
            if let Fault::TooMany(wait) = &fault {
                self.shut().insert(key.clone(), now + *wait);
            }
            return Err(fault);
        }
        Ok(found)
    }

    /// Forgets keys that have been quiet.
    pub(crate) fn forget(&self) {
        self.wrong.forget();
        let now = Instant::now();
        let mut shut = self.shut();
        shut.retain(|_, until| *until > now);
        shut.shrink_to_fit();
    }
}

/// Whom an address belongs to, for limits: IPv4 by itself, IPv6 by its /64, an IPv4 address in IPv6 as IPv4.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        },
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_is_limited_and_others_are_not() {
        let limiter = Limiter::new("a test", NonZeroU32::new(3).unwrap(), Duration::from_secs(60));
        assert!((0..3).all(|_| limiter.check(&"a").is_ok()));
        assert!(matches!(limiter.check(&"a"), Err(Fault::TooMany(wait)) if wait.as_secs() > 50));
        assert!(limiter.check(&"b").is_ok());
    }

    #[test]
    fn wrong_guesses_are_counted_and_then_right_ones_tell_nothing() {
        let guesses = Guesses::new("a test", NonZeroU32::new(3).unwrap(), Duration::from_secs(60));
        for _ in 0..100 {
            assert!(matches!(guesses.guess(&"a", || Some(1)), Ok(Some(1))));
        }
        for _ in 0..3 {
            assert!(matches!(guesses.guess(&"a", || None::<i32>), Ok(None)));
        }
        assert!(matches!(
            guesses.guess(&"a", || None::<i32>),
            Err(Fault::TooMany(_))
        ));
        let right = guesses.guess(&"a", || Some(1));
        assert!(matches!(right, Err(Fault::TooMany(wait)) if wait.as_secs() > 50));
        assert!(matches!(guesses.guess(&"b", || Some(1)), Ok(Some(1))));
        guesses.forget();
        assert!(guesses.guess(&"a", || Some(1)).is_err(), "it is not quiet yet");

        let short = Guesses::new("a test", NonZeroU32::MIN, Duration::from_millis(20));
        let _ = short.guess(&"a", || None::<i32>);
        assert!(short.guess(&"a", || None::<i32>).is_err());
        std::thread::sleep(Duration::from_millis(40));
        assert!(
            matches!(short.guess(&"a", || Some(1)), Ok(Some(1))),
            "not for ever"
        );
    }

    #[test]
    fn a_household_is_one_network() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("::ffff:10.0.0.1"), "10.0.0.1");
        assert_eq!(of("10.0.0.1"), "10.0.0.1");
    }
}
