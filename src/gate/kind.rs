//! What a request wants, from its method and headers.

use super::Kind;
use http::{HeaderMap, Method, header};

/// A person opening an address, or anything else.
///
/// Browsers say it themselves: `Sec-Fetch-Mode: navigate` (Fetch Metadata), unless it is for a frame's or an object's
/// content only, or fetched ahead (`Sec-Purpose`). Where the header is absent, a GET or HEAD whose `Accept` gives
/// `text/html` the highest q, first among equals.
pub fn of(method: &Method, headers: &HeaderMap) -> Kind {
    if text(headers, "sec-purpose").contains("prefetch") || text(headers, "purpose") == "prefetch" || is_upgrade(headers) {
        return Kind::Other;
    }
    let mode = text(headers, "sec-fetch-mode");
    let navigates = if mode.is_empty() {
        matches!(*method, Method::GET | Method::HEAD) && prefers_html(&text(headers, "accept"))
    } else {
        mode == "navigate" && !matches!(text(headers, "sec-fetch-dest").as_str(), "image" | "object" | "embed")
    };
    if navigates { Kind::Navigation } else { Kind::Other }
}

/// Asks whether a cross-origin request would be allowed (Fetch standard, CORS-preflight).
pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Comes from a page of another site.
pub fn is_cross_site(headers: &HeaderMap, host: &str) -> bool {
    match text(headers, "sec-fetch-site").as_str() {
        "cross-site" => true,
        "" => origin_host(headers).is_some_and(|origin| !origin.eq_ignore_ascii_case(host)),
        _ => false,
    }
}

/// Comes from a page of this very origin.
pub fn is_same_origin(headers: &HeaderMap, host: &str) -> bool {
    match text(headers, "sec-fetch-site").as_str() {
        "same-origin" => true,
        "" => origin_host(headers).is_some_and(|origin| origin.eq_ignore_ascii_case(host)),
        _ => false,
    }
}

/// Wants another protocol, such as WebSocket.
pub fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(header::UPGRADE)
}

fn origin_host(headers: &HeaderMap) -> Option<String> {
    let origin = text(headers, "origin");
    origin.split_once("://").map(|(_, host)| host.to_owned()).or_else(|| (!origin.is_empty()).then(String::new))
}

fn text(headers: &HeaderMap, name: &str) -> String {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.collect::<Vec<_>>().join(",").trim().to_ascii_lowercase()
}

/// RFC 9110, 12.5.1: the range with the highest weight is wanted most; of equals, browsers put HTML first.
fn prefers_html(accept: &str) -> bool {
    let mut best: Option<(f32, &str)> = None;
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
        if weight > 0.0 && best.is_none_or(|(highest, _)| weight > highest) {
            best = Some((weight, media));
        }
    }
    best.is_some_and(|(_, media)| media == "text/html" || media == "application/xhtml+xml")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap())).collect()
    }

    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";

    #[test]
    fn only_people_get_pages() {
        use Kind::{Navigation, Other};
        let table: &[(&str, &[(&str, &str)], Kind)] = &[
            ("GET", &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), ("accept", BROWSER)], Navigation),
            ("GET", &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe"), ("accept", BROWSER)], Navigation),
            ("POST", &[("sec-fetch-mode", "navigate"), ("accept", BROWSER)], Navigation),
            ("GET", &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "object")], Other),
            ("GET", &[("sec-fetch-mode", "navigate"), ("sec-purpose", "prefetch;prerender")], Other),
            ("GET", &[("sec-fetch-mode", "navigate"), ("purpose", "prefetch")], Other),
            ("GET", &[("sec-fetch-mode", "cors"), ("accept", BROWSER)], Other),
            ("GET", &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image"), ("accept", "image/avif,*/*")], Other),
            ("GET", &[("sec-fetch-mode", "same-origin"), ("accept", "*/*")], Other),
            ("GET", &[("sec-fetch-mode", "websocket"), ("upgrade", "websocket")], Other),
            ("GET", &[("accept", BROWSER)], Navigation),
            ("HEAD", &[("accept", BROWSER)], Navigation),
            ("POST", &[("accept", BROWSER)], Other),
            ("GET", &[("accept", "text/html")], Navigation),
            ("GET", &[("accept", "text/html;q=0.9, application/json")], Other),
            ("GET", &[("accept", "application/json, text/html")], Other),
            ("GET", &[("accept", "text/html;q=0")], Other),
            ("GET", &[("accept", "application/json, text/plain, */*")], Other),
            ("GET", &[("accept", "*/*")], Other),
            ("GET", &[], Other),
            ("GET", &[("accept", "text/event-stream")], Other),
            ("GET", &[("accept", "application/rss+xml, application/rdf+xml;q=0.8, text/html;q=0.4")], Other),
            ("GET", &[("accept", "image/png,image/*;q=0.8,*/*;q=0.5")], Other),
            ("GET", &[("accept", "text/css,*/*;q=0.1")], Other),
            ("GET", &[("accept", BROWSER), ("upgrade", "websocket")], Other),
            ("GET", &[("accept", "application/xhtml+xml,text/html;q=0.9,text/plain;q=0.8,*/*;q=0.5")], Navigation),
            ("PUT", &[("sec-fetch-mode", "cors")], Other),
            ("DELETE", &[("accept", BROWSER)], Other),
            ("GET", &[("accept", "TEXT/HTML")], Navigation),
            ("GET", &[("accept", "text/html;level=1;q=0.7, */*;q=0.9")], Other),
        ];
        for (method, lines, kind) in table {
            assert_eq!(of(&method.parse().unwrap(), &headers(lines)), *kind, "{method} {lines:?}");
        }
    }

    #[test]
    fn other_sites_are_told_by_fetch_metadata_or_origin() {
        assert!(is_cross_site(&headers(&[("sec-fetch-site", "cross-site")]), "a.example"));
        assert!(is_cross_site(&headers(&[("origin", "https://b.example")]), "a.example"));
        assert!(is_cross_site(&headers(&[("origin", "null")]), "a.example"));
        assert!(!is_cross_site(&headers(&[("origin", "https://a.example")]), "a.example"));
        assert!(!is_cross_site(&headers(&[]), "a.example"));
        assert!(!is_same_origin(&headers(&[]), "a.example"));
    }
}
