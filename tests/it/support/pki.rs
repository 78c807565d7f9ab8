//! A certificate authority of the test's own, and one server certificate from it.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The names and addresses for which the server certificate is good.
pub const NAMES: [&str; 4] = ["localhost", "127.0.0.1", "::1", "shop.test"];

/// PEM files in a directory that goes when this is dropped.
#[derive(Debug)]
pub struct TestCa {
    directory: TempDir,
}

impl TestCa {
    pub fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let authority = authority();
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = NAMES.map(str::to_owned).to_vec();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority.0).unwrap();
        let ca = Self { directory };
        fs::write(ca.root(), authority.1).unwrap();
        fs::write(ca.certificate(), certificate.pem()).unwrap();
        fs::write(ca.key(), key.serialize_pem()).unwrap();
        ca
    }

    /// The authority's certificate: what a client trusts.
    pub fn root(&self) -> PathBuf {
        self.path("root.pem")
    }

    /// The server's certificate.
    pub fn certificate(&self) -> PathBuf {
        self.path("server.pem")
    }

    /// The server's private key.
    pub fn key(&self) -> PathBuf {
        self.path("server.key")
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::join(self.directory.path(), name)
    }
}

fn authority() -> (Issuer<'static, KeyPair>, String) {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "the tests' authority"); // else leaf and root share one name
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    (Issuer::new(params, key), pem)
}
