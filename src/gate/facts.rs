//! All that is known of a request, as plain data.

use super::kind::Kind;
use std::net::IpAddr;

/// Where a token was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Cookie,
    /// The spare cookie, which nothing overwrites ([`super::cookie::spare_line`]).
    Spare,
    /// The `jwt` header.
    Header,
    /// `Authorization: Bearer`.
    Bearer,
    /// `?jwt=`.
    Query,
}

impl Source {
    /// Whether a browser sent it by itself.
    pub const fn is_cookie(self) -> bool {
        matches!(self, Self::Cookie | Self::Spare)
    }
}

/// A token as it came, ours or not.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    pub token: &'a str,
    pub source: Source,
}

/// A request to a guarded path.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub tokens: &'a [Shown<'a>],
    pub kind: Kind,
    pub has_body: bool,
    pub is_cross_site: bool,
    pub ip: IpAddr,
    /// From so many addresses at a time a turn may be used; 0: from any number.
    pub max_addresses: usize,
}
