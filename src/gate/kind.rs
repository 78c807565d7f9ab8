//! What a request wants: a page for a person to look at, or something else.
//!
//! Only a [`Kind::Navigation`] is shown the waiting page or admitted on the spot; everything else gets JSON and takes
//! no place. A wrong "navigation" costs a slot, a wrong "other" shows a person JSON, so both ways are decided by what browsers
//! really send:
//!
//! | request | kind | because |
//! |---|---|---|
//! | `Sec-Fetch-Mode: navigate`, whatever the method | navigation | Fetch Metadata; a form's POST is one too |
//! | … with `Sec-Fetch-Dest: document` or `empty` or none | navigation | `empty` is a service worker that passes a navigation on |
//! | … `iframe`, `frame` | navigation | a person looks at the frame, and JSON helps nobody there; see [`is_framed`] |
//! | … `image`, `object`, `embed`, `fencedframe`, any other | other | a part of a page |
//! | `Sec-Fetch-Mode` with any other value | other | fetch, XHR, images, scripts, web sockets |
//! | no `Sec-Fetch-Mode`, GET or HEAD, `Accept` prefers `text/html` | navigation | plain http, Safari before 16.4, crawlers |
//! | … but with `X-Requested-With: XMLHttpRequest` | other | a script that wants HTML (Android web views send their app's name in it) |
//! | a prefetch or prerender, an upgrade, a CORS preflight | other | nobody is looking yet, or it isn't a page; a failed prefetch is just asked again |
//!
//! To know one more sign: a row here, a line in [`Kind::of`] or its helpers, and real header sets in the tests.

use http::{HeaderMap, HeaderName, Method, header};

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// Where browsers say that they only look ahead: the standard's field first, then those of older ones.
static PURPOSES: [HeaderName; 4] = [
    HeaderName::from_static("sec-purpose"),
    HeaderName::from_static("purpose"),
    HeaderName::from_static("x-purpose"),
    HeaderName::from_static("x-moz"),
];

/// What a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A page that a person is about to look at.
    Navigation,
    /// Anything else.
    Other,
}

impl Kind {
    /// Reads the kind from a request's head.
    pub fn of(method: &Method, headers: &HeaderMap) -> Self {
        let is_navigation = !is_preflight(method, headers)
            && !is_upgrade(headers)
            && !is_prefetch(headers)
            && match text(headers, &SEC_FETCH_MODE) {
                Some(mode) => is_navigating(mode) && is_seen(headers),
                None => is_reading(method) && !is_scripted(headers) && prefers_html(headers),
            };
        if is_navigation { Self::Navigation } else { Self::Other }
    }
}

/// Whether it asks, before a request proper, what a page of another origin may do (Fetch, CORS-preflight request).
pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Whether a page of another site caused it. `Sec-Fetch-Site` decides where it is sent: `same-site` (a sister subdomain)
/// isn't cross-site. Where it is absent, an `Origin` that isn't `host` is; so is `null`, which may be anybody. A request with
/// neither isn't: browsers send `Origin` with whatever changes something.
///
/// `host` is what the visitor asked: `Host`, or what a trusted proxy says it was.
pub fn is_cross_site(headers: &HeaderMap, host: &str) -> bool {
    if let Some(site) = text(headers, &SEC_FETCH_SITE) {
        return !["same-origin", "same-site", "none"].iter().any(|known| site.eq_ignore_ascii_case(known));
    }
    headers.get(header::ORIGIN).is_some_and(|origin| origin.to_str().map_or(true, |origin| !is_origin_of(origin, host)))
}

/// Comes from a page of this very origin: Fetch Metadata says so, or, from browsers without it, `Origin`.
pub fn is_same_origin(headers: &HeaderMap, host: &str) -> bool {
    match headers.get("sec-fetch-site").and_then(|site| site.to_str().ok()) {
        Some(site) => site == "same-origin",
        None => headers.contains_key(header::ORIGIN) && !is_cross_site(headers, host),
    }
}

/// Whether it wants another protocol on this connection (RFC 9110, 7.8), a web socket for one.
pub fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(header::UPGRADE)
        && elements(headers, &header::CONNECTION).any(|option| option.eq_ignore_ascii_case("upgrade"))
}

/// Whether the page goes into a frame of another one. A cookie may not come back from a frame of another site unless the site
/// allows embedding.
pub fn is_framed(headers: &HeaderMap) -> bool {
    let dest = text(headers, &SEC_FETCH_DEST).unwrap_or_default().to_ascii_lowercase();
    let mode = text(headers, &SEC_FETCH_MODE).unwrap_or_default();
    matches!(dest.as_str(), "iframe" | "frame" | "fencedframe") || mode.eq_ignore_ascii_case("nested-navigate")
}

/// Whether it is only a look ahead, which nobody sees yet: a prefetch, a prerender, a preview.
pub fn is_prefetch(headers: &HeaderMap) -> bool {
    let tokens = PURPOSES.iter().flat_map(|name| elements(headers, name)).flat_map(|value| value.split(';'));
    tokens
        .map(str::trim)
        .any(|token| ["prefetch", "prerender", "preview"].iter().any(|known| token.eq_ignore_ascii_case(known)))
}

/// Chrome 76 to 79 said `nested-navigate` for frames.
fn is_navigating(mode: &str) -> bool {
    mode.eq_ignore_ascii_case("navigate") || mode.eq_ignore_ascii_case("nested-navigate")
}

fn is_seen(headers: &HeaderMap) -> bool {
    let dest = text(headers, &SEC_FETCH_DEST).unwrap_or_default().to_ascii_lowercase();
    matches!(dest.as_str(), "" | "document" | "empty" | "iframe" | "frame")
}

fn is_reading(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

fn is_scripted(headers: &HeaderMap) -> bool {
    text(headers, &REQUESTED_WITH).is_some_and(|by| by.eq_ignore_ascii_case("XMLHttpRequest"))
}

/// Whether `Accept` gives `text/html` the highest weight, first among equals (RFC 9110, 12.5.1). A wildcard isn't HTML.
fn prefers_html(headers: &HeaderMap) -> bool {
    let mut best: Option<(&str, u16)> = None;
    for (range, weight) in elements(headers, &header::ACCEPT).filter_map(weighted) {
        if best.is_none_or(|(_, highest)| weight > highest) {
            best = Some((range, weight));
        }
    }
    best.is_some_and(|(range, weight)| weight > 0 && range.eq_ignore_ascii_case("text/html"))
}

/// A media range and its weight in thousandths; `None` where the weight can't be read.
fn weighted(element: &str) -> Option<(&str, u16)> {
    let mut parts = element.split(';').map(str::trim);
    let range = parts.next()?;
    let weight = parts.filter_map(|part| part.split_once('=')).find(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    Some((range, weight.map_or(Some(1000), |(_, q)| thousandths(q.trim()))?))
}

/// `0`, `0.5`, `1.000`: up to three digits (RFC 9110, 12.4.2). More digits than that are passed over.
fn thousandths(q: &str) -> Option<u16> {
    let (whole, fraction) = q.split_once('.').unwrap_or((q, ""));
    let is_number = !fraction.contains(|c: char| !c.is_ascii_digit());
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    match whole {
        "0" | "" if is_number && !q.is_empty() => digits.parse().ok(),
        "1" if is_number => Some(1000),
        _ => None,
    }
}

/// Whether `origin` (scheme, host, port) is served at `host`. Case, a dot at the end and the scheme's own port don't matter.
fn is_origin_of(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let own_port = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    let plain = |text: &str| {
        let text = text.trim().to_ascii_lowercase();
        let (name, port) = split_port(text.strip_suffix(own_port).unwrap_or(&text));
        format!("{}{port}", name.strip_suffix('.').unwrap_or(name))
    };
    !host.is_empty() && plain(authority) == plain(host)
}

/// The name and `:port` of an authority; an IPv6 address stands in brackets.
fn split_port(authority: &str) -> (&str, &str) {
    match authority.rfind(':') {
        Some(at) if !authority.ends_with(']') => authority.split_at(at),
        _ => (authority, ""),
    }
}

/// The first line of a header; empty or unreadable is a value too, one that nobody knows.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?").trim())
}

/// The elements of a list header, all its lines joined.
fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests {
    use super::Kind::{Navigation, Other};
    use super::*;
    use http::HeaderValue;

    /// A head as it is written: `GET|name: value|name: value`.
    fn head(text: &str) -> (Method, HeaderMap) {
        let mut lines = text.split('|');
        let method = lines.next().unwrap().parse().unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in lines.map(|line| line.split_once(':').unwrap()) {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_bytes(value.trim().as_bytes()).unwrap(),
            );
        }
        (method, headers)
    }

    const CHROME: &str = "accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7";
    const SAFARI: &str = "accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

    #[test]
    fn real_requests() {
        let cases = [
            ("Chrome, address bar", format!("GET|sec-fetch-site: none|sec-fetch-mode: navigate|sec-fetch-user: ?1|sec-fetch-dest: document|upgrade-insecure-requests: 1|{CHROME}"), Navigation),
            ("Chrome, link from another site", format!("GET|sec-fetch-site: cross-site|sec-fetch-mode: navigate|sec-fetch-dest: document|{CHROME}"), Navigation),
            ("Chrome over plain http", format!("GET|upgrade-insecure-requests: 1|{CHROME}"), Navigation),
            ("Chrome, form", format!("POST|origin: https://shop.example|content-type: application/x-www-form-urlencoded|sec-fetch-mode: navigate|sec-fetch-dest: document|{CHROME}"), Navigation),
            ("Chrome, form over plain http", format!("POST|origin: http://shop.example|content-type: application/x-www-form-urlencoded|{CHROME}"), Other),
            ("Chrome, iframe", format!("GET|sec-fetch-site: cross-site|sec-fetch-mode: navigate|sec-fetch-dest: iframe|{CHROME}"), Navigation),
            ("Chrome 78, iframe", format!("GET|sec-fetch-mode: nested-navigate|{CHROME}"), Navigation),
            ("Chrome 78, page", format!("GET|sec-fetch-mode: navigate|sec-fetch-user: ?1|{CHROME}"), Navigation),
            ("Chrome, fenced frame", format!("GET|sec-fetch-mode: navigate|sec-fetch-dest: fencedframe|{CHROME}"), Other),
            ("Chrome, <object>", format!("GET|sec-fetch-mode: navigate|sec-fetch-dest: object|{CHROME}"), Other),
            ("Chrome, <embed>", format!("GET|sec-fetch-mode: navigate|sec-fetch-dest: embed|{CHROME}"), Other),
            ("a service worker passes a navigation on", format!("GET|sec-fetch-site: same-origin|sec-fetch-mode: navigate|sec-fetch-dest: empty|{CHROME}"), Navigation),
            ("service worker, navigation preload", format!("GET|service-worker-navigation-preload: true|sec-fetch-mode: navigate|sec-fetch-dest: document|{CHROME}"), Navigation),
            ("Chrome, speculation rules prefetch", format!("GET|sec-purpose: prefetch|sec-fetch-mode: navigate|sec-fetch-dest: document|{CHROME}"), Other),
            ("Chrome, private prefetch", format!("GET|sec-purpose: prefetch;anonymous-client-ip|sec-fetch-mode: navigate|sec-fetch-dest: empty|{CHROME}"), Other),
            ("Chrome, prerender", format!("GET|purpose: prefetch|sec-purpose: prefetch;prerender|sec-fetch-mode: navigate|sec-fetch-dest: document|{CHROME}"), Other),
            ("Chrome, <link rel=prefetch>", format!("GET|purpose: prefetch|sec-purpose: prefetch|sec-fetch-mode: no-cors|sec-fetch-dest: empty|{CHROME}"), Other),
            ("Firefox 100, prefetch", "GET|x-moz: prefetch|accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8".into(), Other),
            ("Safari, top hit preview", format!("GET|purpose: preview|x-purpose: preview|{SAFARI}"), Other),
            ("Chrome, image", "GET|sec-fetch-mode: no-cors|sec-fetch-dest: image|accept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8".into(), Other),
            ("Chrome, script", "GET|sec-fetch-mode: no-cors|sec-fetch-dest: script|accept: */*".into(), Other),
            ("Chrome, module", "GET|sec-fetch-mode: cors|sec-fetch-dest: script|accept: */*".into(), Other),
            ("Chrome, style sheet", "GET|sec-fetch-mode: no-cors|sec-fetch-dest: style|accept: text/css,*/*;q=0.1".into(), Other),
            ("Chrome, font", "GET|sec-fetch-mode: cors|sec-fetch-dest: font|accept: */*".into(), Other),
            ("Chrome, beacon", "POST|sec-fetch-mode: no-cors|sec-fetch-dest: empty|accept: */*|content-type: text/plain".into(), Other),
            ("Chrome, download by link", format!("GET|sec-fetch-mode: navigate|sec-fetch-dest: document|range: bytes=0-|{CHROME}"), Navigation),
            ("Chrome, web socket", "GET|connection: Upgrade|upgrade: websocket|sec-websocket-version: 13|sec-websocket-key: x|origin: https://shop.example".into(), Other),
            ("Firefox, web socket", format!("GET|connection: keep-alive, Upgrade|upgrade: websocket|sec-fetch-mode: websocket|sec-fetch-dest: empty|{SAFARI}"), Other),
            ("EventSource", "GET|accept: text/event-stream|sec-fetch-mode: cors|sec-fetch-dest: empty|cache-control: no-cache".into(), Other),
            ("EventSource, plain http", "GET|accept: text/event-stream".into(), Other),
            ("fetch()", "GET|accept: */*|sec-fetch-mode: cors|sec-fetch-dest: empty|sec-fetch-site: same-origin".into(), Other),
            ("fetch() that asks for HTML (Turbo, htmx)", "GET|accept: text/html, application/xhtml+xml|sec-fetch-mode: cors|sec-fetch-dest: empty|sec-fetch-site: same-origin".into(), Other),
            ("fetch(), Safari 15", "GET|accept: */*".into(), Other),
            ("XHR", "GET|accept: */*|x-requested-with: XMLHttpRequest".into(), Other),
            ("jQuery .load(), Safari 15", "GET|accept: text/html, */*; q=0.01|x-requested-with: XMLHttpRequest".into(), Other),
            ("axios", "GET|accept: application/json, text/plain, */*".into(), Other),
            ("axios in Chrome, POST", "POST|accept: application/json, text/plain, */*|content-type: application/json|sec-fetch-mode: cors|sec-fetch-dest: empty".into(), Other),
            ("CORS preflight", "OPTIONS|origin: https://other.example|access-control-request-method: POST|sec-fetch-mode: cors|accept: */*".into(), Other),
            ("Firefox, link", "GET|accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8|sec-fetch-dest: document|sec-fetch-mode: navigate|sec-fetch-site: same-origin|sec-fetch-user: ?1|te: trailers".into(), Navigation),
            ("Firefox 60", "GET|accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8|upgrade-insecure-requests: 1".into(), Navigation),
            ("Firefox, image", "GET|accept: image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5|sec-fetch-dest: image|sec-fetch-mode: no-cors".into(), Other),
            ("Safari 17", format!("GET|sec-fetch-dest: document|sec-fetch-mode: navigate|sec-fetch-site: none|{SAFARI}"), Navigation),
            ("Safari 15", format!("GET|accept-language: en-gb|{SAFARI}"), Navigation),
            ("Safari 15, image", "GET|accept: image/webp,image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5".into(), Other),
            ("Safari 15, video", "GET|accept: */*|range: bytes=0-1|x-playback-session-id: 1".into(), Other),
            ("Safari 15, style sheet", "GET|accept: text/css,*/*;q=0.1".into(), Other),
            ("Android web view", format!("GET|x-requested-with: com.example.app|{CHROME}"), Navigation),
            ("a page that is asked for by HEAD", format!("HEAD|{SAFARI}"), Navigation),
            ("curl", "GET|accept: */*".into(), Other),
            ("curl -X POST", "POST|accept: */*|content-type: application/x-www-form-urlencoded".into(), Other),
            ("wget", "GET|accept: */*|accept-encoding: identity".into(), Other),
            ("Python requests", "GET|accept: */*|accept-encoding: gzip, deflate".into(), Other),
            ("Go's client", "GET|accept-encoding: gzip".into(), Other),
            ("a feed reader", "GET|accept: application/atom+xml,application/rss+xml,application/rdf+xml,application/xml;q=0.9,text/xml;q=0.8,text/html;q=0.7,*/*;q=0.5".into(), Other),
            ("a feed reader without Accept", "GET|user-agent: FeedFetcher".into(), Other),
            ("Googlebot", "GET|accept: text/html,application/xhtml+xml,application/signed-exchange;v=b3,application/xml;q=0.9,*/*;q=0.8|from: googlebot(at)googlebot.com".into(), Navigation),
            ("Googlebot-Image", "GET|accept: image/*, */*;q=0.1".into(), Other),
            ("Internet Explorer 11", "GET|accept: text/html, application/xhtml+xml, */*".into(), Navigation),
            ("Lynx", "GET|accept: text/html, text/plain, text/sgml, */*;q=0.01".into(), Navigation),
            ("a JSON client that can do HTML", "GET|accept: application/json, text/html;q=0.5".into(), Other),
        ];
        for (name, request, kind) in cases {
            let (method, headers) = head(&request);
            assert_eq!(Kind::of(&method, &headers), kind, "{name}");
        }
    }

    #[test]
    fn html_must_weigh_most_and_come_first() {
        let cases = [
            ("text/html", true),
            ("Text/HTML", true),
            ("text/html;charset=utf-8", true),
            ("text/html;level=1;q=0.4, */*;q=0.3", true),
            ("text/html; q=0.5, application/json; q=0.4", true),
            ("application/json;q=0.9, text/html", true),
            ("text/html;Q=1.000", true),
            ("text/html;q=0.001", true),
            ("text/html;q=.5", true),
            ("", false),
            (",", false),
            ("*/*", false),
            ("text/*", false),
            ("*/*, text/html", false),
            ("application/json, text/html", false),
            ("text/html;q=0", false),
            ("text/html;q=0.0, */*;q=0", false),
            ("text/html;q=2", false),
            ("text/html;q=-1", false),
            ("text/html;q=", false),
            ("text/html;q=0.x", false),
            ("text/html;q=NaN, */*", false),
            ("text/htmlx", false),
            ("application/xhtml+xml, text/html", false),
        ];
        for (accept, is_html) in cases {
            let (method, headers) = head(&format!("GET|accept: {accept}"));
            assert_eq!(Kind::of(&method, &headers) == Navigation, is_html, "{accept}");
        }
        let (method, headers) = head("GET|accept: application/json;q=0.5|accept: text/html");
        assert_eq!(Kind::of(&method, &headers), Navigation, "two lines are one list");
    }

    #[test]
    fn a_mode_that_nobody_knows_is_not_left_to_accept() {
        for mode in ["", "?", "no-cors", "same-origin", "navigated", "é"] {
            let (method, headers) = head(&format!("GET|sec-fetch-mode: {mode}|{SAFARI}"));
            assert_eq!(Kind::of(&method, &headers), Other, "{mode}");
        }
    }

    #[test]
    fn preflights() {
        let preflight = |text: &str| {
            let (method, headers) = head(text);
            is_preflight(&method, &headers)
        };
        assert!(preflight("OPTIONS|origin: null|access-control-request-method: PUT"));
        assert!(!preflight("OPTIONS|origin: https://a.example"));
        assert!(!preflight("OPTIONS|access-control-request-method: PUT"));
        assert!(!preflight("GET|origin: https://a.example|access-control-request-method: PUT"));
    }

    #[test]
    fn cross_site_requests() {
        let cases = [
            ("sec-fetch-site: cross-site", true),
            ("sec-fetch-site: cross-site|origin: https://shop.example", true),
            ("sec-fetch-site: same-origin", false),
            ("sec-fetch-site: same-origin|origin: null", false),
            ("sec-fetch-site: same-site|origin: https://www.shop.example", false),
            ("sec-fetch-site: none", false),
            ("sec-fetch-site: sideways", true),
            ("accept: */*", false),
            ("origin: https://shop.example", false),
            ("origin: http://shop.example", false),
            ("origin: https://SHOP.example.", false),
            ("origin: https://shop.example:443", false),
            ("origin: https://shop.example:8443", true),
            ("origin: https://shop.example.evil.example", true),
            ("origin: https://evil.example", true),
            ("origin: https://evil.example/shop.example", true),
            ("origin: https://shop.example@evil.example", true),
            ("origin: null", true),
            ("origin: ", true),
            ("origin: shop.example", true),
            ("origin: https://é", true),
        ];
        for (lines, is_cross) in cases {
            assert_eq!(is_cross_site(&head(&format!("POST|{lines}")).1, "shop.example"), is_cross, "{lines}");
        }
        let with = |origin: &str, host: &str| is_cross_site(&head(&format!("POST|origin: {origin}")).1, host);
        assert!(!with("https://shop.example:8443", "shop.example:8443"));
        assert!(!with("https://shop.example", "Shop.Example.:443"));
        assert!(!with("http://[2001:db8::7]:8000", "[2001:db8::7]:8000"));
        assert!(!with("http://[2001:db8::7]", "[2001:db8::7]:80"));
        assert!(with("http://[2001:db8::7]:8000", "[2001:db8::7]:8001"));
        assert!(with("https://", ""));
    }

    #[test]
    fn upgrades_and_frames() {
        let upgrade = |lines: &str| is_upgrade(&head(&format!("GET|{lines}")).1);
        assert!(upgrade("connection: Upgrade|upgrade: websocket"));
        assert!(upgrade("connection: keep-alive|connection: upgrade|upgrade: websocket"));
        assert!(!upgrade("upgrade: websocket"));
        assert!(!upgrade("connection: upgrade"));
        assert!(!upgrade("connection: upgrade-insecure|upgrade: websocket"));
        let framed = |lines: &str| is_framed(&head(&format!("GET|{lines}")).1);
        assert!(framed("sec-fetch-mode: navigate|sec-fetch-dest: iframe"));
        assert!(framed("sec-fetch-mode: nested-navigate"));
        assert!(!framed("sec-fetch-mode: navigate|sec-fetch-dest: document"));
        assert!(!framed("accept: text/html"));
    }
}
