//! [`Limiter`]: how often something may be tried, for each account and for each network.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

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
        self.limits.check_key(key).map_err(|not_until| {
            REFUSALS.count(self.what);
            Fault::TooMany(not_until.wait_time_from(DefaultClock::default().now()))
        })
    }

    /// Forgets keys that have been quiet.
    pub(crate) fn forget(&self) {
        self.limits.retain_recent();
        self.limits.shrink_to_fit();
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
    fn a_household_is_one_network() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("::ffff:10.0.0.1"), "10.0.0.1");
        assert_eq!(of("10.0.0.1"), "10.0.0.1");
    }
}
