//! Connections that reach only what the egress policy allows and that a stop or a deadline ends at once.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fmt, io};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

use crate::clock::Clock;
use crate::error::{Error, ErrorKind};
use crate::source::{Egress, Interrupt, stopped};

/// How long a system call blocks before the interrupt is looked at again.
const SLICE: Duration = Duration::from_millis(100);

/// The same for `poll`.
pub(in crate::source) const POLL_SLICE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: SLICE.subsec_nanos() as i64,
};

/// What all connections of one client share: who may stop them, and until when the request that is running may take.
pub(in crate::source) struct Control {
    pub(super) egress: Egress,
    pub(in crate::source) interrupt: Interrupt,
    pub(in crate::source) clock: Arc<dyn Clock>,
    pub(in crate::source) connect_timeout: Duration,
    pub(super) read_timeout: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    deadline: Option<Instant>,
    failure: Option<Error>,
}

impl Control {
    pub(in crate::source) fn new(
        egress: Egress,
        interrupt: Interrupt,
        clock: Arc<dyn Clock>,
        connect_timeout: Duration,
        read_timeout: Duration,
    ) -> Arc<Self> {
        let state = Mutex::default();
        Arc::new(Self {
            egress,
            interrupt,
            clock,
            connect_timeout,
            read_timeout,
            state,
        })
    }

    /// A new request begins, which may take until `deadline`.
    pub(super) fn begin(&self, deadline: Option<Instant>) {
        *self.state() = State {
            deadline,
            failure: None,
        };
    }

    /// Why a connection gave up, once: the layers between pass on less than we know.
    pub(super) fn take_failure(&self) -> Option<Error> {
        self.state().failure.take()
    }

    /// Whether [`Control::take_failure`] has something.
    pub(super) fn has_failed(&self) -> bool {
        self.state().failure.is_some()
    }

    /// An error once the interrupt fired, the request's deadline passed, or `since` is longer ago than `patience`.
    pub(in crate::source) fn check(
        &self,
        since: Instant,
        patience: Duration,
        what: &str,
    ) -> Result<(), Error> {
        stopped(&self.interrupt, || what.to_owned())?;
        let now = self.clock.now();
        if self.state().deadline.is_some_and(|deadline| now >= deadline) {
            return Err(Error::new(
                ErrorKind::TimedOut,
                format!("{what}: the answer takes too long"),
            ));
        }
        if now.saturating_duration_since(since) >= patience {
            let message = format!("{what}: nothing came for {} s", patience.as_secs());
            return Err(Error::new(ErrorKind::TimedOut, message));
        }
        Ok(())
    }

    fn fail(&self, error: Error) -> ureq::Error {
        self.state().failure = Some(error);
        ureq::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "gave up"))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Control")
    }
}

/// Resolves through the egress policy.
#[derive(Debug)]
pub(super) struct PolicyResolver(pub(super) Arc<Control>);

impl Resolver for PolicyResolver {
    fn resolve(
        &self,
        uri: &Uri,
        _: &ureq::config::Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri
            .host()
            .unwrap_or_default()
            .trim_start_matches('[')
            .trim_end_matches(']');
        let default = if uri.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        let port = uri.port_u16().unwrap_or(default);
        let found = self
            .0
            .egress
            .resolve(host, port, &self.0.interrupt)
            .map_err(|error| self.0.fail(error))?;
        let mut addresses = self.empty();
        for address in found.into_iter().take(16) {
            addresses.push(address);
        }
        Ok(addresses)
    }
}

/// Opens TCP connections to the addresses that [`PolicyResolver`] left.
#[derive(Debug)]
pub(super) struct PolicyConnector(pub(super) Arc<Control>);

impl Connector<()> for PolicyConnector {
    type Out = TcpTransport;

    fn connect(
        &self,
        details: &ConnectionDetails,
        _: Option<()>,
    ) -> Result<Option<TcpTransport>, ureq::Error> {
        let control = &self.0;
        let end = control.clock.now() + control.connect_timeout;
        let mut last = Error::new(ErrorKind::Unreachable, "no address to connect to");
        for (index, address) in details.addrs.iter().enumerate() {
            let left = end.saturating_duration_since(control.clock.now());
            let more = details.addrs.len() - index - 1;
            let share = if more == 0 { left } else { left / 2 };
            match connect(control, *address, share) {
                Ok(stream) => {
                    let stream = TcpTransport::new(stream, control.clone())?;
                    return Ok(Some(stream));
                }
                Err(error) if error.kind() == ErrorKind::Cancelled => return Err(control.fail(error)),
                Err(error) => last = error,
            }
        }
        Err(control.fail(last))
    }
}

/// A connection to `address`, made within `patience`.
pub(in crate::source) fn connect(
    control: &Control,
    address: SocketAddr,
    patience: Duration,
) -> Result<TcpStream, Error> {
    let unreachable = |cause: Errno| {
        let message = format!("connecting to port {}", address.port());
        Error::new(ErrorKind::Unreachable, message).with_source(io::Error::from(cause))
    };
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None).map_err(unreachable)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => {}
        Err(Errno::INPROGRESS | Errno::INTR) => {
            let since = control.clock.now();
            loop {
                let mut ready = [PollFd::new(&socket, PollFlags::OUT)];
                match poll(&mut ready, Some(&POLL_SLICE)) {
                    Ok(0) | Err(Errno::INTR) => control.check(since, patience, "connecting")?,
                    Ok(_) => break,
                    Err(cause) => return Err(unreachable(cause)),
                }
            }
            sockopt::socket_error(&socket)
                .map_err(unreachable)?
                .map_err(unreachable)?;
        }
        Err(cause) => return Err(unreachable(cause)),
    }
    Ok(TcpStream::from(socket))
}

/// One TCP connection whose reads and writes look at the interrupt every [`SLICE`].
pub(super) struct TcpTransport {
    stream: TcpStream,
    buffers: LazyBuffers,
    control: Arc<Control>,
}

impl TcpTransport {
    fn new(stream: TcpStream, control: Arc<Control>) -> io::Result<Self> {
        in_slices(&stream)?;
        let buffers = LazyBuffers::new(super::INPUT_BUFFER, super::OUTPUT_BUFFER);
        Ok(Self {
            stream,
            buffers,
            control,
        })
    }
}

/// Makes reads and writes of a connection block for [`SLICE`] at most.
pub(in crate::source) fn in_slices(stream: &TcpStream) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SLICE))?;
    stream.set_write_timeout(Some(SLICE))
}

/// Whether a read or a write only has to wait.
pub(in crate::source) fn is_pause(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

impl Transport for TcpTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        let since = self.control.clock.now();
        let mut left = self.buffers.output().get(..amount).unwrap_or_default();
        while !left.is_empty() {
            match self.stream.write(left) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(written) => left = left.get(written..).unwrap_or_default(),
                Err(cause) if is_pause(&cause) => self
                    .control
                    .check(since, self.control.read_timeout, "sending the request")
                    .map_err(|error| self.control.fail(error))?,
                Err(cause) => return Err(cause.into()),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        let since = self.control.clock.now();
        loop {
            // Looked at before the read too: a peer that always has one more byte never lets a read pause.
            self.control
                .check(since, self.control.read_timeout, "waiting for the answer")
                .map_err(|error| self.control.fail(error))?;
            match self.stream.read(self.buffers.input_append_buf()) {
                Ok(amount) => {
                    self.buffers.input_appended(amount);
                    return Ok(amount > 0);
                }
                Err(cause) if is_pause(&cause) => {}
                Err(cause) => return Err(cause.into()),
            }
        }
    }

    fn is_open(&mut self) -> bool {
        let mut byte = [0];
        let quiet = self.stream.set_nonblocking(true).is_ok()
            && matches!(self.stream.peek(&mut byte), Err(cause) if cause.kind() == io::ErrorKind::WouldBlock);
        self.stream.set_nonblocking(false).is_ok() && quiet
    }
}

impl fmt::Debug for TcpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TcpTransport")
    }
}
