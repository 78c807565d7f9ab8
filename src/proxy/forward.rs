//! What the origin gets to see, and what of its answer the visitor does.

use super::client::Client;
use super::context::RequestContext;
use crate::gate::{Guest, cookie};
use http::{HeaderMap, HeaderValue, header};
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};

/// Headers that say what only this proxy may say, or that make an origin read another path or method than the one that
/// was decided on.
const NEVER_FROM_CLIENTS: [&str; 21] = [
    "jwt",
    "proxy", // a program's environment has it as HTTP_PROXY
    "x-envoy-original-path",
    "x-original-host",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-uri",
    "x-rewrite-url",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-uri",
    "x-forwarded-method",
    "x-real-ip",
    "x-request-id",
    "forwarded",
];
/// The first letters of all these and of `X-Gatekeeper-…`: most names have another, and are no matter at once.
const BEGINNINGS: [char; 4] = ['f', 'j', 'p', 'x'];
/// What else a proxy says of the request that it got (`X-Forwarded-Port`, `-Prefix`, `-Ssl` …): a trusted one is believed.
const FORWARDED: &str = "x-forwarded";
/// The origin's order to end the visitor's stay.
const COMMAND: &str = "gatekeeper-command";

/// Removes what no client may say, in either spelling, and says it.
pub fn prepare(
    request: &mut RequestHeader,
    context: &RequestContext,
    client: &Client,
    guest: Option<&Guest>,
) -> Result<()> {
    let is_refused = |name: &&header::HeaderName| is_refused(name.as_str(), client.trusted_peer);
    let refused: Vec<_> = request.headers.keys().filter(is_refused).cloned().collect();
    for name in refused {
        request.remove_header(&name);
    }
    if let Some(path) = &context.canonical_path {
        let target = request.raw_path();
        let query = target.iter().position(|byte| *byte == b'?').and_then(|start| target.get(start..));
        let target = [path.as_bytes(), query.unwrap_or_default()].concat();
        request.set_raw_path(&target)?; // or it isn't forwarded at all: the path that was decided on, or none
    }
    if !has_body(request) {
        request.remove_header(&header::EXPECT); // an origin would wait for what doesn't come
    }
    if context.site().is_some_and(|site| site.strip_query_token) {
        hide_query_token(request)?;
    }
    hide_cookie(request, context)?;
    request.insert_header("X-Forwarded-For", client.forwarded.for_chain.clone())?;
    request.insert_header("X-Forwarded-Proto", HeaderValue::from_static(client.scheme.name()))?;
    match &client.forwarded.host {
        Some(host) => request.insert_header("X-Forwarded-Host", host.clone())?,
        None => request.insert_header("X-Forwarded-Host", &context.host)?,
    }
    request.insert_header("X-Request-Id", &context.request_id)?;
    if let (Some(guest), Some(room)) = (guest, &context.room) {
        request.insert_header("jwt", &guest.token)?;
        request.insert_header("X-Gatekeeper-User", &guest.claims.sub)?;
        request.insert_header("X-Gatekeeper-Room", room.name())?;
    }
    Ok(())
}

fn has_body(request: &RequestHeader) -> bool {
    let length = request.headers.get(header::CONTENT_LENGTH).map(HeaderValue::as_bytes);
    request.headers.contains_key(header::TRANSFER_ENCODING) || length.is_some_and(|length| length != b"0")
}

/// In either spelling: to many origins both are one. Proxies write hyphens.
fn is_refused(name: &str, by_trusted: bool) -> bool {
    if !name.starts_with(BEGINNINGS) {
        return false;
    }
    let begins = |with: &str| name.get(..with.len()).is_some_and(|begin| is_spelling(begin, with));
    let is_forwarded = begins(FORWARDED) && (!by_trusted || name.contains('_'));
    is_forwarded || begins("x-gatekeeper-") || NEVER_FROM_CLIENTS.iter().any(|known| is_spelling(name, known))
}

/// Whether a name is this one, underscores read as hyphens.
fn is_spelling(name: &str, plain: &str) -> bool {
    let hyphen = |byte: u8| if byte == b'_' { b'-' } else { byte };
    name.len() == plain.len() && name.bytes().zip(plain.bytes()).all(|(byte, known)| hyphen(byte) == known)
}

/// As bytes, since a query may hold any; the visitor's address stays as it is. A navigation came here without it already.
fn hide_query_token(request: &mut RequestHeader) -> Result<()> {
    let target = request.raw_path();
    let Some(start) = target.iter().position(|byte| *byte == b'?') else { return Ok(()) };
    let (path, query) = target.split_at(start);
    let pairs: Vec<&[u8]> = query.get(1..).unwrap_or_default().split(|byte| *byte == b'&').collect();
    let kept: Vec<&[u8]> = pairs.iter().copied().filter(|pair| !pair.starts_with(b"jwt=")).collect();
    if kept.len() == pairs.len() {
        return Ok(());
    }
    let rest = kept.join(&b'&');
    let target = if rest.is_empty() { path.to_vec() } else { [path, rest.as_slice()].join(&b'?') };
    request.set_raw_path(&target)
}

/// Our cookie is between the visitor and us; the origin gets the token in a header of its own.
fn hide_cookie(request: &mut RequestHeader, context: &RequestContext) -> Result<()> {
    // Of the site, not of the decision: what bypasses the gate is sent without it too.
    let Some(room) = context.site().and_then(|site| site.room.as_deref()) else { return Ok(()) };
    if !request.headers.contains_key(header::COOKIE) {
        return Ok(());
    }
    let names = [cookie::name(room), cookie::spare_name(room)];
    let is_ours = |pair: &[u8]| {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        names.iter().any(|ours| ours.as_bytes() == name)
    };
    // As bytes: the site's own cookies may hold any.
    let kept: Vec<&[u8]> = request
        .headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
        .map(<[u8]>::trim_ascii)
        .filter(|pair| !pair.is_empty() && !is_ours(pair))
        .collect();
    if kept.is_empty() {
        request.remove_header(&header::COOKIE);
        return Ok(());
    }
    let kept = kept.join(&b"; "[..]);
    request.insert_header(header::COOKIE, kept)
}

/// Whether the origin says that the visitor is done; the visitor doesn't see it.
pub fn take_command(response: &mut ResponseHeader) -> bool {
    let command = response.remove_header(COMMAND);
    command.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"finish"))
}

/// No answer may announce what will not come: pingora reads the trailers of HTTP/1 and drops them, and origins speak nothing
/// else with it. It takes `TE` and `Trailer` out of requests by itself.
pub fn take_back_trailers(response: &mut ResponseHeader) {
    response.remove_header(&header::TRAILER);
}

/// Adds the visitor's cookie. An answer that carries it must not be kept for others; where it is only a renewal, an
/// answer that others may keep goes without.
pub fn add_cookie(response: &mut ResponseHeader, line: &str, is_renewal: bool) -> Result<()> {
    if is_renewal && is_shared(&response.headers) {
        return Ok(());
    }
    // Without a word on it, or with `no-cache` alone, a cache may still keep an answer (RFC 9111, 4.2.2 and 5.2.2.4).
    if !directives(&response.headers).any(|directive| directive == "private" || directive == "no-store") {
        let kept: Vec<String> = directives(&response.headers)
            .filter(|directive| directive != "public" && !directive.starts_with("s-maxage"))
            .chain(["private".to_owned()])
            .collect();
        response.insert_header(header::CACHE_CONTROL, kept.join(", "))?;
    }
    response.append_header(header::SET_COOKIE, line)?;
    Ok(())
}

/// Whether a shared cache may keep the answer by what it says (RFC 9111, 3).
fn is_shared(headers: &HeaderMap) -> bool {
    let mut is_allowed = headers.contains_key(header::EXPIRES);
    for directive in directives(headers) {
        match directive.as_str() {
            "private" | "no-store" => return false,
            "public" => is_allowed = true,
            other if other.starts_with("max-age") || other.starts_with("s-maxage") => is_allowed = true,
            _ => {}
        }
    }
    is_allowed
}

fn directives(headers: &HeaderMap) -> impl Iterator<Item = String> {
    let values: Vec<&str> =
        headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok()).collect();
    let all: Vec<String> = values.join(",").split(',').map(|one| one.trim().to_ascii_lowercase()).collect();
    all.into_iter().filter(|one| !one.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(cache: Option<&str>) -> ResponseHeader {
        let mut response = ResponseHeader::build(200, None).unwrap();
        if let Some(cache) = cache {
            response.insert_header("cache-control", cache.to_owned()).unwrap();
        }
        response
    }

    #[test]
    fn an_answer_with_our_cookie_is_private_and_a_renewal_leaves_shared_ones_alone() {
        for (cache, renewal, expected) in [
            (None, false, Some("private")),
            (None, true, Some("private")),
            (Some("public, max-age=60"), false, Some("max-age=60, private")),
            (Some("no-store"), false, Some("no-store")),
            (Some("private, max-age=5"), true, Some("private, max-age=5")),
            (Some("public, max-age=60"), true, None),
            (Some("s-maxage=9"), true, None),
            (Some("no-cache"), false, Some("no-cache, private")),
            (Some("max-age=0, must-revalidate"), false, Some("max-age=0, must-revalidate, private")),
            (Some("no-cache"), true, Some("no-cache, private")),
            (Some("private=\"x-own\""), false, Some("private=\"x-own\", private")),
        ] {
            let mut response = response(cache);
            add_cookie(&mut response, "a=b", renewal).unwrap();
            let set = response.headers.contains_key("set-cookie");
            let got = response.headers.get("cache-control").map(|value| value.to_str().unwrap());
            assert_eq!(set.then_some(got).flatten(), expected, "{cache:?} {renewal}");
        }
    }

    #[test]
    fn what_only_the_proxy_may_say_is_refused_in_either_spelling() {
        assert!(NEVER_FROM_CLIENTS.iter().all(|name| is_refused(name, false)));
        for name in ["jwt", "x-gatekeeper-user", "x_gatekeeper_room", "x_forwarded_for", "x-original-url", "forwarded"]
        {
            assert!(is_refused(name, false) && is_refused(name, true), "{name}");
        }
        for name in ["x_http_method", "x-http_method-override", "x-forwarded", "x_forwarded_port", "x-forwarded_port"] {
            assert!(is_refused(name, false) && is_refused(name, true), "{name}");
        }
        assert!(is_refused("x-forwarded-port", false) && !is_refused("x-forwarded-port", true));
        for name in ["x-custom", "x", "jwts", "jw", "forwarded-by", "x-gatekeeper", "accept", "_jwt"] {
            assert!(!is_refused(name, false), "{name}");
        }
    }

    #[test]
    fn the_command_is_taken_out() {
        let mut response = response(None);
        response.insert_header("Gatekeeper-Command", "Finish").unwrap();
        assert!(take_command(&mut response) && !take_command(&mut response));
    }
}
