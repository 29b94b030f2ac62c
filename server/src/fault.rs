//! [`Fault`]: why a request or a use case was refused, in terms of what the caller can do.

use std::time::Duration;

use mediacore::ErrorKind;

use crate::store::{is_away, is_full};

/// A refusal or a failure. What is internal is told to the log and never to the caller.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// It makes no sense, or not now (400).
    #[error("{0}")]
    BadRequest(String),
    /// Fields of the request are wrong (422).
    #[error("{}", Field::all(.0))]
    Invalid(Vec<Field>),
    /// Nobody is signed in who may (401). Never for an anonymous visitor of published content.
    #[error("{0}")]
    Unauthorized(String),
    /// It is known who asks, and that is not enough (403).
    #[error("{0}")]
    Forbidden(String),
    /// There is no such thing (404).
    #[error("{0}")]
    NotFound(String),
    /// It collides with what is there (409).
    #[error("{0}")]
    Conflict(String),
    /// More than a limit (413).
    #[error("{0}")]
    TooLarge(String),
    /// Too often (429).
    #[error("too many attempts; try again in {} s", .0.as_secs().max(1))]
    TooMany(Duration),
    /// The disk is full (507).
    #[error("{0}")]
    NoSpace(String),
    /// Not now: starting, stopping, or a part is away (503).
    #[error("{0}")]
    Unavailable(String),
    /// A defect, a broken disk or a lost database (500).
    #[error("internal error")]
    Internal(#[source] anyhow::Error),
}

/// One wrong field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Field {
    /// Where: `body.name`, `query.limit`, `path.id`.
    pub(crate) place: String,
    /// What is wrong with it, for people.
    pub(crate) message: String,
}

impl Field {
    fn all(fields: &[Self]) -> String {
        let one = |field: &Self| format!("{}: {}", field.place, field.message);
        fields.iter().map(one).collect::<Vec<_>>().join("; ")
    }
}

impl Fault {
    /// 400.
    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::BadRequest(text.into())
    }

    /// 404.
    pub(crate) fn missing(text: impl Into<String>) -> Self {
        Self::NotFound(text.into())
    }

    /// 422 for one field, such as `body.name`.
    pub(crate) fn field(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Field {
            place: place.into(),
            message: message.into(),
        }])
    }

    /// What the packager refuses.
    pub(crate) fn from_refusal(refusal: &mediacore::hls::Refusal) -> Self {
        let detail = refusal.detail.clone();
        match refusal.reason.status() {
            400 => Self::BadRequest(detail),
            403 => Self::Forbidden(detail),
            404 => Self::NotFound(detail),
            _ => Self::internal(detail),
        }
    }

    /// 500; `what` says what was being done.
    pub(crate) fn internal(what: impl std::fmt::Display + Send + Sync + 'static) -> Self {
        Self::Internal(anyhow::anyhow!("{what}"))
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        if is_full(&error) {
            tracing::error!("the database: {error}");
            return Self::NoSpace("The disk of the database is full".to_owned());
        }
        if is_away(&error) {
            tracing::warn!("the database does not answer: {error}");
            return Self::Unavailable("the database does not answer; try again".to_owned());
        }
        Self::Internal(anyhow::Error::new(error).context("the database"))
    }
}

impl From<mediacore::Error> for Fault {
    fn from(error: mediacore::Error) -> Self {
        match error.kind() {
            ErrorKind::InvalidInput | ErrorKind::Malformed | ErrorKind::Unsupported => {
                Self::BadRequest(error.to_string())
            }
            ErrorKind::NotFound => Self::NotFound(error.to_string()),
            ErrorKind::LimitExceeded => Self::TooLarge(error.to_string()),
            _ => Self::Internal(anyhow::anyhow!(error.report())),
        }
    }
}

impl From<tokio::task::JoinError> for Fault {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Internal(anyhow::Error::new(error).context("a working thread ended"))
    }
}

/// Runs what blocks on a thread that may.
///
/// # Errors
/// Those of `work`, and a panic of it.
pub(crate) async fn blocking<T: Send + 'static, E: Into<Fault> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(crate::log::keep_name(work))
        .await?
        .map_err(Into::into)
}
