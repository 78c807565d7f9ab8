//! One key: a shared secret (HS256), or a pair of which the public half may be shown to everybody (EdDSA, ES256).

use super::hashed::Hashed;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use sha2::{Digest, Sha256};

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// Why a signing key is refused, and what to do. Names the setting, never the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{setting}: is no private key in PEM (PKCS#8) for EdDSA (Ed25519) or ES256 (P-256): make one with `openssl genpkey \
     -algorithm ed25519`, or turn one of P-256 into that form with `openssl pkcs8 -topk8 -nocrypt`"
)]
pub struct BadSigningKey {
    /// The path of the setting, as in `tokens.signing_keys[0]`.
    pub setting: String,
}

/// A key and the one algorithm it is for.
pub(super) struct Key {
    /// What `kid` calls it.
    pub id: String,
    pub algorithm: Algorithm,
    pub encoding: EncodingKey,
    pub decoding: DecodingKey,
    pub rules: Validation,
    /// The half that backends check tokens with; a shared secret has none.
    pub public: Option<Jwk>,
    /// The short way, of a shared secret.
    pub hashed: Option<Hashed>,
}

impl Key {
    pub fn shared(secret: &str) -> Self {
        let id = key_id(secret);
        Self {
            hashed: Hashed::new(&header(&id, Algorithm::HS256), secret),
            id,
            algorithm: Algorithm::HS256,
            encoding: EncodingKey::from_secret(secret.as_bytes()),
            decoding: DecodingKey::from_secret(secret.as_bytes()),
            rules: rules(Algorithm::HS256),
            public: None,
        }
    }

    /// The pair of a private key in PEM; `None` where it is none of ours. Its name is its thumbprint (RFC 7638).
    pub fn pair(pem: &str) -> Option<Self> {
        let der = der_of(pem)?;
        let kinds =
            [(Algorithm::EdDSA, EncodingKey::from_ed_der(&der)), (Algorithm::ES256, EncodingKey::from_ec_der(&der))];
        let (algorithm, encoding, mut public) = kinds.into_iter().find_map(|(algorithm, encoding)| {
            let public = Jwk::from_encoding_key(&encoding, algorithm).ok()?;
            Some((algorithm, encoding, public))
        })?;
        let id = public.thumbprint(ThumbprintHash::SHA256).ok()?;
        let decoding = DecodingKey::from_jwk(&public).ok()?;
        public.common.key_id = Some(id.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        Some(Self { id, algorithm, encoding, decoding, rules: rules(algorithm), public: Some(public), hashed: None })
    }

    pub fn header(&self) -> Header {
        header(&self.id, self.algorithm)
    }

    /// Whether a token with this header can be of this key. The algorithm is the key's; the token has to agree.
    pub fn may_have_signed(&self, header: &Header) -> bool {
        header.alg == self.algorithm && header.kid.as_ref().is_none_or(|kid| *kid == self.id)
    }
}

fn header(id: &str, algorithm: Algorithm) -> Header {
    Header { kid: Some(id.to_owned()), ..Header::new(algorithm) }
}

/// The name of a secret in `kid`: the first 8 bytes of its SHA-256, hex. Every instance finds the same one.
fn key_id(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// What the library checks: the signature and the algorithm. Time, issuer and room are checked by the ring, against the
/// store's clock.
fn rules(algorithm: Algorithm) -> Validation {
    let mut rules = Validation::new(algorithm);
    rules.required_spec_claims.clear();
    rules.validate_exp = false;
    rules.validate_nbf = false;
    rules.validate_aud = false;
    rules
}

/// The first private key in a PEM text (RFC 7468).
fn der_of(pem: &str) -> Option<Vec<u8>> {
    let (_, after) = pem.split_once(BEGIN)?;
    let (body, _) = after.split_once(END)?;
    let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(body).ok()
}
