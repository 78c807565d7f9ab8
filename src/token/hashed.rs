//! Tokens of a shared secret, signed and read the short way.
//!
//! The library parses a header three times and sets the key up for each token. A token whose header is byte for byte what this
//! secret writes needs neither: it is checked by the same HMAC with the key hashed beforehand. Any other token goes to the
//! library, which decides as if this were not here (`token/tests.rs` holds both to the same answers).

use super::claims::Claims;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use jsonwebtoken::Header;
use sha2::Sha256;

/// A secret, ready to be used.
pub(super) struct Hashed {
    /// The first part of every token that it signs.
    header: String,
    /// Keyed already: a copy of it saves the two blocks that the key takes.
    mac: Hmac<Sha256>,
}

impl Hashed {
    /// HMAC takes keys of every length, and a header is plain text, so this is always `Some`.
    pub fn new(header: &Header, secret: &str) -> Option<Self> {
        let header = URL_SAFE_NO_PAD.encode(serde_json::to_vec(header).ok()?);
        Some(Self { header, mac: keyed_hash(secret)? })
    }

    pub fn sign(&self, claims: &Claims) -> String {
        // Cannot fail: strings and numbers.
        let claims = serde_json::to_vec(claims).unwrap_or_default();
        let mut token = String::with_capacity(self.header.len() + claims.len() * 4 / 3 + 48);
        token.push_str(&self.header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let mut mac = self.mac.clone();
        mac.update(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(mac.finalize().into_bytes(), &mut token);
        token
    }

    /// Whether a token has the very header that this secret's tokens have. That says nothing of its signature.
    pub fn wrote(&self, token: &str) -> bool {
        token.strip_prefix(self.header.as_str()).is_some_and(|rest| rest.starts_with('.'))
    }

    /// What such a token says, if this secret signed it.
    pub fn read(&self, token: &str) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (_, claims) = signed.split_once('.')?;
        let mut mac = self.mac.clone();
        mac.update(signed.as_bytes());
        mac.verify_slice(&URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    }
}

pub(super) fn keyed_hash(secret: &str) -> Option<Hmac<Sha256>> {
    Hmac::new_from_slice(secret.as_bytes()).ok()
}
