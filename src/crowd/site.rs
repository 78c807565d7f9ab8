//! Whom a crowd may be sent to, and whether this machine can hold it.

use super::Refusal;
use http::Uri;
use std::net::{IpAddr, ToSocketAddrs};

/// Beside its connections: the terminal, the runtime, the resolver.
const OTHER_FILES: u64 = 64;

/// The address of a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// `https://shop.example:8443`, without a path.
    pub base: String,
    /// The path and query of the address that was given; `/` where there was none.
    pub path: String,
    host: String,
    port: u16,
}

impl Site {
    /// # Errors
    /// It isn't an `http` or `https` address with a host.
    pub fn parse(address: &str) -> Result<Self, Refusal> {
        let wrong = || {
            Refusal::one(format!(
                "{address}: give the address that visitors open, such as https://shop.example or http://127.0.0.1:8000/tickets"
            ))
        };
        let uri: Uri = address.parse().map_err(|_| wrong())?;
        let scheme = uri.scheme_str().filter(|scheme| ["http", "https"].contains(scheme)).ok_or_else(wrong)?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(wrong)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { base: format!("{scheme}://{authority}"), path, host, port })
    }

    /// A crowd is sent to this machine or its own network; elsewhere only by somebody who `may`.
    ///
    /// # Errors
    /// The name leads nowhere, or out of here while nobody said that this is right.
    pub fn check(&self, may: bool) -> Result<(), Refusal> {
        let found = (self.host.as_str(), self.port).to_socket_addrs();
        let found: Vec<IpAddr> = found
            .map_err(|error| Refusal::one(format!("{}: the name can't be resolved: {error}", self.host)))?
            .map(|address| address.ip())
            .collect();
        match found.iter().find(|address| !is_near(**address)) {
            Some(address) if !may => Err(Refusal(vec![
                format!("{} is {address}, which is neither this machine nor a private network.", self.host),
                "A crowd is an attack on a site that isn't yours. If it is yours, and whoever runs the network between \
                 knows of it, add --yes-i-own-this-site."
                    .to_owned(),
            ])),
            _ => Ok(()),
        }
    }
}

/// Loopback, private, link-local.
fn is_near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_near(IpAddr::V4(v4)),
            None => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
        },
    }
}

/// Whether this process may open so many connections.
///
/// # Errors
/// The limit on open files is too low.
pub fn check_open_files(connections: usize) -> Result<(), Refusal> {
    // Where there is no such file the system has no such limit, or another way to say it: then opening says it.
    let Ok(limits) = std::fs::read_to_string("/proc/self/limits") else { return Ok(()) };
    allows(&limits, connections)
}

fn allows(limits: &str, connections: usize) -> Result<(), Refusal> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    let needed = connections as u64 + OTHER_FILES;
    match soft {
        Some(soft) if soft < needed => Err(Refusal(vec![
            format!("this shell lets a process open {soft} files, and {connections} connections need {needed}."),
            format!(
                "Run `ulimit -n {needed}` first, or ask for fewer with --connections {}.",
                soft.saturating_sub(OTHER_FILES).max(1)
            ),
        ])),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart_and_what_is_none_is_refused_with_an_example() {
        let site = Site::parse("https://shop.example/tickets?x=1").unwrap();
        assert_eq!((site.base.as_str(), site.path.as_str(), site.port), ("https://shop.example", "/tickets?x=1", 443));
        assert_eq!(Site::parse("http://[::1]:8000").unwrap().host, "::1");
        for wrong in ["shop.example", "ftp://shop.example", "https://a:b@shop.example", "http://"] {
            assert!(Site::parse(wrong).unwrap_err().to_string().contains("https://shop.example"), "{wrong}");
        }
    }

    #[test]
    fn a_crowd_goes_no_further_than_the_own_network_unless_told() {
        for near in
            ["http://127.0.0.1", "http://10.1.2.3:80", "http://192.168.0.1", "http://[::1]:1", "http://[fd00::1]"]
        {
            assert_eq!(Site::parse(near).unwrap().check(false), Ok(()), "{near}");
        }
        for far in ["http://93.184.215.14", "http://[2606:2800::1]", "http://[::ffff:8.8.8.8]", "http://0.0.0.0"] {
            let site = Site::parse(far).unwrap();
            assert!(site.check(false).unwrap_err().to_string().contains("--yes-i-own-this-site"), "{far}");
            assert_eq!(site.check(true), Ok(()));
        }
    }

    #[test]
    fn too_few_files_are_said_with_the_number_that_would_do() {
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 4096                 files\n";
        assert_eq!(allows(limits, 900), Ok(()));
        let said = allows(limits, 2000).unwrap_err().to_string();
        assert!(said.contains("ulimit -n 2064") && said.contains("--connections 960"), "{said}");
        assert_eq!(allows("Max open files   unlimited  unlimited files", 2000), Ok(()));
    }
}
