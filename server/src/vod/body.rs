//! [`Body`]: a layout as an HTTP body that never blocks an async thread and holds one buffer.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use mediacore::layout::{Buffer, Filled, Layout, Reader, Wait};
use mediacore::{Error, ErrorKind};
use tokio::task::JoinHandle;

use crate::metrics::VIEWER_BYTES;

/// Bytes that are read at once: what one client that does not read costs. Measured: 64 kB stay in the cache between the two
/// copies, more do not.
pub(crate) const BUFFER: usize = 64 * 1024;

/// Buffers that one body gives in a row before everybody else has a turn. A client that takes all that it is given would keep its thread
/// for megabytes at a time, and two hundred of them would let every other request wait for all of these: 607 ms for one of a hundred.
/// With four it was 186 ms.
const IN_A_ROW: u32 = 1;

/// Buffers that a thread keeps for the next body.
const KEPT: usize = 8;

/// The body of one response.
///
/// What is in the page cache is read where the connection is served; for anything else a thread that may block is asked.
/// A failure in the middle ends the connection: what was promised is not quietly cut short.
pub(crate) struct Body {
    state: State,
    left: u64,
    /// Buffers given since others had a turn.
    given: u32,
}

enum State {
    Whole(Bytes),
    Ready(Reader),
    Reading(JoinHandle<(Reader, Buffer, mediacore::Result<Filled>)>),
    Ended,
}

impl Body {
    /// No bytes.
    pub(crate) const fn empty() -> Self {
        Self {
            state: State::Ended,
            left: 0,
            given: 0,
        }
    }

    /// The bytes of `layout`.
    pub(crate) fn new(layout: &Layout) -> Self {
        Self {
            state: State::Ready(layout.reader()),
            left: layout.length(),
            given: 0,
        }
    }

    fn fail(&mut self, error: Error) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.state = State::Ended;
        tracing::warn!("a response ends early: {}", error.report());
        Poll::Ready(Some(Err(error)))
    }

    fn give(&mut self, buffer: Buffer) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let length = buffer.filled().len() as u64;
        match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                self.given += 1;
                VIEWER_BYTES.add(length);
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(Pooled(buffer))))))
            }
            None => self.fail(Error::new(
                ErrorKind::Internal,
                "a body is longer than its layout says",
            )),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        let left = bytes.len() as u64;
        Self {
            state: State::Whole(bytes),
            left,
            given: 0,
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        if self.given == IN_A_ROW {
            self.given = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Ended => Poll::Ready(None),
            State::Whole(bytes) => {
                self.left = 0;
                VIEWER_BYTES.add(bytes.len() as u64);
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            State::Ready(mut reader) => {
                let mut buffer = Pooled::take();
                match reader.fill_buffer(&mut buffer, BUFFER, Wait::No) {
                    Ok(Filled::More) => {
                        self.state = State::Ready(reader);
                        self.give(buffer)
                    }
                    Ok(Filled::Cold) => {
                        self.state = State::Reading(tokio::task::spawn_blocking(move || {
                            let filled = reader.fill_buffer(&mut buffer, BUFFER, Wait::Yes);
                            (reader, buffer, filled)
                        }));
                        self.poll_frame(context)
                    }
                    Ok(Filled::End) => self.fail(short()),
                    Err(error) => self.fail(error),
                }
            }
            State::Reading(mut reading) => {
                let Poll::Ready(done) = Pin::new(&mut reading).poll(context) else {
                    self.state = State::Reading(reading);
                    return Poll::Pending;
                };
                match done {
                    Ok((reader, buffer, Ok(Filled::More))) => {
                        self.state = State::Ready(reader);
                        self.give(buffer)
                    }
                    Ok((_, _, Ok(Filled::End | Filled::Cold))) => self.fail(short()),
                    Ok((_, _, Err(error))) => self.fail(error),
                    Err(error) => self
                        .fail(Error::new(ErrorKind::Internal, "a reading thread ended").with_source(error)),
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

fn short() -> Error {
    Error::new(ErrorKind::Internal, "a body is shorter than its layout says")
}

thread_local! {
    static FREE: RefCell<Vec<Buffer>> = const { RefCell::new(Vec::new()) };
}

/// A buffer that goes back to the thread that lets go of it.
struct Pooled(Buffer);

impl Pooled {
    fn take() -> Buffer {
        FREE.with_borrow_mut(Vec::pop)
            .unwrap_or_else(|| Buffer::new(BUFFER))
    }
}

impl AsRef<[u8]> for Pooled {
    fn as_ref(&self) -> &[u8] {
        self.0.filled()
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let mut buffer = std::mem::take(&mut self.0);
        // The thread itself may be ending.
        let _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if free.len() < KEPT {
                buffer.clear();
                free.push(buffer);
            }
        });
    }
}
