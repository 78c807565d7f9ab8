//! The keys that sign tokens and name visitors.

use super::claims::{Claims, ISSUER};
use crate::queue::{Time, Visitor};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use sha2::{Digest, Sha256};
use std::fmt;

/// The one algorithm: what the keys are made for. A token's `alg` must agree, and has no other say.
const ALGORITHM: Algorithm = Algorithm::HS256;

/// How long past `exp` a token still counts as unexpired.
pub const LEEWAY_SECONDS: u64 = 5;

/// A longer token isn't looked at. Ours stay below 1 KiB.
pub const MAX_TOKEN_BYTES: usize = 4096;

/// The least a secret must have: as many bytes as the digest (RFC 7518, 3.2).
pub const MIN_SECRET_BYTES: usize = 32;

/// Words of which published examples are made. A secret that is nothing but repetitions of one of them is refused;
/// compared in lower case, letters and digits only.
const SAMPLES: &[&str] = &[
    "secret",
    "jwtsecret",
    "yoursecret",
    "yoursecretkey",
    "yourjwtsecret",
    "your256bitsecret",
    "your512bitsecret",
    "astringsecretatleast256bitslong",
    "astringsecretatleast512bitslong",
    "supersecret",
    "supersecretkey",
    "supersecretkeychangeme",
    "mysecret",
    "mysecretkey",
    "secretkey",
    "changeme",
    "changemeplease",
    "changethis",
    "changethisinproduction",
    "changemeinproduction",
    "pleasechangeme",
    "replaceme",
    "password",
    "gatekeeper",
    "example",
    "default",
    "1234567890",
    "0123456789",
    "0123456789abcdef",
    "abcdefghijklmnopqrstuvwxyz",
    "abcdefghijklmnopqrstuvwxyz123456",
    "abcdefghijklmnopqrstuvwxyz0123456789",
];

/// Fewer different bytes than this aren't the work of a random generator (32 random hex digits have 9 or more, practically).
const MIN_DIFFERENT_BYTES: usize = 6;

/// Why a secret is refused, and what to do. Names the setting, never the secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakSecret {
    #[error("tokens.secrets: is empty: give at least one secret of 32 bytes or more, e.g. from `openssl rand -hex 32`")]
    Missing,
    #[error("{setting}: has fewer than 32 bytes: put in a random one, e.g. from `openssl rand -hex 32`")]
    Short { setting: String },
    #[error("{setting}: is a known example or easily guessed: put in a random one, e.g. from `openssl rand -hex 32`")]
    Guessable { setting: String },
}

impl WeakSecret {
    /// The path of the setting, as in `tokens.secrets[0]`.
    pub fn setting(&self) -> &str {
        match self {
            Self::Missing => "tokens.secrets",
            Self::Short { setting } | Self::Guessable { setting } => setting,
        }
    }
}

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

/// The secrets of this installation. The first signs, all verify: to rotate, put the new one in front and take the
/// last one away when the longest retention and ready time have passed.
pub struct Keyring {
    signing: Key,
    older: Vec<Key>,
    ids: Hmac<Sha256>,
    rules: Validation,
}

struct Key {
    id: String,
    decoding: DecodingKey,
    /// The first part of every token that this key signs.
    header: String,
    /// Keyed already: a copy of it saves the two blocks that the key takes.
    mac: Hmac<Sha256>,
}

impl Keyring {
    /// Makes the ring. `id_secret` names visitors and must never change; absent, the oldest (last) of `secrets` does so.
    ///
    /// # Errors
    /// No secret, one below [`MIN_SECRET_BYTES`], or one that anybody would try first.
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
            signing: Key::new(first).ok_or(WeakSecret::Missing)?,
            older: older.iter().map(|secret| Key::new(secret)).collect::<Option<_>>().ok_or(WeakSecret::Missing)?,
            ids: keyed_hash(id_secret.unwrap_or(oldest)).ok_or(WeakSecret::Missing)?,
            rules: rules(),
        })
    }

    /// Signs with the first secret.
    pub fn sign(&self, claims: &Claims) -> String {
        self.signing.sign(claims)
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
        let claims = match self.all().find(|key| key.wrote(token)) {
            Some(key) => key.read(token),
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
        self.keys_of(header.kid.as_deref())
            .find_map(|key| decode::<Claims>(token, &key.decoding, &self.rules).ok())
            .map(|token| token.claims)
    }

    /// The keys that may have signed a token: the one it names, or all where it names none.
    fn keys_of(&self, id: Option<&str>) -> impl Iterator<Item = &Key> {
        self.all().filter(move |key| id.is_none_or(|id| id == key.id))
    }

    fn all(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.signing).chain(&self.older)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&str> = self.all().map(|key| key.id.as_str()).collect();
        f.debug_struct("Keyring").field("kids", &ids).finish_non_exhaustive()
    }
}

impl Key {
    /// HMAC takes keys of every length, so this is always `Some`.
    fn new(secret: &str) -> Option<Self> {
        let id = key_id(secret);
        let mut header = Header::new(ALGORITHM);
        header.kid = Some(id.clone());
        let header = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).ok()?);
        let decoding = DecodingKey::from_secret(secret.as_bytes());
        Some(Self { id, decoding, header, mac: keyed_hash(secret)? })
    }

    fn sign(&self, claims: &Claims) -> String {
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

    /// Whether a token has the very header that this key's tokens have. That says nothing of its signature, but saves
    /// reading the header.
    fn wrote(&self, token: &str) -> bool {
        token.strip_prefix(self.header.as_str()).is_some_and(|rest| rest.starts_with('.'))
    }

    /// What such a token says, if this key signed it.
    fn read(&self, token: &str) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (_, claims) = signed.split_once('.')?;
        let mut mac = self.mac.clone();
        mac.update(signed.as_bytes());
        mac.verify_slice(&URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    }
}

/// The name of a secret in `kid`: the first 8 bytes of its SHA-256, hex. Every instance finds the same one.
fn key_id(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// What the library checks: the signature and the algorithm. Time, issuer and room are checked here, against the store's clock.
fn rules() -> Validation {
    let mut rules = Validation::new(ALGORITHM);
    rules.required_spec_claims.clear();
    rules.validate_exp = false;
    rules.validate_nbf = false;
    rules.validate_aud = false;
    rules
}

/// Whether the header is one that we could have written: our algorithm, no key of its own, no demands. A field that must be
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
    header.alg == ALGORITHM && is_jwt && !brings_a_key && !demands
}

fn check_strength(secret: &str, setting: impl Fn() -> String) -> Result<(), WeakSecret> {
    if is_sample(secret) {
        return Err(WeakSecret::Guessable { setting: setting() });
    }
    if secret.len() < MIN_SECRET_BYTES {
        return Err(WeakSecret::Short { setting: setting() });
    }
    let different: std::collections::BTreeSet<u8> = secret.bytes().collect();
    if different.len() < MIN_DIFFERENT_BYTES {
        return Err(WeakSecret::Guessable { setting: setting() });
    }
    Ok(())
}

/// Whether a secret is a sample word, or one repeated (the last time maybe in part), whatever its case and punctuation.
fn is_sample(secret: &str) -> bool {
    let plain: String = secret.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let repeats =
        |word: &str| plain.len() >= word.len() && plain.chars().zip(word.chars().cycle()).all(|(a, b)| a == b);
    SAMPLES.iter().any(|word| repeats(word))
}

/// HMAC takes keys of every length, so this is always `Some`.
fn keyed_hash(secret: &str) -> Option<Hmac<Sha256>> {
    Hmac::new_from_slice(secret.as_bytes()).ok()
}

fn first_bytes<const N: usize>(digest: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.iter_mut().zip(digest).for_each(|(to, from)| *to = *from);
    bytes
}
