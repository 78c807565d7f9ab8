//! Chance: the only file that makes randomness. All of it comes from the operating system's generator or one seeded by it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// From 0 to 1: spreads polls.
pub fn fraction() -> f64 {
    rand::random()
}

/// A name that nobody can guess: 128 bits, 22 characters that are safe in tokens and headers. Names visitors who came
/// without one, and requests.
pub fn name() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>())
}

/// A secret of 256 bits, as text.
pub fn secret() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// The name of this process among its peers; never 0. Fits a double, since Redis's Lua has no other numbers.
pub fn instance() -> u64 {
    (rand::random::<u64>() >> 12) | 1
}
