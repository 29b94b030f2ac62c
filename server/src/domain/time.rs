//! [`Micros`]: an instant as the store keeps it and the API shows it.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type};

/// Microseconds since 1970-01-01T00:00:00Z; in JSON RFC 3339 with `Z`.
///
/// Reading takes any RFC 3339 text; one without a zone is UTC.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct Micros(pub(crate) i64);

impl Micros {
    /// The system's clock.
    pub(crate) fn now() -> Self {
        Self(Timestamp::now().as_microsecond())
    }

    /// Later by `length`, at most the end of time.
    pub(crate) fn after(self, length: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(length.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// Earlier by `length`.
    pub(crate) fn before(self, length: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(length.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// Time since `earlier`; zero when that is later.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// As jiff has it; the nearest that it can have.
    pub(crate) fn timestamp(self) -> Timestamp {
        Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        })
    }

    /// Reads RFC 3339; without a zone it is UTC.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let at = text.parse::<Timestamp>().ok().or_else(|| {
            Some(
                text.parse::<jiff::civil::DateTime>()
                    .ok()?
                    .to_zoned(jiff::tz::TimeZone::UTC)
                    .ok()?
                    .timestamp(),
            )
        })?;
        Some(Self(at.as_microsecond()))
    }
}

impl From<Timestamp> for Micros {
    fn from(at: Timestamp) -> Self {
        Self(at.as_microsecond())
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.timestamp())
    }
}

impl Serialize for Micros {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Micros {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom("a date and time as RFC 3339, 2026-11-22T17:12:27Z"))
    }
}

impl utoipa::PartialSchema for Micros {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .into()
    }
}

impl utoipa::ToSchema for Micros {}

/// Tells a field that is absent from one that is `null`: `None`, `Some(None)`, `Some(Some(value))`. For PUT, which changes
/// only the keys that are present. Needs `#[serde(default, deserialize_with = "present")]`.
///
/// # Errors
/// Those of the value.
pub(crate) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// A field that may be absent and can't be `null`. For PUT, which changes only the keys that are present. Needs
/// `#[serde(default, deserialize_with = "given")]`.
///
/// # Errors
/// Those of the value, of which `null` is none.
pub(crate) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_rfc_3339_and_without_a_zone_they_are_utc() {
        let at = Micros::parse("2026-11-28T08:00:00+08:00").unwrap();
        assert_eq!(at.to_string(), "2026-11-28T00:00:00Z");
        assert_eq!(Micros::parse("2026-11-28T00:00:00"), Some(at));
        assert_eq!(Micros::parse("2026-11-28T00:00:00.000Z"), Some(at));
        assert_eq!(
            serde_json::to_string(&Micros(1)).unwrap(),
            "\"1970-01-01T00:00:00.000001Z\""
        );
        assert_eq!(Micros::parse("tomorrow"), None);
        assert!(Micros(i64::MAX).to_string().starts_with("9999-"));
    }
}
