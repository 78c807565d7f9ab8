//! Secrets: text that no log, error or debug print shows.

use std::fmt;
use std::path::PathBuf;

use super::file;
use super::report::{At, Report};
use super::store::StoreUrl;

/// The value that `.env.example` has for `JWT_SECRET`. It is public, so it is refused.
pub const SAMPLE_SECRET: &str = "change-me-change-me-change-me-change-me";

/// HS256 wants a key as long as its hash (RFC 7518, 3.2).
const SHORTEST: usize = 32;

/// A text to be kept from prying eyes. Has no `Display` and no `==`: whoever needs the text says so, and compares in
/// constant time.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What tokens are signed with, and visitors told apart by.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The first signs, all verify. Empty only with the memory store: whoever starts the program makes one, and keeps
    /// it in `state_dir` if there is one.
    pub secrets: Vec<Secret>,
    /// Files with private keys: where there are any, the first signs instead, and all verify beside the secrets.
    pub signing_keys: Vec<PathBuf>,
    /// Keys the visitor hash; never rotates. Absent: the last (oldest) of `secrets`.
    pub id_secret: Option<Secret>,
    /// From how many client addresses a turn may be used at a time; 0: any number.
    pub max_addresses_per_token: usize,
}

/// More addresses than this at a time are not told apart; a cap above it would be none.
const MOST_ADDRESSES: u64 = 16;

pub(super) fn tokens(written: &file::Tokens, url: &StoreUrl, has_state: bool, report: &mut Report<'_>) -> Tokens {
    let at = At::default().key("tokens");
    let list = at.key("secrets");
    let secrets = report.each(&list, &written.secrets, secret);
    for (index, text) in written.secrets.iter().enumerate() {
        if written.secrets.iter().take(index).any(|earlier| earlier == text) {
            report.error(&list.index(index), "is given twice");
        }
    }
    if written.secrets.is_empty() {
        without_secrets(url, has_state, &list, report);
    }
    let id_secret = written.id_secret.as_deref();
    let id_secret = id_secret.and_then(|text| report.take(&at.key("id_secret"), secret(text)));
    for (index, path) in written.signing_keys.iter().enumerate() {
        report.readable(&at.key("signing_keys").index(index), path);
    }
    let cap = at.key("max_addresses_per_token");
    let cap = report.range(&cap, written.max_addresses_per_token, 0..=MOST_ADDRESSES);
    Tokens {
        secrets,
        signing_keys: written.signing_keys.clone(),
        id_secret,
        max_addresses_per_token: usize::try_from(cap).unwrap_or_default(),
    }
}

fn secret(text: &str) -> Result<Secret, String> {
    if text == SAMPLE_SECRET {
        return Err("is the sample value, which everybody knows; make one with: openssl rand -base64 48".to_owned());
    }
    if text.len() < SHORTEST {
        return Err(format!("must be at least {SHORTEST} bytes; make one with: openssl rand -base64 48"));
    }
    Ok(Secret::new(text))
}

fn without_secrets(url: &StoreUrl, has_state: bool, at: &At, report: &mut Report<'_>) {
    if !matches!(url, StoreUrl::Memory) {
        let why = "every instance on the same Redis must sign with the same secret (JWT_SECRET)";
        report.error(at, format!("is missing: {why}"));
    } else if !has_state {
        report.warn(
            at,
            "none is given and there is no server.state_dir: one is made up, and places end with the process",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        assert_eq!(format!("{:?}", Some(Secret::new("hush"))), "Some(Secret(…))");
    }

    #[test]
    fn short_and_sample_secrets_are_refused() {
        assert!(secret(&"x".repeat(31)).is_err());
        assert!(secret(&"x".repeat(32)).is_ok());
        assert!(secret(SAMPLE_SECRET).unwrap_err().contains("sample"));
    }
}
