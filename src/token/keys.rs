//! The keys that sign tokens and name visitors.

use super::claims::{Claims, ISSUER};
use super::hashed::keyed_hash;
use super::signing::{BadSigningKey, Key};
use super::strength::{WeakSecret, check_strength};
use crate::queue::{Time, Visitor};
use hmac::{Hmac, Mac};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Header, decode, decode_header, encode};
use sha2::Sha256;
use std::fmt;

/// How long past `exp` a token still counts as unexpired.
pub const LEEWAY_SECONDS: u64 = 5;

/// A longer token isn't looked at. Ours stay below 1 KiB.
pub const MAX_TOKEN_BYTES: usize = 4096;

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Malformed, not signed by us, or not saying what a token must say.
    #[error("the token is malformed or was not signed here")]
    Invalid,
    /// Genuine, but of another room.
    #[error("the token belongs to another room")]
    WrongRoom,
}

/// A genuine token of the right room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    pub claims: Claims,
    /// `exp` has passed by at least [`LEEWAY_SECONDS`]: too old for some calls, a reason to renew for others.
    pub expired: bool,
}

/// The keys of this installation. The first signs, all verify: to rotate, put the new one in front and take the
/// last one away when the longest retention and ready time have passed.
pub struct Keyring {
    signing: Key,
    others: Vec<Key>,
    ids: Hmac<Sha256>,
}

impl Keyring {
    /// Makes the ring. `id_secret` names visitors and must never change; absent, the oldest (last) of `secrets` does so.
    ///
    /// # Errors
    /// No secret, one below [`super::MIN_SECRET_BYTES`], or one that anybody would try first.
    pub fn new(secrets: &[&str], id_secret: Option<&str>) -> Result<Self, WeakSecret> {
        for (index, secret) in secrets.iter().enumerate() {
            check_strength(secret, || format!("tokens.secrets[{index}]"))?;
        }
        if let Some(secret) = id_secret {
            check_strength(secret, || "tokens.id_secret".to_owned())?;
        }
        let (first, older) = secrets.split_first().ok_or(WeakSecret::Missing)?;
        let oldest = older.last().unwrap_or(first);
        Ok(Self {
            signing: Key::shared(first),
            others: older.iter().map(|secret| Key::shared(secret)).collect(),
            ids: keyed_hash(id_secret.unwrap_or(oldest)).ok_or(WeakSecret::Missing)?,
        })
    }

    /// The ring with pairs of keys (PEM texts) in front of the secrets: the first pair signs, all verify, and so do the
    /// secrets, so that nobody loses a place by the change. Without any, the ring as it was.
    ///
    /// # Errors
    /// A text that is no private key of a kind that we sign with.
    pub fn signing_with(mut self, pems: &[String]) -> Result<Self, BadSigningKey> {
        let pair = |(index, pem): (usize, &String)| {
            Key::pair(pem).ok_or_else(|| BadSigningKey { setting: format!("tokens.signing_keys[{index}]") })
        };
        let mut keys = pems.iter().enumerate().map(pair).collect::<Result<Vec<_>, _>>()?.into_iter();
        if let Some(first) = keys.next() {
            let secret = std::mem::replace(&mut self.signing, first);
            self.others = keys.chain([secret]).chain(self.others).collect();
        }
        Ok(self)
    }

    /// The public halves (RFC 7517): with them a backend checks tokens by itself. Of a shared secret nothing is in it.
    pub fn public(&self) -> JwkSet {
        JwkSet { keys: self.all().filter_map(|key| key.public.clone()).collect() }
    }

    /// Signs with the first key.
    pub fn sign(&self, claims: &Claims) -> String {
        if let Some(hashed) = &self.signing.hashed {
            return hashed.sign(claims);
        }
        // Cannot fail: the key is of the algorithm's family, the claims are strings and numbers. An empty token, should it
        // ever be made, is what "no token" looks like.
        encode(&self.signing.header(), claims, &self.signing.encoding).unwrap_or_default()
    }

    /// Whether a token is genuine and of this room, and what it says. `now` is the store's clock.
    ///
    /// # Errors
    /// [`TokenError::WrongRoom`] only where everything else is in order.
    pub fn verify(&self, token: &str, room: &str, now: Time) -> Result<Verified, TokenError> {
        let claims = self.genuine(token).ok_or(TokenError::Invalid)?;
        if claims.aud != room {
            return Err(TokenError::WrongRoom);
        }
        let expired = now >= claims.expires().plus_seconds(LEEWAY_SECONDS);
        Ok(Verified { claims, expired })
    }

    /// The visitor as the store knows them: the first 16 bytes of HMAC-SHA256(id secret, room ‖ 0 ‖ user id). Room names
    /// hold no NUL, so no two pairs meet.
    pub fn visitor(&self, room: &str, user: &str) -> Visitor {
        let mut mac = self.ids.clone();
        mac.update(room.as_bytes());
        mac.update(&[0]);
        mac.update(user.as_bytes());
        Visitor(first_bytes(&mac.finalize().into_bytes()))
    }

    fn genuine(&self, token: &str) -> Option<Claims> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let ours = self.all().filter_map(|key| key.hashed.as_ref()).find(|hashed| hashed.wrote(token));
        let claims = match ours {
            Some(hashed) => hashed.read(token),
            None => self.read_foreign(token),
        };
        claims.filter(|claims| claims.iss == ISSUER)
    }

    /// A token with another header than ours, which may be genuine all the same.
    fn read_foreign(&self, token: &str) -> Option<Claims> {
        let header = decode_header(token).ok()?;
        if !is_plain(&header) {
            return None;
        }
        self.all()
            .filter(|key| key.may_have_signed(&header))
            .find_map(|key| decode::<Claims>(token, &key.decoding, &key.rules).ok())
            .map(|token| token.claims)
    }

    fn all(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.signing).chain(&self.others)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&str> = self.all().map(|key| key.id.as_str()).collect();
        f.debug_struct("Keyring").field("kids", &ids).finish_non_exhaustive()
    }
}

/// Whether the header is one that we could have written: no key of its own, no demands. A field that must be
/// understood and isn't makes a token invalid (RFC 7515, 4.1.11).
fn is_plain(header: &Header) -> bool {
    let brings_a_key = header.jku.is_some()
        || header.jwk.is_some()
        || header.x5u.is_some()
        || header.x5c.is_some()
        || header.x5t.is_some()
        || header.x5t_s256.is_some();
    let demands = header.crit.is_some() || header.enc.is_some() || header.zip.is_some() || header.cty.is_some();
    let is_jwt = header.typ.as_deref().is_none_or(|typ| typ.eq_ignore_ascii_case("JWT"));
    is_jwt && !brings_a_key && !demands
}

/// HMAC takes keys of every length, so this is always `Some`.
fn first_bytes<const N: usize>(digest: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.iter_mut().zip(digest).for_each(|(to, from)| *to = *from);
    bytes
}
