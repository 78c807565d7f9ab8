//! All that is known of a request, as plain data.

use crate::queue::AddressKey;

/// What a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A person opens an address: gets pages, takes a place.
    Navigation,
    /// A script, an image, an API: gets JSON, takes no place.
    Other,
}

/// Where a token was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Cookie,
    /// The `jwt` header.
    Header,
    /// `Authorization: Bearer`.
    Bearer,
    /// `?jwt=`.
    Query,
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
    pub address: AddressKey,
}
