//! The certificates that listeners show: by the host that a client names (SNI), read again when the configuration is.
//!
//! Promises: what is shown always fits its key; a handshake reads no file; who replaces them replaces all or none, and
//! connections that are open keep theirs.

use super::StartError;
use crate::config::{Config, Listener, TlsFiles};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use pingora::listeners::TlsAccept;
use pingora::protocols::tls::TlsRef;
use pingora::tls::error::ErrorStack;
use pingora::tls::ext;
use pingora::tls::pkey::{PKey, Private};
use pingora::tls::ssl::NameType;
use pingora::tls::x509::X509;
use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// The certificates of all listeners, as they are now.
#[derive(Clone)]
pub struct Certificates(Arc<ArcSwap<HashMap<SocketAddr, Shelf>>>);

/// What was read and not put in place yet.
pub struct Prepared(HashMap<SocketAddr, Shelf>);

/// The certificates of one listener.
struct Shelf {
    general: Pair,
    /// By host; `*.` at the front stands for one label.
    by_host: HashMap<String, Arc<Pair>>,
}

/// A certificate, what leads from it to its authority, and its key.
struct Pair {
    leaf: X509,
    chain: Vec<X509>,
    key: PKey<Private>,
}

impl Certificates {
    /// Reads all that a configuration names.
    ///
    /// # Errors
    /// Every file that can't be read, and every pair that doesn't fit together.
    pub fn load(config: &Config) -> Result<Self, StartError> {
        prepare(config).map(|Prepared(shelves)| Self(Arc::new(ArcSwap::from_pointee(shelves))))
    }

    /// New connections get these.
    pub fn adopt(&self, Prepared(shelves): Prepared) {
        self.0.store(Arc::new(shelves));
    }

    /// Shows them to the clients of one listener.
    pub fn of(&self, listener: SocketAddr) -> Presenter {
        Presenter { certificates: self.clone(), listener }
    }
}

/// Reads all that a configuration names, without a change to what is shown.
///
/// # Errors
/// As [`Certificates::load`].
pub fn prepare(config: &Config) -> Result<Prepared, StartError> {
    let (mut shelves, mut errors) = (HashMap::new(), Vec::new());
    for (index, listener) in config.server.listeners.iter().enumerate() {
        let at = format!("server.listeners[{index}]");
        let mut failed =
            |path: String, error: String| errors.push(format!("{}{path}: {error}", config.place_of(&path)));
        let Some(files) = &listener.tls else { continue };
        let general = Pair::read(files).map_err(|error| failed(format!("{at}.tls"), error)).ok();
        let mut by_host = HashMap::new();
        for (nth, certificate) in listener.certificates.iter().enumerate() {
            match Pair::read(&certificate.files) {
                Ok(pair) => {
                    let pair = Arc::new(pair);
                    by_host.extend(certificate.hosts.iter().map(|host| (host.clone(), Arc::clone(&pair))));
                }
                Err(error) => failed(format!("{at}.certificates[{nth}]"), error),
            }
        }
        shelves.extend(general.map(|general| (listener.addr, Shelf { general, by_host })));
    }
    if errors.is_empty() { Ok(Prepared(shelves)) } else { Err(StartError::new(errors)) }
}

/// Every file that [`prepare`] reads.
pub fn files(config: &Config) -> Vec<PathBuf> {
    let of = |listener: &Listener| {
        let named = listener.certificates.iter().map(|certificate| &certificate.files);
        let all = listener.tls.iter().chain(named);
        all.flat_map(|files| [files.cert.clone(), files.key.clone()]).collect::<Vec<_>>()
    };
    config.server.listeners.iter().flat_map(of).collect()
}

impl Shelf {
    fn find(&self, host: Option<&str>) -> &Pair {
        let Some(host) = host.and_then(crate::config::normal_host) else { return &self.general };
        let wild = host.split_once('.').map(|(_, domain)| format!("*.{domain}"));
        let named = self.by_host.get(&host).or_else(|| self.by_host.get(&wild?));
        named.map_or(&self.general, Arc::as_ref)
    }
}

impl Pair {
    fn read(files: &TlsFiles) -> Result<Self, String> {
        let text = |path: &PathBuf| fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
        let (cert, key) = (text(&files.cert)?, text(&files.key)?);
        let certs = X509::stack_from_pem(&cert).unwrap_or_default();
        let mut certs = certs.into_iter();
        let leaf = certs.next().ok_or_else(|| format!("{}: holds no certificate in PEM", files.cert.display()))?;
        let key = PKey::private_key_from_pem_callback(&key, |_| Ok(0))
            .map_err(|_| format!("{}: holds no private key in PEM without a passphrase", files.key.display()))?;
        let fits = leaf.public_key().is_ok_and(|public| key.public_eq(&public));
        if !fits {
            let (cert, key) = (files.cert.display(), files.key.display());
            return Err(format!("{key} is not the key of the first certificate in {cert}"));
        }
        Ok(Self { leaf, chain: certs.collect(), key })
    }

    fn show(&self, ssl: &mut TlsRef) -> Result<(), ErrorStack> {
        ext::ssl_use_certificate(ssl, &self.leaf)?;
        ext::ssl_use_private_key(ssl, &self.key)?;
        self.chain.iter().try_for_each(|further| ext::ssl_add_chain_cert(ssl, further))
    }
}

/// Called by pingora within each handshake.
pub struct Presenter {
    certificates: Certificates,
    listener: SocketAddr,
}

#[async_trait]
impl TlsAccept for Presenter {
    async fn certificate_callback(&self, ssl: &mut TlsRef) {
        let shelves = self.certificates.0.load();
        let host = ssl.servername(NameType::HOST_NAME).map(str::to_owned);
        // Without a certificate the handshake fails, and the client hears so.
        let Some(pair) = shelves.get(&self.listener).map(|shelf| shelf.find(host.as_deref())) else { return };
        if pair.show(ssl).is_err() {
            tracing::error!(listener = %self.listener, "a certificate could not be shown");
        }
    }
}
