//! [`Patient`]: a request's body that must keep coming, and that is read to its end when nobody wants it.
//!
//! Hyper watches how long headers take; a body may take for ever. Here a client that is silent, or sends a byte now and then, is given up.
//! A refused request is answered before its body was read: a browser that is still sending would be told of a broken connection, and
//! not why. So what is left of it is read and thrown away, within limits.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::{Instant, Sleep};

/// Bytes a second that a client must send on the whole, once its first silence is used up.
const RATE: u64 = 500;

/// Bytes of a body that nobody wants which are read all the same.
const UNWANTED: u64 = 64 << 20;

/// How long that may take.
const REST: Duration = Duration::from_secs(10);

/// A body of a client that must not keep us waiting.
pub(super) struct Patient {
    /// `None` once it ended.
    body: Option<Body>,
    /// The longest silence, and what all of them together may be beside the time that the bytes take at [`RATE`].
    limit: Duration,
    came: u64,
    waited: Duration,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    late: Late,
    /// The client sends nothing unless it is told to.
    asks_first: bool,
}

/// Whether a body was given up.
#[derive(Clone, Debug, Default)]
pub(super) struct Late(Arc<AtomicBool>);

impl Late {
    /// It was.
    pub(super) fn is(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Patient {
    /// `body` of a client that may be silent for `limit`. `asks_first` is that it waits for `100 Continue`.
    pub(super) fn new(body: Body, limit: Duration, asks_first: bool) -> (Self, Late) {
        let late = Late::default();
        let patient = Self {
            body: Some(body),
            limit,
            came: 0,
            waited: Duration::ZERO,
            waiting: None,
            late: late.clone(),
            asks_first,
        };
        (patient, late)
    }

    /// How much longer it is waited for the next bytes.
    fn left(&self) -> Duration {
        let all = self.limit + Duration::from_secs(self.came / RATE);
        all.saturating_sub(self.waited).min(self.limit)
    }
}

impl http_body::Body for Patient {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        match Pin::new(body).poll_frame(context) {
            Poll::Ready(frame) => {
                if let Some((since, _)) = this.waiting.take() {
                    this.waited += since.elapsed();
                }
                match &frame {
                    Some(Ok(frame)) => {
                        let length = frame.data_ref().map_or(0, Bytes::len);
                        this.came = this.came.saturating_add(length as u64);
                    }
                    Some(Err(_)) | None => this.body = None,
                }
                Poll::Ready(frame)
            }
            Poll::Pending => {
                let left = this.left();
                let (_, sleep) = this
                    .waiting
                    .get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(left))));
                if sleep.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                this.body = None;
                this.late.0.store(true, Ordering::Relaxed);
                let silent = std::io::Error::from(std::io::ErrorKind::TimedOut);
                Poll::Ready(Some(Err(axum::Error::new(silent))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or(SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}

impl Drop for Patient {
    fn drop(&mut self) {
        let left = self.body.take().filter(|body| !body.is_end_stream());
        let Some(mut body) = left.filter(|_| !self.asks_first) else {
            return;
        };
        let reading = async move {
            let mut read = 0;
            while let Some(Ok(frame)) = body.frame().await {
                read += frame.data_ref().map_or(0, Bytes::len) as u64;
                if read > UNWANTED {
                    break;
                }
            }
        };
        // Without a runtime the server is gone, and with it the connection.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // Whoever needs longer is cut off.
                let _ = tokio::time::timeout(REST, reading).await;
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{StreamExt, stream};

    const LIMIT: Duration = Duration::from_millis(1500);

    /// A client that sends `length` bytes every `pause` milliseconds, `count` times.
    fn client(length: usize, pause: u64, count: usize) -> Body {
        let pause = Duration::from_millis(pause);
        Body::from_stream(stream::iter(0..count).then(move |_| async move {
            tokio::time::sleep(pause).await;
            Ok::<_, std::io::Error>(Bytes::from(vec![0; length]))
        }))
    }

    async fn all(body: Body) -> (Option<usize>, bool) {
        let (body, late) = Patient::new(body, LIMIT, false);
        let read = Body::new(body).collect().await;
        (read.ok().map(|all| all.to_bytes().len()), late.is())
    }

    #[tokio::test]
    async fn a_client_that_is_silent_or_drips_is_given_up_and_a_slow_one_is_not() {
        let began = Instant::now();
        let (silent, pauses, drips, slow) = tokio::join!(
            all(client(1, 60_000, 1)),
            all(client(1, 1000, 60)),
            all(client(1, 20, 60_000)),
            all(client(100, 50, 40)),
        );
        assert_eq!(silent, (None, true), "silent");
        assert_eq!(pauses, (None, true), "silences that are too many");
        assert_eq!(drips, (None, true), "a byte now and then");
        assert_eq!(slow, (Some(4000), false), "slow and steady");
        assert!(began.elapsed() < LIMIT * 8, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn what_nobody_wants_is_read_within_limits() {
        let seen = async |body: Body, asks_first: bool| {
            let read = Arc::new(std::sync::atomic::AtomicUsize::new(0));
            let counter = Arc::clone(&read);
            let body = Body::from_stream(body.into_data_stream().inspect(move |bytes| {
                let length = bytes.as_ref().map_or(0, Bytes::len);
                counter.fetch_add(length, Ordering::Relaxed);
            }));
            drop(Patient::new(body, LIMIT, asks_first));
            tokio::time::sleep(LIMIT).await;
            read.load(Ordering::Relaxed)
        };
        let (wanted, told, huge) = tokio::join!(
            seen(client(1000, 20, 5), false),
            seen(client(1000, 20, 5), true),
            seen(client(1 << 20, 0, 1000), false),
        );
        assert_eq!((wanted, told), (5000, 0));
        assert!(huge <= (65 << 20), "{huge}");
    }
}
