//! Who is calling: the key that picks the room, the user id, the token.

use super::Asked;
use super::problem::Problem;
use crate::config::{RoomConfig, Scope};
use crate::gate::{Genuine, Source, cookie};
use crate::queue::FieldError;
use crate::rooms::LiveRoom;
use crate::token::TokenError;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// A user id is at most so long.
const MAX_USER: usize = 128;

/// A header's name in both spellings.
pub type Spellings = [&'static str; 2];
pub const BUSINESS_ID: Spellings = ["business_id", "business-id"];
pub const USER_ID: Spellings = ["user_id", "user-id"];

/// The value of a header in either spelling; both with different values are refused.
pub fn either<'a>(asked: &Asked<'a>, name: Spellings) -> Result<Option<&'a str>, Problem> {
    let mut values = name.into_iter().flat_map(|spelling| asked.headers.get_all(spelling));
    let Some(first) = values.next() else { return Ok(None) };
    if values.any(|value| value != first) {
        return Err(Problem::ConflictingHeaders);
    }
    Ok(first.to_str().ok().filter(|value| !value.is_empty()).or(Some("\u{0}")).filter(|_| !first.is_empty()))
}

/// The room that the key opens, if its scope covers the call.
pub fn room(asked: &Asked<'_>, needed: Scope) -> Result<Arc<LiveRoom>, Problem> {
    let key = either(asked, BUSINESS_ID)?.ok_or(Problem::MissingKey)?;
    let (room, scope) = find_key(&asked.caller.config.rooms, key).ok_or(Problem::UnknownKey)?;
    if needed == Scope::Full && scope == Scope::Browser {
        return Err(Problem::KeyScope);
    }
    asked.api.rooms.find(room).ok_or(Problem::UnknownKey)
}

/// Every key is compared, and in constant time: how long it takes tells nothing.
fn find_key<'a>(rooms: &'a [RoomConfig], key: &str) -> Option<(&'a str, Scope)> {
    let mut found = None;
    for room in rooms {
        for known in &room.keys {
            if bool::from(known.key.expose().as_bytes().ct_eq(key.as_bytes())) {
                found = Some((room.name.as_str(), known.scope));
            }
        }
    }
    found
}

/// Whether the caller shows a key at all.
pub fn has_key(asked: &Asked<'_>) -> Result<bool, Problem> {
    Ok(either(asked, BUSINESS_ID)?.is_some())
}

/// Whether the visitor's cookie alone asks, as the waiting page does. Who sends a token another way, or calls at the
/// root without one, lost the key on the way: that has to be told.
pub fn is_by_cookie(asked: &Asked<'_>) -> Result<bool, Problem> {
    if has_key(asked)? {
        return Ok(false);
    }
    let has_cookie = |room: Arc<LiveRoom>| {
        let shown = cookie::tokens(asked.headers, None, room.name());
        shown.iter().any(|shown| shown.source.is_cookie())
    };
    let is_page = asked.caller.prefix == super::PREFIX || page_room(asked).is_ok_and(has_cookie);
    if header_token(asked).is_some() || !is_page { Err(Problem::MissingKey) } else { Ok(true) }
}

/// The room of a call without a key, by a page: the one that guards the page's site. Where the query names one, it has
/// to be that: else everybody could take places in a room that only keys open.
pub fn page_room(asked: &Asked<'_>) -> Result<Arc<LiveRoom>, Problem> {
    let named = asked.query.and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("room=")));
    let guards = asked.caller.site_room.as_deref();
    let name = guards.filter(|guards| named.is_none_or(|named| named == *guards)).ok_or(Problem::MissingKey)?;
    asked.api.rooms.find(name).ok_or(Problem::MissingKey)
}

/// Whom the call is about.
pub fn user<'a>(asked: &Asked<'a>) -> Result<&'a str, Problem> {
    let refused = |message: &str| {
        Problem::InvalidField(vec![FieldError { field: "user_id".to_owned(), message: message.to_owned() }])
    };
    let user = either(asked, USER_ID)?.ok_or_else(|| refused("is missing: send it as a header, user_id or user-id"))?;
    if user.len() > MAX_USER || !user.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(refused("must be 1 to 128 visible ASCII characters"));
    }
    Ok(user)
}

/// The token of the call: the `jwt` header, `Authorization: Bearer`, the cookie, in that order.
pub fn token(asked: &Asked<'_>, room: &LiveRoom) -> Result<Genuine, Problem> {
    if let Some(token) = header_token(asked) {
        return asked.api.gate.read(room, token).map_err(problem_of);
    }
    cookie_token(asked, room)
}

fn header_token<'a>(asked: &Asked<'a>) -> Option<&'a str> {
    let header = asked.headers.get("jwt").and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty());
    header.or_else(|| cookie::bearer(asked.headers))
}

/// The token of the visitor's cookie; the best one, where a browser holds several.
pub fn cookie_token(asked: &Asked<'_>, room: &LiveRoom) -> Result<Genuine, Problem> {
    let shown: Vec<_> =
        cookie::tokens(asked.headers, None, room.name()).into_iter().filter(|shown| shown.source.is_cookie()).collect();
    let first = shown.first().ok_or(Problem::MissingToken)?;
    match asked.api.gate.best(room, &shown) {
        Some(genuine) => Ok(genuine),
        None => asked.api.gate.read(room, first.token).map_err(problem_of),
    }
}

/// Whether only the spare cookie still holds this token: an answer to another request has overwritten the other one.
pub fn is_overwritten(asked: &Asked<'_>, room: &LiveRoom, token: &str) -> bool {
    let shown = cookie::tokens(asked.headers, None, room.name());
    let is_in = |source| shown.iter().any(|shown| shown.source == source && shown.token == token);
    is_in(Source::Spare) && !is_in(Source::Cookie)
}

fn problem_of(error: TokenError) -> Problem {
    match error {
        TokenError::Invalid => Problem::InvalidToken,
        TokenError::WrongRoom => Problem::WrongRoom,
    }
}
