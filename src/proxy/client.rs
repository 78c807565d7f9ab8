//! Who the client is: computed once at the door, from the peer and its headers; everything else reads the result.
//!
//! This module promises: a forwarded header counts only when the TCP peer is a trusted proxy, and then only as far as
//! trusted proxies vouch for it. `X-Forwarded-For` is walked from the right, all its lines joined; the first hop that isn't
//! trusted is the client. What cannot be read ends the walk: the client is then the last trusted hop. Nothing here looks
//! at `Forwarded` (RFC 7239) or `X-Real-IP`; the request to the origin must carry neither. `X-Forwarded-Proto` and
//! `-Host` with several values are read at the client's place in the list if they have a value per hop, else from the right.
//!
//! To believe another header: a function beside [`Hops::value_of`], asked only where [`Hops::trusted`].

use http::{HeaderMap, HeaderName, HeaderValue, header::HOST};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// How the visitor came to the outermost trusted proxy, or to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// The value of `X-Forwarded-Proto`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Some proxies write `ws` and `wss` for web sockets.
    fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "http" | "ws" => Some(Self::Http),
            "https" | "wss" => Some(Self::Https),
            _ => None,
        }
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The nearest address that no trusted proxy of ours has; never an IPv4-mapped IPv6 one.
    pub ip: IpAddr,
    /// By which scheme the visitor came; [`Scheme::Https`] makes cookies `Secure`.
    pub scheme: Scheme,
    /// Whether the TCP peer is one of our trusted proxies.
    pub trusted_peer: bool,
    /// What the origin is told.
    pub forwarded: Forwarded,
}

/// The values of the forwarded headers towards the origin. They replace whatever the request carries under these names;
/// `X-Forwarded-Proto` is [`Client::scheme`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// `X-Forwarded-For`: what a trusted peer sent, and the peer; of any other peer just its address.
    pub for_chain: HeaderValue,
    /// `X-Forwarded-Host`: what a trusted peer said, else `Host`. `None`: there is neither (HTTP/2 without a `Host`
    /// line); then it is the request's `:authority`.
    pub host: Option<HeaderValue>,
}

impl Client {
    /// Whether cookies are to be `Secure`.
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::Https
    }

    /// Reads the client from the connection (`tls`: the peer speaks TLS to us) and the request's headers.
    pub fn identify(peer: IpAddr, tls: bool, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let peer = peer.to_canonical();
        let hops = Hops::walk(peer, headers, trusted);
        let connection = if tls { Scheme::Https } else { Scheme::Http };
        let stated = hops.value_of(&FORWARDED_PROTO, headers).and_then(Scheme::named);
        Self {
            ip: hops.client,
            scheme: stated.unwrap_or(connection),
            trusted_peer: hops.trusted,
            forwarded: Forwarded { for_chain: hops.chain(peer), host: hops.host(headers) },
        }
    }
}

/// The way from the client to us, as `X-Forwarded-For` of a trusted peer tells it.
struct Hops<'a> {
    /// Whether the peer is trusted; if not, there are no entries.
    trusted: bool,
    /// Every entry as it came, left to right.
    entries: Vec<&'a [u8]>,
    /// Which entry is the client; `None`: the peer itself.
    place: Option<usize>,
    client: IpAddr,
}

/// Whether this address is one of our proxies', whose word on the client counts.
pub fn is_trusted(trusted: &[IpNet], ip: &IpAddr) -> bool {
    trusted.iter().any(|network| network.contains(ip))
}

impl<'a> Hops<'a> {
    fn walk(peer: IpAddr, headers: &'a HeaderMap, trusted: &[IpNet]) -> Self {
        let is_trusted = |ip: &IpAddr| is_trusted(trusted, ip);
        let mut hops = Self { trusted: is_trusted(&peer), entries: Vec::new(), place: None, client: peer };
        if !hops.trusted {
            return hops;
        }
        hops.entries = elements(headers, &FORWARDED_FOR).collect();
        for (place, entry) in hops.entries.iter().enumerate().rev() {
            let Some(ip) = address(entry) else { break };
            (hops.place, hops.client) = (Some(place), ip);
            if !is_trusted(&ip) {
                break;
            }
        }
        hops
    }

    /// What the trusted proxies say in `name` about the client's own request.
    fn value_of<'h>(&self, name: &HeaderName, headers: &'h HeaderMap) -> Option<&'h str> {
        if !self.trusted {
            return None;
        }
        let values: Vec<&[u8]> = elements(headers, name).collect();
        let aligned = self.place.filter(|_| values.len() == self.entries.len()).and_then(|place| values.get(place));
        aligned.or_else(|| values.last()).and_then(|value| std::str::from_utf8(value).ok())
    }

    fn host(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let stated = self.value_of(&FORWARDED_HOST, headers).filter(|host| is_host(host));
        stated.and_then(|host| HeaderValue::from_str(host).ok()).or_else(|| headers.get(HOST).cloned())
    }

    fn chain(&self, peer: IpAddr) -> HeaderValue {
        let peer = peer.to_string();
        if self.entries.is_empty() {
            return HeaderValue::try_from(peer).unwrap_or(HeaderValue::from_static("unknown"));
        }
        let entries: Vec<&[u8]> = self.entries.iter().copied().chain([peer.as_bytes()]).collect();
        // Cannot fail: the parts of header values and an address make a header value.
        HeaderValue::from_bytes(&entries.join(&b", "[..])).unwrap_or(HeaderValue::from_static("unknown"))
    }
}

/// The elements of a list header, all its lines joined, empty ones left out (RFC 9110, 5.6.1).
fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).into_iter().map(HeaderValue::as_bytes);
    lines
        .flat_map(|line| line.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

/// An address, as proxies write it: bare, or with a port, an IPv6 one also in brackets.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?;
    let bare = || text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    bare().or_else(with_port).or_else(in_brackets).map(|ip| ip.to_canonical())
}

/// Whether a text can be a host with or without a port (RFC 3986, 3.2), as far as that keeps userinfo, paths and markup out.
fn is_host(text: &str) -> bool {
    text.len() <= 261 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OUTER: &str = "10.0.0.1";
    const STRANGER: &str = "198.51.100.7";

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn headers_with_all(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        map
    }

    fn trusted() -> Vec<IpNet> {
        vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]
    }

    fn identify(peer: &str, lines: &[(&'static str, &str)]) -> Client {
        Client::identify(peer.parse().unwrap(), false, &headers_with_all(lines), &trusted())
    }

    #[test]
    fn the_client_is_the_first_untrusted_hop_from_the_right() {
        // peer, lines of X-Forwarded-For, client
        let cases: &[(&str, &[&str], &str)] = &[
            (STRANGER, &[], STRANGER),
            (STRANGER, &["203.0.113.9"], STRANGER),
            (STRANGER, &["10.0.0.9"], STRANGER),
            (OUTER, &[], OUTER),
            (OUTER, &[""], OUTER),
            (OUTER, &["203.0.113.9"], "203.0.113.9"),
            (OUTER, &["192.0.2.66, 203.0.113.9"], "203.0.113.9"),
            (OUTER, &["192.0.2.66", "203.0.113.9"], "203.0.113.9"),
            (OUTER, &["192.0.2.66, 203.0.113.9", "10.0.0.2, 10.0.0.3"], "203.0.113.9"),
            (OUTER, &["10.0.0.4, 203.0.113.9"], "203.0.113.9"),
            (OUTER, &["10.0.0.4, 10.0.0.5"], "10.0.0.4"),
            (OUTER, &["203.0.113.9:51234"], "203.0.113.9"),
            (OUTER, &["2001:db8::7"], "2001:db8::7"),
            (OUTER, &["[2001:db8::7]"], "2001:db8::7"),
            (OUTER, &["[2001:db8::7]:443"], "2001:db8::7"),
            (OUTER, &["::ffff:203.0.113.9"], "203.0.113.9"),
            (OUTER, &["203.0.113.9, ::ffff:10.0.0.2"], "203.0.113.9"),
            (OUTER, &["203.0.113.9,, ,10.0.0.2,"], "203.0.113.9"),
            (OUTER, &["  203.0.113.9\t"], "203.0.113.9"),
            ("::ffff:10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("::ffff:198.51.100.7", &["203.0.113.9"], STRANGER),
            ("fd00::1", &["203.0.113.9"], "203.0.113.9"),
            // unreadable: the last trusted hop
            (OUTER, &["unknown"], OUTER),
            (OUTER, &["_hidden"], OUTER),
            (OUTER, &["203.0.113.9, unknown"], OUTER),
            (OUTER, &["203.0.113.9, unknown, 10.0.0.2"], "10.0.0.2"),
            (OUTER, &["unknown, 203.0.113.9"], "203.0.113.9"),
            (OUTER, &["203.0.113.999"], OUTER),
            (OUTER, &["203.0.113.09"], OUTER),
            (OUTER, &["203.0.113.9:99999"], OUTER),
            (OUTER, &["203.0.113.9:"], OUTER),
            (OUTER, &["[203.0.113.9]"], OUTER),
            (OUTER, &["2001:db8::7]"], OUTER),
            (OUTER, &["203.0.113.9 192.0.2.1"], OUTER),
            (OUTER, &["203.0.113.9;192.0.2.1"], OUTER),
            (OUTER, &["for=203.0.113.9"], OUTER),
            (OUTER, &["３"], OUTER),
        ];
        for (peer, lines, client) in cases {
            let lines: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
            assert_eq!(identify(peer, &lines).ip, client.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
        }
    }

    #[test]
    fn nobody_is_trusted_by_default() {
        let map = headers(&[("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "https")]);
        let client = Client::identify("127.0.0.1".parse().unwrap(), false, &map, &[]);
        assert_eq!((client.ip, client.scheme), ("127.0.0.1".parse().unwrap(), Scheme::Http));
        assert!(!client.trusted_peer);
    }

    #[test]
    fn the_origin_gets_the_chain_of_a_trusted_peer_and_of_nobody_else() {
        let chain = |peer, lines: &[(&'static str, &str)]| identify(peer, lines).forwarded.for_chain;
        assert_eq!(chain(STRANGER, &[("x-forwarded-for", "203.0.113.9")]), STRANGER);
        assert_eq!(chain(OUTER, &[]), OUTER);
        let two = [("x-forwarded-for", "192.0.2.66,203.0.113.9"), ("x-forwarded-for", " 10.0.0.2 ")];
        assert_eq!(chain(OUTER, &two), "192.0.2.66, 203.0.113.9, 10.0.0.2, 10.0.0.1");
        assert_eq!(chain("::ffff:10.0.0.1", &[("x-forwarded-for", "unknown")]), "unknown, 10.0.0.1");
        assert_eq!(chain(OUTER, &[("x-forwarded-for", "é")]).as_bytes(), "é, 10.0.0.1".as_bytes());
    }

    #[test]
    fn the_scheme_is_the_connections_unless_a_trusted_peer_knows_better() {
        let scheme = |peer: &str, tls, value: &str| {
            let map = headers(&[("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", value)]);
            Client::identify(peer.parse().unwrap(), tls, &map, &trusted()).scheme
        };
        assert_eq!(scheme(STRANGER, false, "https"), Scheme::Http);
        assert_eq!(scheme(STRANGER, true, "http"), Scheme::Https);
        assert_eq!(scheme(OUTER, false, "https"), Scheme::Https);
        assert_eq!(scheme(OUTER, false, "HTTPS"), Scheme::Https);
        assert_eq!(scheme(OUTER, false, "wss"), Scheme::Https);
        assert_eq!(scheme(OUTER, true, "http"), Scheme::Http);
        assert_eq!(scheme(OUTER, true, "gopher"), Scheme::Https);
        assert_eq!(scheme(OUTER, true, ""), Scheme::Https);
    }

    #[test]
    fn several_values_are_read_at_the_clients_place() {
        let scheme = |hops: &str, protos: &str| {
            identify(OUTER, &[("x-forwarded-for", hops), ("x-forwarded-proto", protos)]).scheme
        };
        assert_eq!(scheme("203.0.113.9, 10.0.0.2", "https, http"), Scheme::Https);
        assert_eq!(
            scheme("192.0.2.66, 203.0.113.9, 10.0.0.2", "https, http, http"),
            Scheme::Http,
            "the first one is made up"
        );
        assert_eq!(scheme("203.0.113.9", "http, https"), Scheme::Https, "not one per hop: the nearest proxy's");
    }

    #[test]
    fn the_host_is_kept_from_a_trusted_peer_alone() {
        let host = |peer, stated: &str| {
            identify(peer, &[("host", "inner.local"), ("x-forwarded-host", stated)]).forwarded.host.unwrap()
        };
        assert_eq!(host(STRANGER, "shop.example.com"), "inner.local");
        assert_eq!(host(OUTER, "shop.example.com"), "shop.example.com");
        assert_eq!(host(OUTER, "Shop.Example.com:8443"), "Shop.Example.com:8443");
        assert_eq!(host(OUTER, "[2001:db8::7]:80"), "[2001:db8::7]:80");
        for odd in ["", "a@b", "a/b", "a b", "\"a\"", "<b>", "a?b", "a\\b"] {
            assert_eq!(host(OUTER, odd), "inner.local", "{odd}");
        }
        assert_eq!(identify(OUTER, &[]).forwarded.host, None);
    }

    proptest! {
        /// Whatever a client writes in front of what the trusted proxy appends, the client stays who it is.
        #[test]
        fn nothing_in_front_moves_the_client(noise in "[ -~]{0,80}", lines in 1_usize..4) {
            let mut all = vec![("x-forwarded-for", noise.as_str()); lines];
            all.push(("x-forwarded-for", "203.0.113.9"));
            prop_assert_eq!(identify(OUTER, &all).ip, "203.0.113.9".parse::<IpAddr>().unwrap());
        }

        #[test]
        fn a_stranger_moves_nothing(noise in "[ -~]{0,80}") {
            let names = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];
            let lines: Vec<_> = names.iter().map(|name| (*name, noise.as_str())).collect();
            prop_assert_eq!(identify(STRANGER, &lines), identify(STRANGER, &[]));
        }

        #[test]
        fn every_address_is_read_in_every_form(bits: u128, v4: u32, port: u16) {
            let (six, four) = (Ipv6Addr::from(bits), std::net::Ipv4Addr::from(v4));
            let six_forms = [format!("{six}"), format!("[{six}]"), format!("[{six}]:{port}")];
            let four_forms = [format!("{four}"), format!("{four}:{port}"), format!("::ffff:{four}")];
            for form in six_forms {
                prop_assert_eq!(address(form.as_bytes()), Some(IpAddr::V6(six).to_canonical()));
            }
            for form in four_forms {
                prop_assert_eq!(address(form.as_bytes()), Some(IpAddr::V4(four)));
            }
        }
    }
}
