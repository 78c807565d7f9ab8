//! What the driver's errors mean for a caller: try again later, or don't.
//!
//! The text of an error names the failure and nothing else: neither addresses nor credentials, and of the server's own
//! words only those about scripts and keys.

use crate::store::StoreError;
use redis::{ErrorKind, RedisError};

/// The server's words for "not now". Servers before 7 pass them on from inside a script, in the middle of the text.
const NOT_NOW: [&str; 12] = [
    "LOADING",
    "BUSY",
    "OOM",
    "READONLY",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "MISCONF",
    "NOREPLICAS",
    "MOVED",
    "ASK",
    "UNBLOCKED",
];
const WRONG_CREDENTIALS: [&str; 3] = ["WRONGPASS", "NOAUTH", "NOPERM"];

/// What an error says about the connection it came over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// The script isn't there (any more).
    NoScript,
    /// This connection won't serve again: dropped, or it leads to a server that may not write.
    Lost,
    /// Nothing came back in time.
    Silent,
    /// It works; the answer was no.
    Alive,
}

/// Reads the sign.
pub fn sign(error: &RedisError) -> Sign {
    if error.kind() == ErrorKind::Server(redis::ServerErrorKind::NoScript) {
        return Sign::NoScript;
    }
    match word(error) {
        Some("READONLY" | "MASTERDOWN") => Sign::Lost,
        Some(_) => Sign::Alive,
        None if error.is_timeout() => Sign::Silent,
        None => Sign::Lost,
    }
}

/// Converts an error, once and for all.
pub fn store_error(error: &RedisError) -> StoreError {
    match word(error) {
        Some("MOVED") => StoreError::Refused("it is part of a cluster: use redis+cluster://".to_owned()),
        Some(word) if NOT_NOW.contains(&word) => StoreError::Unavailable(format!("the server says {word}")),
        Some(word) if WRONG_CREDENTIALS.contains(&word) => {
            StoreError::Refused(format!("user, password or permissions are wrong ({word})"))
        }
        Some(word) => StoreError::Refused(format!("{word} {}", error.detail().unwrap_or_default()).trim().to_owned()),
        None => no_answer(error),
    }
}

/// A failure that never came from the server.
fn no_answer(error: &RedisError) -> StoreError {
    match error.kind() {
        // How the driver reports that HELLO or AUTH was turned down.
        ErrorKind::AuthenticationFailed => StoreError::Refused("user, password or permissions are wrong".to_owned()),
        ErrorKind::MasterNameNotFoundBySentinel => {
            StoreError::Refused("the sentinels know no master of that name".to_owned())
        }
        ErrorKind::InvalidClientConfig => StoreError::Refused("the connection is configured wrongly".to_owned()),
        _ if error.is_timeout() => StoreError::Unavailable("no answer in time".to_owned()),
        _ if error.is_connection_refusal() => StoreError::Unavailable("connection refused".to_owned()),
        kind => StoreError::Unavailable(format!("connection lost ({kind:?})")),
    }
}

/// The word with which the server named the error; of a script's error the one inside.
fn word(error: &RedisError) -> Option<&str> {
    let code = error.code()?;
    let inside = error.detail().and_then(|detail| NOT_NOW.into_iter().find(|word| has_word(detail, word)));
    if code == "ERR" { Some(inside.unwrap_or(code)) } else { Some(code) }
}

/// Whether a script's error passes on that word: `… @user_script: 12: -READONLY You can't write …`.
fn has_word(detail: &str, word: &str) -> bool {
    detail.contains(&format!("-{word} "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error as a server would send it.
    fn said(code: &str, detail: &str) -> RedisError {
        redis::make_extension_error(code.to_owned(), Some(detail.to_owned()))
    }

    #[test]
    fn what_passes_is_unavailable_and_what_stays_is_refused() {
        for word in ["LOADING", "BUSY", "OOM", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "MISCONF"] {
            assert!(matches!(store_error(&said(word, "…")), StoreError::Unavailable(_)), "{word}");
        }
        for word in ["WRONGPASS", "NOAUTH", "NOPERM", "WRONGTYPE", "ERR"] {
            assert!(matches!(store_error(&said(word, "…")), StoreError::Refused(_)), "{word}");
        }
    }

    #[test]
    fn an_older_server_passes_the_word_on_from_inside_a_script() {
        let error = said("ERR", "Error running script (call to f_1): @user_script:9: -READONLY You can't write");
        assert_eq!(sign(&error), Sign::Lost);
        assert!(matches!(store_error(&error), StoreError::Unavailable(_)));
    }

    #[test]
    fn a_silent_server_is_not_taken_for_a_lost_one() {
        let timeout = RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
        let broken = RedisError::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert_eq!((sign(&timeout), sign(&broken)), (Sign::Silent, Sign::Lost));
        assert!(matches!(store_error(&broken), StoreError::Unavailable(_)));
    }
}
