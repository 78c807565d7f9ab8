//! What must hold whatever anybody sends: one function for each parser, over any bytes. It panics where the promise is
//! broken.
//!
//! libFuzzer drives them (`fuzz_targets/`, `dev/fuzz`); `tests/it/hostile/fuzzed.rs` runs the same functions over the
//! inputs kept in `corpus/` and over some thousands of changed ones. To add a parser: a function here, a target of its name
//! in `fuzz_targets/` and `Cargo.toml`, an input or two in `corpus/NAME/`, a line in that test. The header of the PROXY
//! protocol belongs here as soon as the program reads it.

use gatekeeper::config::{Config, Environment, PathPattern, normal_host};
use gatekeeper::gate::cookie;
use gatekeeper::page::{Design, LocalUrl, Page, PageContext};
use gatekeeper::proxy::{Client, PathView};
use gatekeeper::queue::{Ticket, Time};
use gatekeeper::token::{Claims, Keyring, TokenError};
use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::OnceLock;

const SECRET: &str = "a secret of the fuzzing, 32 bytes or more";
const NOW: Time = Time(1_700_000_000_000);

/// The first byte picks the peer, the rest are header lines: `name: value`.
pub fn client(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let peer = match first % 4 {
        0 => IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
        1 => IpAddr::V6(Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped()),
        2 => IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)),
        _ => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
    };
    let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "2001:db8:ffff::/48".parse().unwrap()];
    let headers = headers(rest);
    let client = Client::identify(peer, first & 4 != 0, &headers, &trusted);
    let is_trusted = |ip: IpAddr| trusted.iter().any(|net| net.contains(&ip));
    assert_eq!(client.ip, client.ip.to_canonical(), "an IPv4 address in the clothes of IPv6");
    assert_eq!(client.trusted_peer, is_trusted(peer.to_canonical()));
    let chain = client.forwarded.for_chain.as_bytes();
    assert!(chain.ends_with(peer.to_canonical().to_string().as_bytes()), "the peer is the last one in the chain");
    if !client.trusted_peer {
        assert_eq!(client.ip, peer.to_canonical(), "a stranger was believed");
        assert_eq!(chain, peer.to_canonical().to_string().as_bytes(), "a stranger's chain went on");
        assert_eq!(client.is_https(), first & 4 != 0, "a stranger's scheme was believed");
        assert_eq!(client.forwarded.host.as_ref(), headers.get("host"), "a stranger's host was believed");
    }
    let _ = cookie::tokens(&headers, None, "shop");
    if let Some(host) = headers.get("host").and_then(|host| host.to_str().ok())
        && let Some(normal) = normal_host(host)
    {
        assert_eq!(normal_host(&normal).as_deref(), Some(normal.as_str()), "a normal host has another form");
        assert!(!normal.bytes().any(|byte| byte.is_ascii_uppercase()) && !normal.ends_with('.'));
    }
}

fn headers(lines: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n').take(64) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    headers
}

/// A path as it stands on the wire.
pub fn path(bytes: &[u8]) {
    let view = PathView::of(bytes);
    let again = PathView::of(bytes);
    assert_eq!(view, again);
    let (Some(path), Some(written)) = (view.clean(), view.to_request_path()) else {
        assert_eq!(view, PathView::Ambiguous);
        return;
    };
    assert!(path.starts_with('/') && !path.contains("//"), "{path:?}");
    assert!(!path.contains(['%', ';', '?', '#', '\\']) && !path.chars().any(|c| c.is_ascii_control()), "{path:?}");
    assert!(!path.split('/').any(|segment| segment == "." || segment == ".."), "{path:?}");
    assert!(written.is_ascii() && !written.contains(' '), "{written:?}");
    assert_eq!(PathView::of(written.as_bytes()), view, "{written:?} means something else");
    // An exception matches what it names, and nothing that is guarded.
    static STATIC: OnceLock<PathPattern> = OnceLock::new();
    let exception = STATIC.get_or_init(|| PathPattern::parse("/static/**").unwrap());
    assert_eq!(exception.matches(path), path == "/static" || path.starts_with("/static/"), "{path:?}");
}

/// A token, whole; where the first byte says so, signed by the gate itself, so that claims are reached.
pub fn token(bytes: &[u8]) {
    static RING: OnceLock<Keyring> = OnceLock::new();
    let ring = RING.get_or_init(|| Keyring::new(&[SECRET], None).unwrap());
    let Some((first, rest)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    if first & 1 == 0 {
        // Nobody who has no secret makes a genuine one.
        assert_eq!(ring.verify(&text, "shop", NOW), Err(TokenError::Invalid), "{text:?}");
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(rest) {
            headers.append("cookie", value.clone());
            headers.append("authorization", value);
        }
        for shown in cookie::tokens(&headers, Some(&text), "shop") {
            assert!(ring.verify(shown.token, "shop", NOW).is_err());
        }
        assert!(!cookie::query_without_token(&text).split('&').any(|pair| pair.starts_with("jwt=")));
        return;
    }
    let number = |at: usize| rest.get(at..at + 8).map_or(0, |eight| u64::from_le_bytes(eight.try_into().unwrap()));
    let mut claims = Claims::waiting("shop", &text, Ticket(number(0)), Time(number(8)), number(16));
    claims.hb = number(24);
    claims.adm = Some(number(32)).filter(|second| *second > 0);
    claims.rdy = Some(number(40)).filter(|second| *second > 0);
    let signed = ring.sign(&claims);
    match ring.verify(&signed, "shop", Time(number(48))) {
        Ok(verified) => {
            assert_eq!(verified.claims, claims, "what was signed comes back");
            let now = Time(number(48));
            assert_eq!(claims.is_ready(now), claims.rdy.is_some_and(|rdy| now.0 < rdy.saturating_mul(1000)));
        }
        Err(error) => assert!(error == TokenError::Invalid && signed.len() > 4096, "{error}: {claims:?}"),
    }
    assert_ne!(ring.verify(&signed, "tickets", NOW).map(|_| ()), Ok(()), "another room's");
}

/// What a visitor and an operator put into the page. Four texts, by NUL.
pub fn template(bytes: &[u8]) {
    static PAGE: OnceLock<Page> = OnceLock::new();
    let design = || Design { language: "en".to_owned(), ..Design::default() };
    let page = PAGE.get_or_init(|| Page::built_in(&design()).unwrap()).speak("en");
    let text = String::from_utf8_lossy(bytes);
    let mut texts = text.split('\0');
    let mut next = || texts.next().unwrap_or_default();
    let (room, title, message, url) = (next(), next(), next(), next());
    let local = LocalUrl::new(url);
    let seen = local.as_str().replace('\\', "/");
    assert!(seen.starts_with('/') && !seen.starts_with("//"), "{url:?} leads to another host: {seen:?}");
    assert!(!local.as_str().chars().any(char::is_control), "{local:?}");
    let number = bytes.len() as u64;
    let context = PageContext {
        message: message.to_owned(),
        waiting: Some(number.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
        status_url: local.clone(),
        enqueue_url: Some(local.clone()),
        reload_url: local,
        nothing_sent: number.is_multiple_of(2),
        poll_after_ms: number,
        ..PageContext::new(room, title).at(Some(number))
    };
    let html = page.render(&context).unwrap();
    // Text stays text: the page has the same elements as with harmless words.
    let url = LocalUrl::new("/");
    let harmless = PageContext {
        room: "r".to_owned(),
        title: "t".to_owned(),
        message: if message.is_empty() { String::new() } else { "m".to_owned() },
        status_url: url.clone(),
        enqueue_url: Some(url.clone()),
        reload_url: url,
        ..context.clone()
    };
    assert_eq!(tags(&html), tags(&page.render(&harmless).unwrap()), "{text:?}");
}

/// The names of the tags, in their order.
fn tags(html: &str) -> Vec<String> {
    let (head, rest) = html.split_once("<script>").unwrap();
    let (script, tail) = rest.split_once("</script>").unwrap();
    assert!(script.contains("'use strict'") && !tail.contains("<script"));
    let all = format!("{head}{tail}");
    all.split('<').skip(1).map(|tag| tag.chars().take_while(|c| !c.is_whitespace() && *c != '>').collect()).collect()
}

/// A configuration file: read or refused, and then in words that repeat nothing of it.
pub fn config(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let marked = format!("{text}\n[tokens]\nsecrets = [\"a-secret-that-no-error-may-repeat-1\"]\n");
    for text in [text.as_ref(), marked.as_str()] {
        match Config::parse(text, "fuzz.toml", &Environment::new()) {
            Ok(config) => {
                assert!(!config.rooms.is_empty(), "a configuration without a room");
                let again = Config::parse(text, "fuzz.toml", &Environment::new()).unwrap();
                assert!(gatekeeper::config::changes(&config, &again).is_empty(), "read twice, and differs");
                assert!(!format!("{config:?}").contains("a-secret-that-no"), "a secret is shown");
            }
            Err(errors) => {
                assert!(!errors.is_empty());
                for error in errors {
                    let line = error.to_string();
                    assert!(!line.contains("a-secret-that-no"), "a secret is shown: {line}");
                }
            }
        }
    }
}
