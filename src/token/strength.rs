//! What a secret must be made of, so that nobody guesses it.

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

/// Whether a secret will do; `setting` names it.
///
/// # Errors
/// Too short, or one that anybody would try first.
pub(super) fn check_strength(secret: &str, setting: impl Fn() -> String) -> Result<(), WeakSecret> {
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
