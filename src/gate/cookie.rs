//! The visitor's cookie, and the other places where a token may be.

use super::{Shown, Source};
use crate::config::{CookieOptions, SameSite};
use crate::queue::Settings;
use http::HeaderMap;

/// The name of a room's cookie.
pub fn name(room: &str) -> String {
    format!("gatekeeper_{room}")
}

/// The name of the cookie beside it; no room has a dot in its name.
pub fn spare_name(room: &str) -> String {
    format!("gatekeeper_{room}.in")
}

/// So long the answers to parallel requests may arrive after each other.
const SPARE_SECONDS: u64 = 60;

/// The `Set-Cookie` line: kept for as long as the place or the stay could last.
pub fn line(room: &str, token: &str, options: &CookieOptions, is_https: bool, settings: &Settings) -> String {
    kept(name(room), token, options, is_https, settings.retention().max(settings.ready_ttl_seconds))
}

/// Goes with the cookie of whoever walks in. Of several first requests at once one may walk in and the others get a place in
/// the line, under the same name; whichever answer comes last, the turn is still in this one, and is put back from it.
pub fn spare_line(room: &str, token: &str, options: &CookieOptions, is_https: bool) -> String {
    kept(spare_name(room), token, options, is_https, SPARE_SECONDS)
}

fn kept(name: String, token: &str, options: &CookieOptions, is_https: bool, seconds: u64) -> String {
    let same_site = match options.same_site {
        _ if options.embed => cookie::SameSite::None,
        SameSite::Lax => cookie::SameSite::Lax,
        SameSite::None => cookie::SameSite::None,
        SameSite::Strict => cookie::SameSite::Strict,
    };
    cookie::Cookie::build((name, token))
        .http_only(true)
        .same_site(same_site)
        .path("/")
        .max_age(time::Duration::seconds(i64::try_from(seconds).unwrap_or(i64::MAX)))
        .secure(is_https)
        .partitioned(options.embed)
        .build()
        .to_string()
}

/// Every token that came with a request: cookies, the `jwt` header, `Authorization: Bearer`, `?jwt=`.
pub fn tokens<'a>(headers: &'a HeaderMap, query: Option<&'a str>, room: &str) -> Vec<Shown<'a>> {
    let mut found = Vec::new();
    let (name, spare) = (name(room), spare_name(room));
    let source_of = |key: &str| match key {
        key if key == name => Some(Source::Cookie),
        key if key == spare => Some(Source::Spare),
        _ => None,
    };
    for value in headers.get_all(http::header::COOKIE) {
        // Pair by pair: another cookie may hold any bytes.
        let texts = value.as_bytes().split(|byte| *byte == b';').filter_map(|pair| std::str::from_utf8(pair).ok());
        let pairs = texts.filter_map(|pair| pair.trim().split_once('='));
        found.extend(
            pairs.filter_map(|(key, token)| Some(Shown { token: token.trim_matches('"'), source: source_of(key)? })),
        );
    }
    found.extend(header(headers, "jwt").map(|token| Shown { token, source: Source::Header }));
    found.extend(bearer(headers).map(|token| Shown { token, source: Source::Bearer }));
    found.extend(in_query(query).map(|token| Shown { token, source: Source::Query }));
    found.retain(|shown| shown.token.len() <= crate::token::MAX_TOKEN_BYTES && shown.token.contains('.'));
    found.truncate(MAX_TOKENS);
    found
}

/// A request shows one or two; each more costs a signature check.
const MAX_TOKENS: usize = 6;

/// The token of `Authorization: Bearer`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = header(headers, "authorization")?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim).filter(|value| !value.is_empty())
}

fn in_query(query: Option<&str>) -> Option<&str> {
    query?.split('&').find_map(|pair| pair.strip_prefix("jwt=")).filter(|token| !token.is_empty())
}

/// The query without its `jwt`.
pub fn query_without_token(query: &str) -> String {
    query.split('&').filter(|pair| !pair.starts_with("jwt=")).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_wherever_they_may_be_and_other_cookies_are_not_ours() {
        let mut headers = HeaderMap::new();
        headers.append(
            "cookie",
            "a=b; gatekeeper_shop=x.1.y; gatekeeper_shop2=z.z.z; gatekeeper_shop.in=x.0.y".parse().unwrap(),
        );
        headers.append("cookie", "gatekeeper_shop=x.2.y".parse().unwrap());
        headers.insert("jwt", "x.3.y".parse().unwrap());
        headers.insert("authorization", "bearer x.4.y".parse().unwrap());
        let found: Vec<_> = tokens(&headers, Some("a=1&jwt=x.5.y"), "shop").iter().map(|t| t.token).collect();
        assert_eq!(found, ["x.1.y", "x.0.y", "x.2.y", "x.3.y", "x.4.y", "x.5.y"]);
        assert_eq!(query_without_token("a=1&jwt=x.5.y&b=2"), "a=1&b=2");
    }

    #[test]
    fn a_cookie_lasts_as_long_as_the_place() {
        let options = CookieOptions { same_site: SameSite::Lax, embed: false };
        let line = line("shop", "t", &options, true, &Settings::default());
        assert_eq!(line, "gatekeeper_shop=t; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=1800");
    }
}
