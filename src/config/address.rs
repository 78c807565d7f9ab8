//! Hosts, ports and networks, as they are written in settings and in `Host` headers.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

/// Splits `host`, `host:port`, `[v6]` or `[v6]:port`; an IPv6 address keeps its brackets. `None`: the port is no port.
pub(super) fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let end_of_address = text.rfind(']').unwrap_or(0);
    match text.rfind(':').filter(|colon| *colon > end_of_address) {
        Some(colon) => {
            let (host, port) = text.split_at_checked(colon)?;
            let port = port.strip_prefix(':')?;
            let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
            Some((host, Some(port.parse().ok().filter(|_| digits)?)))
        }
        None => Some((text, None)),
    }
}

/// Whether this is a name as DNS has them, an IPv4 address, or an IPv6 address in brackets.
pub(super) fn is_host(text: &str) -> bool {
    if let Some(inner) = text.strip_prefix('[') {
        return inner.strip_suffix(']').is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok());
    }
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.len() <= 253 && text.strip_suffix('.').unwrap_or(text).split('.').all(label)
}

/// The form in which hosts are compared: lower-case, without port and trailing dot. Takes a `Host` header or an
/// authority; `None`: not a host.
pub fn normal_host(authority: &str) -> Option<String> {
    let (host, _) = split_port(authority)?;
    if !is_host(host) {
        return None;
    }
    let inner = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    match inner.and_then(|inner| inner.parse::<Ipv6Addr>().ok()) {
        Some(address) => Some(format!("[{address}]")), // one address has many spellings
        None => Some(host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()),
    }
}

/// Where to listen.
pub(super) fn socket(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "must be an address with a port, such as 0.0.0.0:8000 or [::]:8000".to_owned())
}

/// `203.0.113.0/24`, or one address.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    net.map(|net| net.trunc()).map_err(|_| "must be a network such as 203.0.113.0/24, or an address".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_compared_without_port_case_and_dot() {
        for text in ["shop.example.com", "SHOP.example.com:443", "shop.example.com.", "Shop.Example.com.:80"] {
            assert_eq!(normal_host(text).as_deref(), Some("shop.example.com"), "{text}");
        }
        for text in ["[2001:DB8::1]:8000", "[2001:db8:0:0::1]", "[2001:0DB8:0:0:0:0:0:1]"] {
            assert_eq!(normal_host(text).as_deref(), Some("[2001:db8::1]"), "{text}");
        }
        for text in ["", ".", "a..b", "user@host", "host:", "host:x", "host:+80", "host:99999", "[::1", "::1", "a b"] {
            assert_eq!(normal_host(text), None, "{text}");
        }
    }

    #[test]
    fn a_network_may_be_one_address() {
        assert_eq!(network("203.0.113.7").unwrap().to_string(), "203.0.113.7/32");
        assert_eq!(network("10.1.2.3/8").unwrap().to_string(), "10.0.0.0/8");
        assert!(network("10.0.0.0/33").is_err());
    }
}
