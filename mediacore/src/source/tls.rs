//! [`Relay`]: TLS for what libav speaks. It connects to a port of ours on loopback, and we speak TLS to the address that was checked:
//! libav would look the host up once more, and without a name in its address it would neither send one nor check one.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::error::{Error, ErrorKind, Result};
use crate::source::Interrupt;
use crate::source::http::{Control, POLL_SLICE, is_pause};

/// Whose certificates are taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Trust {
    /// Those that a public authority signed for the host's name.
    Public,
    /// Any: cameras in a private network have one that nobody signed.
    Any,
}

/// Bytes that are moved at once.
const CHUNK: usize = 16 * 1024;

/// A port on loopback behind which is one TLS connection. Dropping it closes both, and waits for its thread.
pub(super) struct Relay {
    port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Speaks TLS with `host` over `stream` and waits for one connection on loopback, for `patience`.
    ///
    /// # Errors
    /// `Refused` for a certificate that isn't trusted and for what is no TLS, `TimedOut`, `Cancelled`, `Unreachable`.
    pub(super) fn start(mut stream: TcpStream, host: &str, trust: Trust, control: &Control) -> Result<Self> {
        let session = handshake(&mut stream, host, trust, control)?;
        let failed =
            |cause: io::Error| Error::new(ErrorKind::Internal, "a port on loopback").with_source(cause);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        stream.set_nonblocking(true).map_err(failed)?;
        let stop = Arc::new(AtomicBool::new(false));
        let end = End {
            stop: Arc::clone(&stop),
            interrupt: control.interrupt.clone(),
        };
        let patience = control.connect_timeout;
        let thread = std::thread::Builder::new()
            .name("tls".to_owned())
            .stack_size(256 << 10)
            .spawn(move || {
                let Some(local) = accept(&listener, patience, &end) else {
                    return;
                };
                drop(listener);
                if let Err(error) = pump(session, stream, local, &end) {
                    tracing::debug!(%error, "a TLS connection ended");
                }
            })
            .map_err(failed)?;
        Ok(Self {
            port,
            stop,
            thread: Some(thread),
        })
    }

    /// Where to connect to.
    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It only moves bytes; a panic in it is a connection that ended.
            let _ = thread.join();
        }
    }
}

/// When to end.
struct End {
    stop: Arc<AtomicBool>,
    interrupt: Interrupt,
}

impl End {
    fn is_now(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.interrupt.is_cancelled()
    }
}

fn handshake(
    stream: &mut TcpStream,
    host: &str,
    trust: Trust,
    control: &Control,
) -> Result<ClientConnection> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| {
        Error::new(
            ErrorKind::InvalidInput,
            format!("{host} is no host that TLS knows"),
        )
    })?;
    let refused = |cause: rustls::Error| Error::new(ErrorKind::Refused, format!("TLS with {host}: {cause}"));
    let broken = |cause: io::Error| {
        let text = format!("TLS with {host}: the connection ended");
        Error::new(ErrorKind::Unreachable, text).with_source(cause)
    };
    let mut session = ClientConnection::new(config(trust).map_err(refused)?, name).map_err(refused)?;
    let since = control.clock.now();
    while session.is_handshaking() {
        control.check(since, control.connect_timeout, "the TLS handshake")?;
        let moved = if session.wants_write() {
            session.write_tls(stream)
        } else {
            match session.read_tls(stream) {
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                other => other,
            }
        };
        match moved {
            Ok(_) => {}
            Err(cause) if is_pause(&cause) => continue,
            Err(cause) => return Err(broken(cause)),
        }
        session.process_new_packets().map_err(refused)?;
    }
    Ok(session)
}

fn config(trust: Trust) -> std::result::Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let config = match trust {
        Trust::Public => {
            let roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        Trust::Any => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            .with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

/// Takes any certificate; the handshake must still be signed with it.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The first connection; `None` when none comes in time.
fn accept(listener: &TcpListener, patience: Duration, end: &End) -> Option<TcpStream> {
    listener.set_nonblocking(true).ok()?;
    let until = Instant::now() + patience;
    while !end.is_now() && Instant::now() < until {
        match listener.accept() {
            Ok((local, _)) => {
                local.set_nonblocking(true).ok()?;
                local.set_nodelay(true).ok()?;
                return Some(local);
            }
            Err(cause) if is_pause(&cause) => {
                // An error shows again at the next turn.
                let _ = poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&POLL_SLICE));
            }
            Err(_) => return None,
        }
    }
    None
}

/// Moves bytes both ways until one side ends. What is under way is at most what TLS holds and one buffer.
fn pump(mut session: ClientConnection, mut far: TcpStream, mut near: TcpStream, end: &End) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    // Of `buffer`, what is on its way to libav.
    let mut pending = 0..0;
    let mut far_ended = false;
    loop {
        if end.is_now() {
            return Ok(());
        }
        if pending.is_empty() {
            match session.reader().read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(length) => pending = 0..length,
                Err(cause) if is_pause(&cause) && far_ended => return Ok(()),
                Err(cause) if is_pause(&cause) => {}
                Err(cause) => return Err(cause),
            }
        }
        let mut wanted = (PollFlags::empty(), PollFlags::empty());
        if session.wants_write() {
            wanted.0 |= PollFlags::OUT;
        } else {
            wanted.1 |= PollFlags::IN;
        }
        if pending.is_empty() && !far_ended {
            wanted.0 |= PollFlags::IN;
        } else if !pending.is_empty() {
            wanted.1 |= PollFlags::OUT;
        }
        let mut ready = [PollFd::new(&far, wanted.0), PollFd::new(&near, wanted.1)];
        match poll(&mut ready, Some(&POLL_SLICE)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(cause) => return Err(cause.into()),
        }
        let (far_ready, near_ready) = (ready[0].revents(), ready[1].revents());
        let closing = PollFlags::HUP | PollFlags::ERR;
        if far_ready.intersects(PollFlags::OUT) {
            pass(session.write_tls(&mut far))?;
        }
        if wanted.0.contains(PollFlags::IN) && far_ready.intersects(PollFlags::IN | closing) {
            if pass(session.read_tls(&mut far))? == Some(0) {
                far_ended = true;
            }
            session.process_new_packets().map_err(io::Error::other)?;
        }
        if near_ready.intersects(PollFlags::OUT) {
            let bytes = buffer.get(pending.clone()).unwrap_or_default();
            pending.start += pass(near.write(bytes))?.unwrap_or(0);
        }
        if wanted.1.contains(PollFlags::IN) && near_ready.intersects(PollFlags::IN | closing) {
            let mut request = [0; CHUNK];
            match pass(near.read(&mut request))? {
                Some(0) => {
                    session.send_close_notify();
                    // Told or not: it ends here.
                    let _ = session.write_tls(&mut far);
                    return Ok(());
                }
                Some(length) => session
                    .writer()
                    .write_all(request.get(..length).unwrap_or_default())?,
                None => {}
            }
        }
    }
}

/// `None` for what only has to wait.
fn pass(moved: io::Result<usize>) -> io::Result<Option<usize>> {
    match moved {
        Ok(length) => Ok(Some(length)),
        Err(cause) if is_pause(&cause) => Ok(None),
        Err(cause) => Err(cause),
    }
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
