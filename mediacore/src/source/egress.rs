//! [`Egress`]: which addresses a source may make us connect to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::source::{Interrupt, stopped};

/// Which addresses may be reached, on every hop: the source itself, redirects, playlists, segments, keys.
///
/// Refused whatever the policy says: unspecified, multicast, broadcast and reserved addresses. Refused unless `allow`
/// names them: link-local addresses and the metadata services of clouds. An IPv6 address that carries an IPv4 address
/// (mapped, compatible, NAT64, 6to4, Teredo) is judged by both.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Egress {
    /// Whether loopback, private and shared ranges may be reached; cameras live there.
    pub private: bool,
    /// Networks that may be reached although a rule above refuses them.
    pub allow: Vec<Network>,
}

impl Default for Egress {
    fn default() -> Self {
        Self {
            private: true,
            allow: Vec::new(),
        }
    }
}

/// Addresses that share their first `prefix` bits, written `10.1.0.0/16`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Egress {
    /// Whether a connection to `address` is allowed.
    pub fn permits(&self, address: IpAddr) -> bool {
        let embedded = match address {
            IpAddr::V6(v6) => embedded_v4(v6),
            IpAddr::V4(_) => None,
        };
        // Mapped and compatible forms have no meaning of their own; the others are judged by both addresses.
        let own = match (address, embedded) {
            (IpAddr::V6(v6), Some(_)) if v6.segments()[..5] == [0; 5] => None,
            _ => Some(address),
        };
        own.into_iter().chain(embedded.map(IpAddr::V4)).all(|address| {
            let listed = || self.allow.iter().any(|network| network.contains(address));
            match class(address) {
                Class::Public => true,
                Class::Private => self.private || listed(),
                Class::LinkLocal => listed(),
                Class::Never => false,
            }
        })
    }

    /// Looks `host` up once and keeps the addresses that may be reached; the connection must go to these, so that a
    /// second lookup can't answer differently.
    ///
    /// `Refused` when none is left, with a text that depends on the host's name only: it says nothing about what
    /// answers there, because nobody was asked. `Unreachable` when the name can't be resolved.
    pub fn resolve(&self, host: &str, port: u16, interrupt: &Interrupt) -> Result<Vec<SocketAddr>> {
        let found = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => look_up(host, port, interrupt)?,
        };
        let mut kept: Vec<SocketAddr> = found.into_iter().filter(|addr| self.permits(addr.ip())).collect();
        kept.dedup();
        kept.truncate(MAX_ADDRESSES);
        if kept.is_empty() {
            let message = format!("{host}: the egress policy refuses its address");
            return Err(Error::new(ErrorKind::Refused, message));
        }
        Ok(kept)
    }
}

impl Network {
    /// `None` when `prefix` is longer than the address.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= bits).then_some(Self { address, prefix })
    }

    /// Whether `address` is one of them; never across the two address families.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(net), IpAddr::V4(one)) => {
                let differing = u32::from(net) ^ u32::from(one);
                self.prefix == 0 || differing.checked_shr(32 - u32::from(self.prefix)) == Some(0)
            }
            (IpAddr::V6(net), IpAddr::V6(one)) => {
                let differing = u128::from(net) ^ u128::from(one);
                self.prefix == 0 || differing.checked_shr(128 - u32::from(self.prefix)) == Some(0)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Network {
    type Err = Error;

    /// An address, or an address and the number of bits that count: `10.1.0.0/16`, `fd00::/8`, `192.168.1.7`.
    fn from_str(text: &str) -> Result<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let parsed = address.parse::<IpAddr>().ok().and_then(|address| {
            let full = if address.is_ipv4() { 32 } else { 128 };
            let prefix = prefix.map_or(Some(full), |prefix| prefix.parse().ok())?;
            Self::new(address, prefix)
        });
        parsed.ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidInput,
                format!("{text:?} is no network; write it as 10.1.0.0/16"),
            )
        })
    }
}

/// Whether `address` is in a private network, or on this machine.
pub(super) fn is_private(address: IpAddr) -> bool {
    !matches!(class(address.to_canonical()), Class::Public)
}

enum Class {
    Public,
    Private,
    LinkLocal,
    Never,
}

/// The class of one address by the special-purpose registries (RFC 6890 and its updates).
fn class(address: IpAddr) -> Class {
    match address {
        IpAddr::V4(v4) => class_v4(v4),
        IpAddr::V6(v6) => class_v6(v6),
    }
}

fn class_v4(v4: Ipv4Addr) -> Class {
    let [a, b, c, _] = v4.octets();
    match (a, b, c) {
        (0, ..) | (224..=255, ..) => Class::Never,
        (169, 254, _) => Class::LinkLocal,
        // Metadata services outside the link-local range: Alibaba Cloud and Oracle Cloud.
        _ if v4 == Ipv4Addr::new(100, 100, 100, 200) || v4 == Ipv4Addr::new(192, 0, 0, 192) => {
            Class::LinkLocal
        }
        (10 | 127, ..) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) | (198, 18 | 19, _) => {
            Class::Private
        }
        (192, 0, 0 | 2) | (198, 51, 100) | (203, 0, 113) => Class::Private,
        _ => Class::Public,
    }
}

fn class_v6(v6: Ipv6Addr) -> Class {
    let segments = v6.segments();
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 1] => Class::Private,
        [0, 0, 0, 0, 0, 0, ..] | [0xff00..=0xffff, ..] => Class::Never,
        // Link-local; the metadata services of AWS; translation prefixes of local use (RFC 8215).
        [0xfe80..=0xfebf, ..] | [0xfd00, 0x0ec2, ..] | [0x64, 0xff9b, 1, ..] => Class::LinkLocal,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] | [0x2001, 0x0db8, ..] | [0x100, 0, 0, 0, ..] => {
            Class::Private
        }
        _ => Class::Public,
    }
}

/// The IPv4 address that an IPv6 address leads to: mapped and compatible (RFC 4291), NAT64 (RFC 6052), 6to4 (RFC 3056),
/// Teredo (RFC 4380).
fn embedded_v4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let pair = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => Some(pair(high, low)),
        [0, 0, 0, 0, 0xffff, 0, high, low] => Some(pair(high, low)),
        [0x64, 0xff9b, _, _, _, _, high, low] => Some(pair(high, low)),
        [0x2002, high, low, ..] => Some(pair(high, low)),
        [0x2001, 0, _, _, _, _, high, low] => Some(pair(!high, !low)),
        _ => None,
    }
}

/// The addresses of one host that are tried; more only make the wait longer.
const MAX_ADDRESSES: usize = 8;
/// Lookups that may run at once in the whole process; a resolver that hangs must not cost a thread per attempt.
const MAX_LOOKUPS: usize = 64;
static LOOKUPS: AtomicUsize = AtomicUsize::new(0);

/// Asks the system's resolver on a thread of its own, because nothing can interrupt it. A lookup that we gave up on
/// ends by the resolver's own time limit; until then it counts against [`MAX_LOOKUPS`].
fn look_up(host: &str, port: u16, interrupt: &Interrupt) -> Result<Vec<SocketAddr>> {
    struct Running;
    impl Drop for Running {
        fn drop(&mut self) {
            LOOKUPS.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let unreachable = |why: &str| Error::new(ErrorKind::Unreachable, format!("{host}: {why}"));

    let before = LOOKUPS.fetch_add(1, Ordering::SeqCst);
    let running = Running;
    if before >= MAX_LOOKUPS {
        return Err(unreachable("too many name lookups hang"));
    }
    let (answer, answers) = mpsc::sync_channel(1);
    let name = host.to_owned();
    std::thread::Builder::new()
        .name("name-lookup".into())
        .spawn(move || {
            let _running = running;
            // Nobody listens any more when the caller gave up.
            let _ = answer.send((name.as_str(), port).to_socket_addrs().map(Vec::from_iter));
        })
        .map_err(|cause| unreachable("no thread for the name lookup").with_source(cause))?;
    loop {
        match answers.recv_timeout(Duration::from_millis(100)) {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(cause)) => return Err(unreachable("the name can't be resolved").with_source(cause)),
            Err(RecvTimeoutError::Timeout) => stopped(interrupt, || format!("looking up {host}"))?,
            Err(RecvTimeoutError::Disconnected) => return Err(unreachable("the name lookup broke off")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(egress: &Egress, address: &str) -> bool {
        egress.permits(address.parse().expect(address))
    }

    #[test]
    fn private_ranges_follow_the_switch_in_every_notation() {
        let open = Egress::default();
        let closed = Egress {
            private: false,
            ..Egress::default()
        };
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "::1",
            "fd12::1",
            "::ffff:7f00:1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "2002:0a01:0203::1",
            "2001:0:1:2:3:4:80ff:fffe",
        ] {
            assert!(permits(&open, address), "{address}");
            assert!(!permits(&closed, address), "{address}");
        }
        for address in ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"] {
            assert!(permits(&closed, address), "{address}");
        }
    }

    #[test]
    fn metadata_services_need_a_word_of_permission_and_multicast_has_none() {
        let mut egress = Egress::default();
        let metadata = [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::",
            "fe80::1",
            "fd00:ec2::254",
            "100.100.100.200",
        ];
        for address in metadata {
            assert!(!permits(&egress, address), "{address}");
        }
        egress.allow = ["169.254.0.0/16", "0.0.0.0/0", "::/0"]
            .iter()
            .map(|text| text.parse().expect("network"))
            .collect();
        for address in metadata {
            assert!(permits(&egress, address), "{address}");
        }
        for address in [
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "ff02::1",
            "::ffff:224.0.0.1",
        ] {
            assert!(!permits(&egress, address), "{address}");
        }
    }

    #[test]
    fn a_listed_network_opens_only_itself() {
        let egress = Egress {
            private: false,
            allow: vec!["10.1.0.0/16".parse().expect("network")],
        };
        assert_eq!(egress.allow[0].to_string(), "10.1.0.0/16");
        assert!(permits(&egress, "10.1.255.255") && permits(&egress, "::ffff:10.1.0.1"));
        assert!(!permits(&egress, "10.2.0.0") && !permits(&egress, "127.0.0.1"));
        for text in ["10.0.0.0/33", "::/129", "x/8", "10.0.0.0/-1", ""] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_refusal_says_the_same_of_what_exists_and_what_does_not() {
        let egress = Egress {
            private: false,
            ..Egress::default()
        };
        let interrupt = Interrupt::new();
        let refusal = |host: &str| {
            let error = egress.resolve(host, 1, &interrupt).expect_err(host);
            assert_eq!(error.kind(), ErrorKind::Refused);
            error.report().replace(host, "HOST")
        };
        assert_eq!(refusal("127.0.0.1"), refusal("10.255.255.1"));
        assert_eq!(refusal("localhost"), refusal("169.254.169.254"));
    }
}
