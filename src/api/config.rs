//! GET and POST /config: a room's settings.

use super::problem::Problem;
use super::{Asked, MAX_BODY, auth, reply};
use crate::config::Scope;
use crate::queue::{Change, FieldError, Settings, Value};
use bytes::Bytes;
use http::{Response, StatusCode, header};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;
use std::fmt;

pub(super) async fn read(asked: &Asked<'_>) -> Result<Response<Bytes>, Problem> {
    let room = auth::room(asked, Scope::Full)?;
    let settings = room.settings().await.map_err(|_| Problem::StoreUnavailable { retry_after: retry_after() })?;
    Ok(answer("Configuration retrieved successfully", &settings))
}

pub(super) async fn change(asked: &Asked<'_>) -> Result<Response<Bytes>, Problem> {
    let room = auth::room(asked, Scope::Full)?;
    let change = parse(asked)?;
    let settings =
        room.change_settings(&change).await.map_err(|_| Problem::StoreUnavailable { retry_after: retry_after() })?;
    tracing::info!(room = room.name(), fields = ?change.iter().map(|(name, _)| name).collect::<Vec<_>>(), "settings changed");
    Ok(answer("Configuration updated successfully", &settings))
}

/// 5 to 15 s, so that not all come back at once.
pub fn retry_after() -> u64 {
    // The fraction is between 0 and 1.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 10")]
    let spread = (crate::random::fraction() * 10.0) as u64;
    5 + spread
}

fn answer(message: &str, settings: &Settings) -> Response<Bytes> {
    let fields: Map<String, Json> =
        settings.values().into_iter().map(|(name, value)| (name.into(), to_json(value))).collect();
    reply::json(StatusCode::OK, &json!({ "message": message, "updated_config": fields }))
}

fn to_json(value: Value) -> Json {
    match value {
        Value::Int(number) => json!(number),
        Value::Bool(flag) => json!(flag),
        Value::Text(text) => json!(text),
    }
}

/// All that is wrong at once; nothing is changed then.
fn parse(asked: &Asked<'_>) -> Result<Change, Problem> {
    let media_type = asked.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Problem::NotJsonType);
    }
    if asked.body.len() as u64 > MAX_BODY {
        return Err(Problem::TooLarge { limit: MAX_BODY });
    }
    // Whether it is JSON at all comes first: the fields are read from objects alone.
    let body: Json = serde_json::from_slice(asked.body).map_err(|_| Problem::NotJson)?;
    if !body.is_object() {
        let message = "must be a JSON object of settings".to_owned();
        return Err(Problem::InvalidField(vec![FieldError { field: "body".to_owned(), message }]));
    }
    let Fields(fields) = serde_json::from_slice(asked.body).map_err(|_| Problem::NotJson)?;
    let (mut change, mut errors) = (Change::default(), Vec::new());
    let (mut seen, mut twice) = (BTreeSet::new(), BTreeSet::new());
    twice.extend(fields.iter().filter(|(name, _)| !seen.insert(name.as_str())).map(|(name, _)| name.clone()));
    for (name, value) in fields.iter().filter(|(name, _)| !twice.contains(name)) {
        if let Err(error) = change.set(name, from_json(value)) {
            errors.push(error);
        }
    }
    let message = "is given more than once: give it once";
    errors.extend(twice.into_iter().map(|field| FieldError { field, message: message.to_owned() }));
    if errors.is_empty() { Ok(change) } else { Err(Problem::InvalidField(errors)) }
}

/// An object's fields as they came: which of two of one name is meant, nobody can tell.
struct Fields(Vec<(String, Json)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object of settings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = object.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

/// What no setting takes becomes an empty text, which every number, switch and mode refuses; a text field takes text alone.
fn from_json(value: &Json) -> Value {
    match value {
        Json::Number(number) => number.as_u64().map_or_else(unfit, Value::Int),
        Json::Bool(flag) => Value::Bool(*flag),
        Json::String(text) => Value::Text(text.clone()),
        Json::Null | Json::Array(_) | Json::Object(_) => unfit(),
    }
}

/// A control character: refused by every kind of field.
fn unfit() -> Value {
    Value::Text("\u{0}".to_owned())
}
