//! Who the client is: found once, at the door, from the peer and the headers that trusted proxies add.

use http::HeaderMap;
use ipnet::IpNet;
use std::net::IpAddr;

/// The client of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The nearest hop that isn't a trusted proxy.
    pub ip: IpAddr,
    pub is_https: bool,
    /// The host that the client asked for, as a trusted proxy tells it.
    pub forwarded_host: Option<String>,
    /// What the origin is told of the way here.
    pub forwarded_for: String,
}

impl Client {
    /// `peer` is the other end of the connection. Only what trusted proxies wrote is believed: `X-Forwarded-For` is read
    /// from the right, and the first hop that isn't trusted is the client. What can't be read ends the walk.
    pub fn of(peer: IpAddr, is_tls: bool, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let peer = peer.to_canonical();
        if !is_trusted(peer, trusted) {
            return Self { ip: peer, is_https: is_tls, forwarded_host: None, forwarded_for: peer.to_string() };
        }
        let hops = lines(headers, "x-forwarded-for");
        let mut ip = peer;
        for hop in hops.rsplit(',').map(str::trim).filter(|hop| !hop.is_empty()) {
            let Some(address) = parse_hop(hop) else { break };
            ip = address;
            if !is_trusted(address, trusted) {
                break;
            }
        }
        let proto = lines(headers, "x-forwarded-proto").to_ascii_lowercase();
        let is_https = proto.rsplit(',').next().map(str::trim).filter(|proto| !proto.is_empty()).map_or(is_tls, |proto| proto == "https");
        let host = lines(headers, "x-forwarded-host");
        Self {
            ip,
            is_https,
            forwarded_host: host.rsplit(',').next().map(str::trim).filter(|host| !host.is_empty()).map(str::to_owned),
            forwarded_for: if hops.is_empty() { peer.to_string() } else { format!("{hops}, {peer}") },
        }
    }
}

fn is_trusted(ip: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&ip))
}

fn lines(headers: &HeaderMap, name: &str) -> String {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.collect::<Vec<_>>().join(", ")
}

/// `1.2.3.4`, `1.2.3.4:5`, `::1`, `[::1]`, `[::1]:5`.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let address = hop.parse::<IpAddr>().ok();
    let address = address.or_else(|| hop.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip()));
    let address = address.or_else(|| hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok());
    address.map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, hops: &[&str]) -> Client {
        let mut headers = HeaderMap::new();
        for hop in hops {
            headers.append("x-forwarded-for", hop.parse().unwrap());
        }
        headers.insert("x-forwarded-proto", "https".parse().unwrap());
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        Client::of(peer.parse().unwrap(), false, &headers, &trusted)
    }

    #[test]
    fn the_nearest_hop_that_is_not_trusted_is_the_client() {
        for (peer, hops, ip) in [
            ("192.0.2.1", &["1.1.1.1"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["6.6.6.6, 203.0.113.9, 10.2.2.2"], "203.0.113.9"),
            ("10.0.0.1", &["6.6.6.6", "203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["203.0.113.9, evil, 10.3.3.3"], "10.3.3.3"),
            ("::ffff:10.0.0.1", &["203.0.113.9:443"], "203.0.113.9"),
            ("::1", &["[2001:db8::1]:80"], "2001:db8::1"),
            ("10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9"),
        ] {
            assert_eq!(client(peer, hops).ip, ip.parse::<IpAddr>().unwrap(), "{peer} {hops:?}");
        }
    }

    #[test]
    fn the_scheme_is_believed_from_trusted_proxies_alone() {
        assert!(client("10.0.0.1", &[]).is_https);
        assert!(!client("192.0.2.1", &[]).is_https);
        assert_eq!(client("192.0.2.1", &["1.1.1.1"]).forwarded_for, "192.0.2.1");
        assert_eq!(client("10.0.0.1", &["1.1.1.1"]).forwarded_for, "1.1.1.1, 10.0.0.1");
    }
}
