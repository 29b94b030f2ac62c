//! Connections: how many, how long they may be silent, and how they end.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use mediacore::source::Network;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, Sleep};

use crate::metrics::CONNECTIONS;

/// Answers requests.
pub(crate) trait Respond: Send + Sync + 'static {
    /// The bodies of its answers.
    type Body: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static;

    /// Answers the request of a client at `peer`.
    fn respond(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// What a connection may cost.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Connections at a time; more wait in the listening queue.
    pub(crate) connections: usize,
    /// Connections at a time of one client, which is an IPv4 address or an IPv6 network of 64 bits; more are closed at once. So nobody
    /// takes all places alone.
    pub(crate) per_client: usize,
    /// Those of proxies, who come for many, are not counted.
    pub(crate) proxies: Vec<Network>,
    /// From the first moment, or the end of the answer before, to the end of a request's headers.
    pub(crate) headers: Duration,
    /// Without a byte taken by the client.
    pub(crate) stalled: Duration,
    /// Bytes of a request's headers. Also what is written ahead of the client beside one buffer.
    pub(crate) header_bytes: usize,
    /// For answers under way when the server is told to stop.
    pub(crate) leave: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            per_client: usize::MAX,
            proxies: Vec::new(),
            headers: Duration::from_secs(60),
            stalled: Duration::from_secs(60),
            header_bytes: 32 * 1024,
            leave: Duration::from_secs(10),
        }
    }
}

/// What [`Limits::headers`] is at most for who comes while most places are taken: silence is what takes places at no cost.
const HURRIED: Duration = Duration::from_secs(5);

/// Serves until `stop` says so or its other half is gone.
pub(crate) async fn serve<S: Respond>(
    listener: TcpListener,
    service: Arc<S>,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let clients = Arc::new(Clients::default());
    let limits = Arc::new(limits);
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await.ok()?;
            Some((place, listener.accept().await))
        };
        let accepted = tokio::select! {
            accepted = next => accepted,
            () = told(&mut stop) => break,
        };
        match accepted {
            None => break,
            Some((place, Ok((stream, peer)))) => {
                let Some(client) = clients.admit(peer.ip(), &limits) else {
                    CONNECTIONS.count("refused");
                    tracing::debug!("a connection too many of {}", peer.ip());
                    continue;
                };
                let crowded = places.available_permits() < limits.connections / 4;
                let headers = if crowded {
                    limits.headers.min(HURRIED)
                } else {
                    limits.headers
                };
                let (service, stop, limits) = (Arc::clone(&service), stop.clone(), Arc::clone(&limits));
                tokio::spawn(async move {
                    CONNECTIONS.count("opened");
                    connection(stream, peer, service, &limits, headers, stop).await;
                    CONNECTIONS.count("closed");
                    drop((place, client));
                });
            }
            Some((_, Err(error))) => {
                // Out of file descriptors, mostly: others must end first.
                tracing::warn!("can't accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(limits.leave, places.acquire_many(all)).await;
}

/// How many connections each client has.
#[derive(Default)]
struct Clients(Mutex<HashMap<IpAddr, usize>>);

/// A place of one client; it is free again when this is dropped.
struct Client {
    clients: Arc<Clients>,
    /// `None` for whoever isn't counted.
    of: Option<IpAddr>,
}

impl Clients {
    /// A place for one more connection of `peer`; `None` when it has too many.
    fn admit(self: &Arc<Self>, peer: IpAddr, limits: &Limits) -> Option<Client> {
        let peer = peer.to_canonical();
        let proxy = limits.proxies.iter().any(|network| network.contains(peer));
        let of = (!proxy).then(|| network_of(peer));
        if let Some(of) = of {
            let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let count = counts.entry(of).or_default();
            if *count >= limits.per_client {
                return None;
            }
            *count += 1;
        }
        let clients = Arc::clone(self);
        Some(Client { clients, of })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let Some(of) = self.of else { return };
        let mut counts = self.clients.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&of) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&of);
            }
        }
    }
}

/// An IPv4 address, or the network of 64 bits that one IPv6 subscriber has.
fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

async fn connection<S: Respond>(
    stream: TcpStream,
    peer: SocketAddr,
    service: Arc<S>,
    limits: &Limits,
    headers: Duration,
    mut stop: watch::Receiver<bool>,
) {
    // Fails on a connection that is gone already.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(|request: Request<Incoming>| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(service.respond(request, peer).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(headers)
        .max_buf_size(limits.header_bytes)
        .serve_connection(TokioIo::new(Watched::new(stream, limits.stalled)), answer)
        .with_upgrades();
    let mut connection = pin!(connection);
    let done = tokio::select! {
        done = connection.as_mut() => done,
        () = told(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = done {
        tracing::debug!("a connection ended: {error}");
    }
}

/// Waits until `stop` says so.
pub(crate) async fn told(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody can say it any more.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// A stream that fails when its client takes nothing for too long.
struct Watched {
    stream: TcpStream,
    limit: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Watched {
    const fn new(stream: TcpStream, limit: Duration) -> Self {
        Self {
            stream,
            limit,
            waiting: None,
        }
    }

    fn watch<T>(&mut self, context: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.waiting = None;
            return done;
        }
        let limit = self.limit;
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + limit)));
        match waiting.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buf)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(context, buf);
        self.watch(context, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write_vectored(context, bufs);
        self.watch(context, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_so_many_places_and_no_more() {
        let limits = Limits {
            per_client: 2,
            proxies: vec!["10.0.0.0/8".parse().unwrap()],
            ..Limits::default()
        };
        let clients = Arc::new(Clients::default());
        let admit = |address: &str| clients.admit(address.parse().unwrap(), &limits);
        let first = admit("192.0.2.7").unwrap();
        let second = admit("::ffff:192.0.2.7").unwrap();
        assert!(admit("192.0.2.7").is_none(), "one too many");
        let other = admit("192.0.2.8").unwrap();
        drop(second);
        let again = admit("192.0.2.7").unwrap();
        let proxied: Vec<_> = (0..5).map(|_| admit("10.1.2.3").unwrap()).collect();
        let near = [admit("2001:db8::1").unwrap(), admit("2001:db8::ffff:1").unwrap()];
        assert!(admit("2001:db8::2").is_none(), "one network");
        let far = admit("2001:db8:0:1::1").unwrap();
        drop((first, other, again, proxied, near, far));
        assert!(
            clients.0.lock().unwrap().is_empty(),
            "nothing is kept of who is gone"
        );
    }
}
