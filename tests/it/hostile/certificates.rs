//! TLS: certificates that change while the gate runs, a certificate for each host, and nothing older than TLS 1.2.

use crate::support::gatekeeper::{Gatekeeper, Setup};
use crate::support::origin::Origin;
use crate::support::ports::free_port;
use crate::support::{SOON, eventually};
use pingora::tls::ssl::{SslConnector, SslMethod, SslStream, SslVerifyMode, SslVersion};
use pingora::tls::x509::X509;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A certificate and its key, for these names: PEM files of this name.
fn pair(folder: &Path, name: &str, hosts: &[&str]) -> X509 {
    let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    let made = rcgen::generate_simple_self_signed(hosts).unwrap();
    fs::write(folder.join(format!("{name}.crt")), made.cert.pem()).unwrap();
    fs::write(folder.join(format!("{name}.key")), made.signing_key.serialize_pem()).unwrap();
    certificate(folder, name)
}

fn certificate(folder: &Path, name: &str) -> X509 {
    X509::from_pem(&fs::read(folder.join(format!("{name}.crt"))).unwrap()).unwrap()
}

fn files(folder: &Path, name: &str) -> String {
    format!("cert = {:?}, key = {:?}", folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")))
}

/// A gate with a TLS listener beside its plain one.
struct House {
    gate: Gatekeeper,
    _origin: Origin,
    tls: SocketAddr,
    folder: TempDir,
}

async fn house(certificates: &str, prepare: impl FnOnce(&Path)) -> House {
    let (folder, origin) = (TempDir::new().unwrap(), Origin::start().await);
    prepare(folder.path());
    let tls = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let certificates = certificates.replace("FOLDER", &folder.path().display().to_string());
    let setup = Setup {
        listener: "api = true".into(),
        more: format!(
            "[[server.listeners]]\naddr = \"{tls}\"\ntls = {{ {} }}\n{certificates}",
            files(folder.path(), "general")
        ),
        ..Setup::before(origin.addr())
    };
    let gate = Gatekeeper::start(setup).await;
    House { gate, _origin: origin, tls, folder }
}

type Connection = SslStream<TcpStream>;

/// A handshake for this host; the error is what the library says.
fn connect(address: SocketAddr, host: Option<&str>, version: Option<SslVersion>) -> Result<Connection, String> {
    let mut client = SslConnector::builder(SslMethod::tls()).unwrap();
    client.set_verify(SslVerifyMode::NONE);
    client.set_cipher_list("ALL:@SECLEVEL=0").unwrap();
    client.set_min_proto_version(version.or(Some(SslVersion::TLS1_2))).unwrap();
    client.set_max_proto_version(version).unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let settings =
        client.build().configure().unwrap().verify_hostname(false).use_server_name_indication(host.is_some());
    settings.connect(host.unwrap_or("unnamed"), stream).map_err(|error| error.to_string())
}

/// In a thread that may block: the certificate that is shown for a host.
async fn shown(address: SocketAddr, host: Option<&'static str>) -> X509 {
    let connect = move || connect(address, host, None).unwrap().ssl().peer_certificate().unwrap();
    tokio::task::spawn_blocking(connect).await.unwrap()
}

fn same(a: &X509, b: &X509) -> bool {
    a.to_der().unwrap() == b.to_der().unwrap()
}

/// A request on an open connection.
fn ask(connection: &mut Connection) -> String {
    connection.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut bytes = [0; 4096];
    let length = connection.read(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

#[tokio::test]
async fn a_certificate_is_renewed_without_a_restart() {
    let house = house("", |folder| drop(pair(folder, "general", &["shop.test"]))).await;
    let old = certificate(house.folder.path(), "general");
    assert!(same(&shown(house.tls, None).await, &old));
    let tls = house.tls;
    let mut open = tokio::task::spawn_blocking(move || connect(tls, None, None).unwrap()).await.unwrap();
    let new = pair(house.folder.path(), "general", &["shop.test"]);
    eventually(SOON, async || same(&shown(house.tls, None).await, &new).then_some(())).await;
    assert!(!same(&old, &new));
    let answer = tokio::task::spawn_blocking(move || ask(&mut open)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "a connection that was open stays so: {answer}");
}

#[tokio::test]
async fn a_pair_that_is_half_written_keeps_the_old_one_and_is_said_once() {
    let house = house("", |folder| drop(pair(folder, "general", &["shop.test"]))).await;
    let old = certificate(house.folder.path(), "general");
    let path = |name: &str| -> PathBuf { house.folder.path().join(name) };
    let refusals = || house.gate.logs().lines().filter(|line| line.contains("configuration not reloaded")).count();
    let new = pair(house.folder.path(), "next", &["shop.test"]);
    let next = fs::read(path("next.crt")).unwrap();
    // The certificate is there, its key is not yet; then half a certificate; then none.
    for (nth, bytes) in [next.as_slice(), &next[..next.len() / 2], b""].into_iter().enumerate() {
        fs::write(path("general.crt"), bytes).unwrap();
        eventually(SOON, async || (refusals() == nth + 1).then_some(())).await;
        assert!(same(&shown(house.tls, None).await, &old), "{nth}");
    }
    let logs = house.gate.logs();
    let said: Vec<&str> = logs.lines().filter(|line| line.contains("configuration not reloaded")).collect();
    assert!(said[0].contains("server.listeners[1].tls: ") && said[0].contains("is not the key of"), "{}", said[0]);
    assert!(said[1].contains("general.crt"), "{}", said[1]);
    fs::copy(path("next.crt"), path("general.crt")).unwrap();
    fs::copy(path("next.key"), path("general.key")).unwrap();
    eventually(SOON, async || same(&shown(house.tls, None).await, &new).then_some(())).await;
    let refused = house.gate.metrics().await.sum("gatekeeper_config_reloads_total", &[("result", "refused")]);
    assert!((3.0..=4.0).contains(&refused), "each change is told once: {refused}");
}

const BY_HOST: &str = "certificates = [{ hosts = [\"Other.test.\"], cert = \"FOLDER/other.crt\", key = \"FOLDER/other.key\" }, \
                       { hosts = [\"*.wild.test\"], cert = \"FOLDER/wild.crt\", key = \"FOLDER/wild.key\" }]";

#[tokio::test]
async fn each_host_has_its_certificate() {
    let house = house(BY_HOST, |folder| {
        for name in ["general", "other", "wild"] {
            pair(folder, name, &[&format!("{name}.test")]);
        }
    })
    .await;
    for (host, name) in [
        (None, "general"),
        (Some("unknown.test"), "general"),
        (Some("other.test"), "other"),
        (Some("OTHER.test"), "other"),
        (Some("x.other.test"), "general"),
        (Some("a.wild.test"), "wild"),
        (Some("a.b.wild.test"), "general"),
        (Some("wild.test"), "general"),
    ] {
        let expected = certificate(house.folder.path(), name);
        assert!(same(&shown(house.tls, host).await, &expected), "{host:?}");
    }
    let new = pair(house.folder.path(), "other", &["other.test"]);
    eventually(SOON, async || same(&shown(house.tls, Some("other.test")).await, &new).then_some(())).await;
    assert!(same(&shown(house.tls, None).await, &certificate(house.folder.path(), "general")));
}

#[tokio::test]
async fn nothing_older_than_tls_1_2_is_spoken() {
    let house = house("", |folder| drop(pair(folder, "general", &["shop.test"]))).await;
    let tls = house.tls;
    let tried = tokio::task::spawn_blocking(move || {
        let versions = [SslVersion::TLS1, SslVersion::TLS1_1, SslVersion::TLS1_2, SslVersion::TLS1_3];
        versions.map(|version| connect(tls, None, Some(version)).map(|stream| stream.ssl().version_str().to_owned()))
    })
    .await
    .unwrap();
    for old in &tried[..2] {
        // The gate says so itself; it isn't the client that refuses.
        assert!(old.as_ref().is_err_and(|error| error.contains("alert protocol version")), "{old:?}");
    }
    assert_eq!((tried[2].as_deref(), tried[3].as_deref()), (Ok("TLSv1.2"), Ok("TLSv1.3")));
}

#[tokio::test]
async fn a_pair_that_does_not_fit_is_no_start() {
    let folder = TempDir::new().unwrap();
    pair(folder.path(), "one", &["shop.test"]);
    pair(folder.path(), "two", &["shop.test"]);
    let tls =
        format!("tls = {{ cert = {:?}, key = {:?} }}", folder.path().join("one.crt"), folder.path().join("two.key"));
    let more = format!("[[server.listeners]]\naddr = \"127.0.0.1:{}\"\n{tls}", free_port());
    let setup = Setup { listener: "api = true".into(), more, ..Setup::before(([127, 0, 0, 1], 9).into()) };
    let (status, said) = Gatekeeper::fails(setup).await;
    assert_eq!(status.code(), Some(78), "{said}");
    assert!(said.contains("server.listeners[1].tls: ") && said.contains("is not the key of"), "{said}");
}
