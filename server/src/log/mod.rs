//! The log: lines on standard error, and the newest of them in memory for administrators.
//!
//! A line that is written while a request is answered has the request's name in `request_id`, also on threads that
//! [`blocking`](crate::fault::blocking) gives it to. An address in a line loses its user and password, wherever it came from.

mod line;
mod ring;

use std::io::Write;
use std::sync::Arc;

use mediacore::{Error, ErrorKind, Result};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::{EnvFilter, Registry};

pub(crate) use line::{Level, Line};
pub(crate) use ring::{Ring, Wanted};

/// What is logged when nobody says: what libav complains about is in our own errors and events.
const DEFAULT: &str = "warn,libav=off";

/// What is kept in memory at least.
const KEPT: &str = "info,libav=off";

tokio::task_local! {
    /// The name of the request that is being answered.
    static REQUEST: Arc<str>;
}

/// Does `work` in the name of a request.
pub(crate) async fn named<T>(request: Arc<str>, work: impl Future<Output = T>) -> T {
    REQUEST.scope(request, work).await
}

/// What does `work` in the name of the request that is being answered now, if one is, on whatever thread it is called.
pub(crate) fn keep_name<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let request = REQUEST.try_with(Arc::clone).ok();
    move || match request {
        Some(request) => REQUEST.sync_scope(request, work),
        None => work(),
    }
}

/// How lines look.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object in a line.
    Json,
}

impl Format {
    /// The word of the setting.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// Whether a text says what is to be logged: a level, or a filter of the crate `tracing-subscriber`.
pub(crate) fn filter(text: &str) -> std::result::Result<EnvFilter, impl std::error::Error + use<>> {
    EnvFilter::try_new(text)
}

/// Starts the log of the program. `level` says what goes to `out`; without it `RUST_LOG` does. With a `ring`, lines from `info` on are kept
/// there too.
///
/// # Errors
/// `InvalidInput` for a level that is none.
pub(crate) fn start<W: Write + 'static>(
    level: Option<&str>,
    format: Format,
    ring: Option<&Arc<Ring>>,
    out: fn() -> W,
) -> Result<()> {
    let invalid = |cause| Error::new(ErrorKind::InvalidInput, format!("--log {level:?}")).with_source(cause);
    let said = level
        .map(str::to_owned)
        .or_else(|| std::env::var(EnvFilter::DEFAULT_ENV).ok());
    let shown = match level {
        Some(level) => EnvFilter::try_new(level).map_err(invalid)?,
        None => EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT)),
    };
    // Who asks for more than that gets it on the pages too.
    let kept = match said {
        Some(said) if shown.max_level_hint() > Some(LevelFilter::INFO) => EnvFilter::new(said),
        _ => EnvFilter::new(KEPT),
    };
    let shown = Shown { format, out }.with_filter(shown);
    let kept = ring.map(|ring| Kept(Arc::clone(ring)).with_filter(kept));
    // Not `init()`, which would pass on what libraries say through `log`: the HTTP client's requests have secrets in them.
    tracing::subscriber::set_global_default(Registry::default().with(shown).with(kept))
        .map_err(|cause| Error::new(ErrorKind::Internal, "start the log").with_source(cause))
}

/// Writes lines.
struct Shown<W> {
    format: Format,
    out: fn() -> W,
}

impl<S: Subscriber, W: Write + 'static> Layer<S> for Shown<W> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let line = Line::of(event, request());
        let mut text = match self.format {
            Format::Text => line.to_string(),
            Format::Json => serde_json::to_string(&line).unwrap_or_default(),
        };
        text.push('\n');
        // Nobody may be reading.
        let _ = (self.out)().write_all(text.as_bytes());
    }
}

/// Keeps lines.
struct Kept(Arc<Ring>);

impl<S: Subscriber> Layer<S> for Kept {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.0.push(Line::of(event, request()));
    }
}

fn request() -> Option<Arc<str>> {
    REQUEST.try_with(Arc::clone).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_have_the_name_of_their_request_on_other_threads_too() {
        let ring = Arc::new(Ring::new(1 << 20));
        let subscriber = Registry::default().with(Kept(Arc::clone(&ring)));
        let _guard = tracing::subscriber::set_default(subscriber);
        tracing::warn!(task = 7, "outside");
        named("abc".into(), async {
            tracing::info!(url = "http://me:s3cret@h/x", "inside of {}", "rtsp://u:pw@cam/1");
            let work = keep_name(|| request().map(|name| name.to_string()));
            let told = std::thread::spawn(work).join().unwrap();
            assert_eq!(told.as_deref(), Some("abc"));
        })
        .await;
        let lines = ring.lines(&Wanted::default());
        assert_eq!(lines.len(), 2);
        assert_eq!(
            (lines[1].message.as_str(), lines[1].level),
            ("outside", Level::Warn)
        );
        assert_eq!(lines[1].fields["task"], 7);
        assert!(!lines[1].fields.contains_key("request_id"));
        assert_eq!(lines[0].fields["request_id"], "abc");
        let text = lines[0].to_string();
        assert!(text.contains("inside of rtsp://***@cam/1"), "{text}");
        assert!(
            text.contains("http://***@h/x") && !text.contains("s3cret"),
            "{text}"
        );
        assert!(keep_name(|| request().is_none())());
    }
}
