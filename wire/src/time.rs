//! Times on the wire: written as RFC 3339 in UTC, read leniently.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant in UTC, to the microsecond.
///
/// Written as `2026-06-19T17:06:37.100000Z`. Read from RFC 3339 and from the text form of Postgres
/// (`2026-06-19 17:06:37.1+00`), because a plane of the seed's dialect sends that in the answer to a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// The present.
    #[must_use]
    pub fn now() -> Self {
        Self::from_micros(Utc::now().timestamp_micros())
    }

    /// From microseconds since 1970; a value out of range becomes 1970.
    #[must_use]
    pub fn from_micros(micros: i64) -> Self {
        Self(DateTime::from_timestamp_micros(micros).unwrap_or_default())
    }

    /// Microseconds since 1970.
    #[must_use]
    pub fn as_micros(self) -> i64 {
        self.0.timestamp_micros()
    }

    /// To the second, for a person: `2026-06-19T17:06:37Z`.
    #[must_use]
    pub fn to_the_second(self) -> String {
        self.0.to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    fn parse(text: &str) -> Option<Self> {
        let exact = DateTime::parse_from_rfc3339(text);
        let lenient = || DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z");
        exact.or_else(|_| lenient()).ok().map(|at| Self(at.with_timezone(&Utc)))
    }
}

impl From<std::time::SystemTime> for Timestamp {
    fn from(at: std::time::SystemTime) -> Self {
        Self(at.into())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("not a time: {text:?}")))
    }
}

/// For fields that inform and never decide: anything that is not a time reads as none.
pub(crate) fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(value.as_str().and_then(Timestamp::parse))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_dialects_read_alike() {
        let seed: Timestamp = serde_json::from_str("\"2026-06-19T17:06:37.1Z\"").unwrap();
        let postgres: Timestamp = serde_json::from_str("\"2026-06-19 17:06:37.1+00\"").unwrap();
        assert_eq!(seed, postgres);
        assert_eq!(seed.to_string(), "2026-06-19T17:06:37.100000Z");
    }
}
