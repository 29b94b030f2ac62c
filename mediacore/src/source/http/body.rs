//! [`Body`]: the bytes of an answer, with its promises checked while they are read.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connect::Control;
use super::{Request, explain};
use crate::error::{Error, ErrorKind, Result};

/// The slowest rate that is still an answer, on average after [`GRACE`]; below it somebody is playing for time.
const MIN_BYTES_PER_SECOND: u64 = 128;
/// How long a body may take before its rate is looked at.
const GRACE: Duration = Duration::from_secs(20);

/// The bytes of an answer, in order.
///
/// Ends only where the answer does: a body that is shorter than its `Content-Length` or its last chunk is an error that
/// says `truncated`, one that is larger than the request's limit `LimitExceeded`, one that drips `TimedOut`.
pub(crate) struct Body {
    reader: ureq::BodyReader<'static>,
    control: Arc<Control>,
    length: Option<u64>,
    taken: u64,
    limit: u64,
    since: Instant,
    /// A request without a time limit is an endless stream, whose rate is the camera's business.
    timed: bool,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Body({} of {:?} bytes)", self.taken, self.length)
    }
}

impl Body {
    pub(super) fn new(
        body: ureq::Body,
        control: Arc<Control>,
        length: Option<u64>,
        request: &Request<'_>,
    ) -> Self {
        Self {
            reader: body.into_with_config().limit(u64::MAX).reader(),
            since: control.clock.now(),
            control,
            length,
            taken: 0,
            limit: request.limit,
            timed: request.time.is_some(),
        }
    }

    /// Bytes of the body, where the server tells.
    pub(crate) fn length(&self) -> Option<u64> {
        self.length
    }

    /// Reads some bytes; 0 at the end.
    pub(crate) fn read_some(&mut self, into: &mut [u8]) -> Result<usize> {
        let read = match self.reader.read(into) {
            Ok(read) => read,
            Err(cause) => return Err(self.explain(cause)),
        };
        self.taken = self.taken.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        if self.taken > self.limit {
            let message = format!("the body has more than the {} bytes we take", self.limit);
            return Err(Error::new(ErrorKind::LimitExceeded, message));
        }
        if read == 0 && !into.is_empty() && self.length.is_some_and(|length| self.taken < length) {
            return Err(self.truncated());
        }
        let elapsed = self.control.clock.now().saturating_duration_since(self.since);
        if self.timed && elapsed > GRACE && self.taken / elapsed.as_secs().max(1) < MIN_BYTES_PER_SECOND {
            return Err(Error::new(ErrorKind::TimedOut, "the body drips too slowly"));
        }
        Ok(read)
    }

    /// Reads all that is left.
    pub(crate) fn read_all(&mut self) -> Result<Vec<u8>> {
        self.read_up_to(usize::MAX)
    }

    /// Reads at most `most` bytes, and fewer only at the end.
    pub(crate) fn read_up_to(&mut self, most: usize) -> Result<Vec<u8>> {
        let mut start = Vec::new();
        let mut chunk = [0; 16 << 10];
        while start.len() < most {
            let room = (most - start.len()).min(chunk.len());
            match self.read_some(chunk.get_mut(..room).unwrap_or_default())? {
                0 => break,
                read => start.extend_from_slice(chunk.get(..read).unwrap_or_default()),
            }
        }
        Ok(start)
    }

    /// Takes the request's time limit away: the rest is an endless stream.
    pub(crate) fn untimed(&mut self) {
        self.timed = false;
        self.control.begin(None);
    }

    fn truncated(&self) -> Error {
        let of = self
            .length
            .map(|length| format!(" of {length}"))
            .unwrap_or_default();
        let message = format!("truncated: the body ended after {}{of} bytes", self.taken);
        Error::new(ErrorKind::Unreachable, message)
    }

    fn explain(&self, cause: io::Error) -> Error {
        if let Some(failure) = self.control.take_failure() {
            return failure;
        }
        match cause.downcast::<ureq::Error>() {
            Ok(ureq::Error::Io(cause)) if is_end(&cause) => self.truncated().with_source(cause),
            Ok(cause) => explain(cause),
            Err(cause) if is_end(&cause) => self.truncated().with_source(cause),
            Err(cause) => Error::new(ErrorKind::Unreachable, "the connection failed").with_source(cause),
        }
    }
}

fn is_end(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted
    )
}
