//! Values of a JSON object by key and type.

use serde_json::{Map, Value};

use super::bad;
use crate::hls::refusal::Refusal;
use crate::time::Millis;

/// `None` when the key is not there or null.
fn value<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    map.get(key).filter(|value| !value.is_null())
}

fn typed<'a, T>(
    map: &'a Map<String, Value>,
    key: &str,
    what: &str,
    read: impl Fn(&'a Value) -> Option<T>,
) -> Result<Option<T>, Refusal> {
    let Some(value) = value(map, key) else {
        return Ok(None);
    };
    read(value)
        .map(Some)
        .ok_or_else(|| bad(format!("{key} is no {what}")))
}

pub(super) fn array<'a>(map: &'a Map<String, Value>, key: &str) -> Result<Option<&'a Vec<Value>>, Refusal> {
    typed(map, key, "list", Value::as_array)
}

pub(super) fn object<'a>(
    map: &'a Map<String, Value>,
    key: &str,
) -> Result<Option<&'a Map<String, Value>>, Refusal> {
    typed(map, key, "object", Value::as_object)
}

pub(super) fn text<'a>(map: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, Refusal> {
    typed(map, key, "text", Value::as_str)
}

pub(super) fn boolean(map: &Map<String, Value>, key: &str) -> Result<Option<bool>, Refusal> {
    typed(map, key, "true or false", Value::as_bool)
}

pub(super) fn number(map: &Map<String, Value>, key: &str) -> Result<Option<u64>, Refusal> {
    typed(map, key, "number of at least 0", Value::as_u64)
}

pub(super) fn signed(map: &Map<String, Value>, key: &str) -> Result<Option<i64>, Refusal> {
    typed(map, key, "whole number", Value::as_i64)
}

pub(super) fn length(map: &Map<String, Value>, key: &str) -> Result<Option<Millis>, Refusal> {
    typed(map, key, "time in ms", millis)
}

pub(super) fn millis(value: &Value) -> Option<Millis> {
    value.as_u64().map(Millis)
}
