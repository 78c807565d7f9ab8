//! The keys that sign tokens: from the configuration and the files it names, or made once and kept in `state_dir`.

use super::StartError;
use crate::config::Config;
use crate::token::{BadSigningKey, Keyring};
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The file in `state_dir` that holds the secret.
const FILE: &str = "secret";
/// A secret made for this process alone: kept over reloads.
static FOR_THIS_PROCESS: OnceLock<String> = OnceLock::new();

/// The ring of the configured keys and secrets; where there are no secrets, with one of our own (the embedded store only:
/// `config` sees to that).
pub fn keyring(config: &Config) -> Result<Keyring, StartError> {
    let mut secrets: Vec<String> = config.tokens.secrets.iter().map(|secret| secret.expose().to_owned()).collect();
    if secrets.is_empty() {
        secrets.push(match &config.server.state_dir {
            Some(directory) => kept(directory)?,
            None => FOR_THIS_PROCESS.get_or_init(crate::random::secret).clone(),
        });
    }
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    let id_secret = config.tokens.id_secret.as_ref().map(crate::config::Secret::expose);
    let ring = Keyring::new(&secrets, id_secret)
        .map_err(|error| StartError::one(format!("{}{error}", config.place_of(error.setting()))))?;
    with_pairs(ring, config)
}

/// Whether the configured keys will do; keeps none.
pub fn configured(config: &Config) -> Result<(), StartError> {
    if !config.tokens.secrets.is_empty() {
        return keyring(config).map(|_| ());
    }
    let any = Keyring::new(&[&crate::random::secret()], None).map_err(|error| StartError::one(error.to_string()))?;
    with_pairs(any, config).map(|_| ())
}

fn with_pairs(ring: Keyring, config: &Config) -> Result<Keyring, StartError> {
    let read = |(index, path): (usize, &PathBuf)| {
        let setting = format!("tokens.signing_keys[{index}]");
        let place = config.place_of(&setting);
        fs::read_to_string(path)
            .map_err(|error| StartError::one(format!("{place}{setting}: {}: {error}", path.display())))
    };
    let pems = config.tokens.signing_keys.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
    ring.signing_with(&pems)
        .map_err(|error: BadSigningKey| StartError::one(format!("{}{error}", config.place_of(&error.setting))))
}

/// Visitors are known in the store by a secret of its own, or else the last of `secrets`: one that is dropped without
/// being kept for this would make strangers of all who are in line.
pub fn refuse_other_identity(old: &Config, new: &Config) -> Result<(), StartError> {
    let of = |config: &Config| {
        let secret = config.tokens.id_secret.as_ref().or(config.tokens.secrets.last());
        secret.map(|secret| secret.expose().to_owned())
    };
    if of(old).is_none_or(|secret| of(new) == Some(secret)) {
        return Ok(());
    }
    let place = crate::config::differing(old, new, &["tokens."]).into_iter().next();
    let place = place.map(|(place, _)| place.to_string()).unwrap_or_default();
    Err(StartError::one(format!(
        "{place}tokens.id_secret: must stay what it was, or everybody in line becomes a stranger; where none was given it \
         was the last of `secrets`: give that one as id_secret before it leaves the list"
    )))
}

fn kept(directory: &Path) -> Result<String, StartError> {
    let path = directory.join(FILE);
    let failed = |error: std::io::Error| StartError::one(format!("server.state_dir: {}: {error}", path.display()));
    match fs::read_to_string(&path) {
        Ok(secret) => return Ok(secret.trim().to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    crate::store::memory::make_private(directory).map_err(failed)?;
    let secret = crate::random::secret();
    // Written aside and moved: a half-written secret would void every place after a crash.
    let aside = directory.join("secret.new");
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside).map_err(failed)?;
    file.write_all(secret.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&aside, &path).map_err(failed)?;
    Ok(secret)
}
