//! Tokens: forged, stolen, replayed, from elsewhere. None opens anything, and none costs anybody a place.
//!
//! C7 for secrets is in `reload.rs`, C15 in `gating.rs`; C14 (time tells nothing of a key) holds by construction: keys are
//! compared by `subtle`, signatures by their libraries.

use crate::support::client::{Answer, Api, Browser, plain, send};
use crate::support::gatekeeper::{FULL_KEY, Gatekeeper, SECRET, Setup};
use crate::support::origin::Origin;
use crate::support::raw_origin::RawOrigin;
use crate::support::redis::Redis;
use crate::support::{SOON, eventually};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use futures_util::future::join_all;
use gatekeeper::queue::Time;
use gatekeeper::token::Keyring;
use hmac::{Hmac, Mac};
use http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

pub const COOKIE: &str = "gatekeeper_checkout";
/// One gets in an hour: who comes later waits for the whole test. Polls are not what is tried here.
pub const FULL: &str = "admission_limit = 1, admission_frequency = 3600, ip_status_polling_limit = 1000000, \
                        ip_enqueue_limit = 1000000";
const OTHER_ROOM: &str = "[[rooms]]\nname = \"other\"\nkeys = [{ key = \"other-key-1\", scope = \"full\" }]";

pub struct House {
    pub origin: Origin,
    pub gate: Gatekeeper,
    pub api: Api,
}

pub async fn house(change: impl FnOnce(Setup) -> Setup) -> House {
    let origin = Origin::start().await;
    let gate = Gatekeeper::start(change(Setup::before(origin.addr()).settings(FULL))).await;
    let api = Api::new(&gate.url(""), FULL_KEY);
    House { origin, gate, api }
}

/// A house that is full, the one visitor who is in, and the token that opens.
pub async fn full_house(change: impl FnOnce(Setup) -> Setup) -> (House, Browser, String) {
    let house = house(change).await;
    let first = house.browser();
    assert_eq!(first.open("/welcome").await.status, 200);
    let stranger = house.browser();
    eventually(SOON, async || (stranger.fetch(Method::GET, "/full").await.status == 503).then_some(())).await;
    house.origin.forget_hits();
    let token = first.cookie(COOKIE).unwrap();
    (house, first, token)
}

impl House {
    pub fn browser(&self) -> Browser {
        Browser::new(&self.gate.url(""))
    }

    /// The token, shown at a guarded path in each way there is.
    async fn show(&self, token: &str) -> Vec<Answer> {
        let client = plain().build().unwrap();
        let get = |path: &str| client.get(self.gate.url(path));
        let mut ways = vec![
            get("/shop").header("jwt", token),
            get("/shop").bearer_auth(token),
            get("/shop").header("cookie", format!("{COOKIE}={token}")),
        ];
        if token.len() < 8000 && token.bytes().all(|byte| byte.is_ascii_graphic()) {
            ways.push(get(&format!("/shop?jwt={token}")));
        }
        join_all(ways.into_iter().map(send)).await
    }

    /// It opens nothing, and no call of the API takes it.
    async fn refuses(&self, case: &str, token: &str) {
        for answer in self.show(token).await {
            assert_eq!(answer.status, 503, "{case}: {}", answer.url.path());
        }
        for answer in [self.api.verify(token).await, self.api.status(token).await, self.api.finish(token).await] {
            assert_eq!(answer.status, 401, "{case}: {}", answer.text());
            let code = answer.json()["code"].as_str().unwrap().to_owned();
            assert!(["invalid_token", "missing_token"].contains(&code.as_str()), "{case}: {code}");
            assert!(token.len() < 3 || !answer.text().contains(token), "{case}: the answer repeats it");
        }
    }

    /// Everything was refused, the one who is in still is, and nothing panicked.
    async fn end(self, first: &Browser) {
        assert_eq!(self.origin.hits().len(), 0, "{:?}", self.origin.hits());
        assert_eq!(first.open("/inside").await.status, 200, "the control: a good token opens");
        assert_eq!(self.gate.metrics().await.sum("gatekeeper_panics_total", &[]), 0.0);
        // How a part begins that is `{"alg"`, `{"typ"` or `{"iss"`; fewer letters stand in a request's id by chance.
        let log = self.gate.logs();
        assert!(["eyJhbGci", "eyJ0eXAi", "eyJpc3Mi"].iter().all(|begin| !log.contains(begin)), "the log holds a token");
    }
}

/// The payload of a token, unverified.
pub fn claims(token: &str) -> Value {
    serde_json::from_slice(&BASE64.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

fn header(token: &str) -> Value {
    serde_json::from_slice(&BASE64.decode(token.split('.').next().unwrap()).unwrap()).unwrap()
}

fn kid(secret: &str) -> String {
    Sha256::digest(secret)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hs256(secret: &[u8], message: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(message.as_bytes());
    BASE64.encode(mac.finalize().into_bytes())
}

/// A token made by hand, signed with HMAC-SHA256.
fn forge(secret: &[u8], header: &str, claims: &str) -> String {
    let message = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
    let signature = hs256(secret, &message);
    format!("{message}.{signature}")
}

fn good_header() -> String {
    format!(r#"{{"typ":"JWT","alg":"HS256","kid":"{}"}}"#, kid(SECRET))
}

/// The token with its claims changed, signed as the gate would.
fn changed(token: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut claims = claims(token);
    change(&mut claims);
    forge(SECRET.as_bytes(), &good_header(), &claims.to_string())
}

fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn c1_no_algorithm_is_no_signature() {
    let (house, first, token) = full_house(|setup| setup).await;
    let payload = token.split('.').nth(1).unwrap();
    let signature = token.split('.').nth(2).unwrap();
    for alg in ["none", "None", "NONE", "nOnE", "", " none", "none\u{0}"] {
        let header = BASE64.encode(json!({"typ": "JWT", "alg": alg}).to_string());
        for signature in ["", signature, "AA"] {
            house.refuses(alg, &format!("{header}.{payload}.{signature}")).await;
        }
        house.refuses(alg, &format!("{header}.{payload}")).await;
    }
    house.end(&first).await;
}

#[tokio::test]
async fn c2_the_algorithm_is_the_keys_and_not_the_tokens() {
    let (house, first, token) = full_house(|setup| setup).await;
    let payload = claims(&token).to_string();
    for alg in ["HS384", "HS512", "RS256", "RS512", "PS256", "ES256", "ES384", "EdDSA", "hs256", "HS256 "] {
        for kid in [format!(r#","kid":"{}""#, kid(SECRET)), String::new()] {
            let header = format!(r#"{{"typ":"JWT","alg":"{alg}"{kid}}}"#);
            house.refuses(alg, &forge(SECRET.as_bytes(), &header, &payload)).await;
        }
    }
    let message = |alg: &str| {
        let header = format!(r#"{{"typ":"JWT","alg":"{alg}","kid":"{}"}}"#, kid(SECRET));
        format!("{}.{}", BASE64.encode(header), BASE64.encode(&payload))
    };
    let mut mac = Hmac::<Sha384>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(message("HS384").as_bytes());
    house
        .refuses("a true HS384", &format!("{}.{}", message("HS384"), BASE64.encode(mac.finalize().into_bytes())))
        .await;
    let mut mac = Hmac::<Sha512>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(message("HS512").as_bytes());
    house
        .refuses("a true HS512", &format!("{}.{}", message("HS512"), BASE64.encode(mac.finalize().into_bytes())))
        .await;
    house.end(&first).await;
}

/// A private key of the test's own, as the documentation says to make one.
fn signing_key(path: &std::path::Path, algorithm: &[&str]) {
    let made = Command::new("openssl").arg("genpkey").args(algorithm).arg("-out").arg(path).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

const ED25519: &[&str] = &["-algorithm", "ed25519"];
const P256: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];

/// A full house that signs with a pair of keys: their folder (`key.pem`), the house, who is in, and the token that opens.
async fn full_house_signing(algorithm: &[&str]) -> (TempDir, House, Browser, String) {
    let keys = tempfile::tempdir().unwrap();
    let path = keys.path().join("key.pem");
    signing_key(&path, algorithm);
    let tokens = format!("signing_keys = [{path:?}]");
    let (house, first, token) = full_house(|setup| Setup { tokens, ..setup }).await;
    (keys, house, first, token)
}

#[tokio::test]
async fn c2_a_public_key_is_no_secret() {
    let (keys, house, first, token) = full_house_signing(ED25519).await;
    let path = keys.path().join("key.pem");
    assert_eq!(header(&token)["alg"], "EdDSA");
    let set = house.gate.get("/.gatekeeper/jwks.json").await.json();
    let (kid, x) = (set["keys"][0]["kid"].as_str().unwrap(), set["keys"][0]["x"].as_str().unwrap());
    let raw = BASE64.decode(x).unwrap();
    let public = Command::new("openssl").arg("pkey").arg("-in").arg(&path).arg("-pubout").output().unwrap().stdout;
    let payload = claims(&token).to_string();
    for secret in [x.as_bytes(), &raw, &public, public.trim_ascii_end(), set["keys"][0].to_string().as_bytes()] {
        for header in [format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#), r#"{"alg":"HS256"}"#.to_owned()] {
            house.refuses("the public key as a secret", &forge(secret, &header, &payload)).await;
        }
    }
    for alg in ["none", "ES256", "HS256"] {
        let head = BASE64.encode(format!(r#"{{"alg":"{alg}","kid":"{kid}"}}"#));
        house.refuses(alg, &format!("{head}.{}", token.split_once('.').unwrap().1)).await;
    }
    house.end(&first).await;
}

/// What a token says of keys is never followed: nothing is fetched, and no file is opened (a pipe without a writer would
/// hold the request for ever).
#[tokio::test]
async fn c3_a_token_brings_no_key_and_names_no_place_to_find_one() {
    let (house, first, token) = full_house(|setup| setup).await;
    let elsewhere = RawOrigin::start("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
    let pipe = house.gate.place().directory().join("key.pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let url = format!("http://{}/jwks.json", elsewhere.addr());
    let own = "a key that the forger has chosen, 32 bytes";
    let jwk = json!({"kty": "oct", "k": BASE64.encode(own), "kid": "mine", "alg": "HS256"});
    let path = pipe.display().to_string();
    let long = "k".repeat(2_500);
    let headers = [
        json!({"alg": "HS256", "kid": path}),
        json!({"alg": "HS256", "kid": format!("../../../../..{path}")}),
        json!({"alg": "HS256", "kid": format!("file://{path}")}),
        json!({"alg": "HS256", "kid": "/dev/null"}),
        json!({"alg": "HS256", "kid": "x' UNION SELECT 'AA"}),
        json!({"alg": "HS256", "kid": "| sleep 30"}),
        json!({"alg": "HS256", "kid": url}),
        json!({"alg": "HS256", "kid": "mine", "jwk": jwk}),
        json!({"alg": "HS256", "kid": "mine", "jku": url}),
        json!({"alg": "HS256", "kid": "mine", "x5u": url}),
        json!({"alg": "HS256", "kid": "mine", "x5c": ["MIIB"]}),
        json!({"alg": "HS256", "jwk": jwk}),
        json!({"alg": "HS256", "jku": url}),
        json!({"alg": "HS256", "kid": long}),
        json!({"alg": "HS256", "kid": kid(SECRET), "jku": url}),
        json!({"alg": "HS256", "crit": ["exp"]}),
    ];
    for header in headers {
        for secret in [own.as_bytes(), b"", b"\0", SECRET.as_bytes()] {
            house.refuses(&header.to_string(), &forge(secret, &header.to_string(), &claims(&token).to_string())).await;
        }
    }
    assert!(elsewhere.received().is_empty(), "a key was asked for");
    house.end(&first).await;
}

#[tokio::test]
async fn c4_what_was_tampered_with_is_refused() {
    let (house, first, token) = full_house(|setup| setup).await;
    let other = house.browser();
    assert_eq!(other.open("/shop").await.status, 503);
    let waiting = other.cookie(COOKIE).unwrap();
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let ([head, body, signature], [_, other_body, other_signature]) =
        (<[String; 3]>::try_from(parts(&token)).unwrap(), <[String; 3]>::try_from(parts(&waiting)).unwrap());
    let mut cases = vec![
        format!("{head}.{body}."),
        format!("{head}.{body}"),
        format!("{head}..{signature}"),
        format!(".{body}.{signature}"),
        format!("{head}.{body}.{other_signature}"),
        format!("{head}.{other_body}.{signature}"),
        format!("{head}.{body}.{signature}."),
        format!("{head}.{body}.{signature}.{signature}"),
        format!("{head}.{body}.{signature}="),
        format!("{head}.{body}.{signature}A"),
        format!("{head}.{body}.{}", signature.chars().rev().collect::<String>()),
        token[..token.len() / 2].to_owned(),
        token[..token.len() - 1].to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        "x".repeat(4097),
        "x".repeat(8192),
        format!("{head}.{}.{signature}", "A".repeat(8000)),
    ];
    // Claims that were changed need a new signature, and nobody has one.
    for (name, value) in [("rdy", json!(u64::MAX)), ("exp", json!(u64::MAX)), ("tkt", json!(1)), ("sub", json!("eve"))]
    {
        let mut better = claims(&waiting);
        better[name] = value;
        cases.push(format!("{head}.{}.{other_signature}", BASE64.encode(better.to_string())));
    }
    // Nor do claims of the wrong shape pass with a good one.
    let plain = claims(&token).to_string();
    for (from, to) in [
        (r#""exp":"#, r#""exp":1,"exp":"#),
        (r#""aud":"checkout""#, r#""aud":"other","aud":"checkout""#),
        (r#""aud":"checkout""#, r#""aud":["checkout"]"#),
        (r#""iss":"gatekeeper""#, r#""iss":"somebody""#),
    ] {
        let claims = plain.replacen(from, to, 1);
        assert_ne!(claims, plain);
        cases.push(forge(SECRET.as_bytes(), &good_header(), &claims));
    }
    for exp in [json!("1900000000"), json!(1.5), json!(-1), json!(1e99), Value::Null, json!(true)] {
        cases.push(changed(&token, |claims| claims["exp"] = exp));
    }
    for case in cases {
        house.refuses(&case.chars().take(200).collect::<String>(), &case).await;
    }
    let control = changed(&token, |claims| claims["x"] = json!(1));
    assert_eq!(house.api.verify(&control).await.status, 200, "the control: what is forged with the secret itself");
    house.end(&first).await;
}

#[tokio::test]
async fn c5_a_secret_that_anybody_guesses_is_no_start() {
    let sample = "change-me-change-me-change-me-change-me";
    assert!(fs::read_to_string(".env.example").unwrap().contains(sample), "the value that the sample shows");
    for (secret, says) in [
        ("secret", "32"),
        ("changeme", "32"),
        ("only-31-bytes-long-as-you-count", "32"),
        (sample, "sample"),
        ("your-256-bit-secret-your-256-bit-secret", "guessed"),
        ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "guessed"),
    ] {
        let setup = Setup { secrets: vec![secret.to_owned()], ..Setup::before(([127, 0, 0, 1], 9).into()) };
        let (status, said) = Gatekeeper::fails(setup).await;
        assert_eq!(status.code(), Some(78), "{secret}: {said}");
        assert!(said.contains("tokens.secrets[0]: ") && said.contains(says), "{secret}: {said}");
        assert!(!said.contains("listening") && (secret.len() < 10 || !said.contains(secret)), "{said}");
    }
}

#[tokio::test]
async fn c5_a_key_that_is_none_is_no_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    signing_key(&path("rsa.pem"), &["-algorithm", "RSA"]);
    signing_key(&path("p384.pem"), &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]);
    fs::write(path("empty.pem"), "").unwrap();
    for name in ["rsa.pem", "p384.pem", "empty.pem", "missing.pem"] {
        let tokens = format!("signing_keys = [{:?}]", path(name));
        let (status, said) = Gatekeeper::fails(Setup { tokens, ..Setup::before(([127, 0, 0, 1], 9).into()) }).await;
        assert_eq!(status.code(), Some(78), "{name}: {said}");
        assert!(said.contains("tokens.signing_keys[0]: "), "{name}: {said}");
    }
}

/// Where none is given the gate makes one: of full length, for its owner alone, another one on each machine.
#[tokio::test]
async fn c6_a_secret_of_the_gates_own_is_not_to_be_guessed() {
    let (house, first, token) = full_house(|setup| Setup { secrets: Vec::new(), ..setup }).await;
    let file = house.gate.place().state_dir().join("secret");
    let secret = fs::read_to_string(&file).unwrap();
    assert!(secret.trim().len() >= 43, "256 bits");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let (message, signature) = token.rsplit_once('.').unwrap();
    assert_eq!(hs256(secret.trim().as_bytes(), message), signature, "the control: that is what signs");
    let words =
        ["", "secret", "password", "changeme", "jwt", "key", "gatekeeper", "checkout", "test", "admin", "123456"];
    for word in words {
        for times in [1, 2, 4, 8] {
            assert_ne!(hs256(word.repeat(times).as_bytes(), message), signature, "{word}");
        }
    }
    let second = self::house(|setup| Setup { secrets: Vec::new(), ..setup }).await;
    assert_ne!(fs::read_to_string(second.gate.place().state_dir().join("secret")).unwrap(), secret);
    house.end(&first).await;
}

/// A pair takes over from the secret, another pair from that one; who is in stays in all the while, and what a backend
/// needs to check is published.
#[tokio::test]
async fn c7_pairs_of_keys_are_rotated_and_nobody_is_thrown_out() {
    let (mut house, first, by_secret) = full_house(|setup| setup).await;
    let path = |name: &str| house.gate.place().directory().join(name);
    signing_key(&path("one.pem"), ED25519);
    signing_key(&path("two.pem"), P256);
    let [one, two] = ["one.pem", "two.pem"].map(|name| format!("{:?}", path(name)));
    let setup = |house: &House, tokens: String| Setup { tokens, ..Setup::before(house.origin.addr()).settings(FULL) };
    let kids = async |house: &House| -> Vec<String> {
        let set = house.gate.get("/.gatekeeper/jwks.json").await;
        assert_eq!((set.status, set.header("content-type")), (200, Some("application/json")));
        set.json()["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    assert!(kids(&house).await.is_empty(), "a secret is not published");
    let newcomer = async |house: &House| {
        let visitor = house.browser();
        assert_eq!(visitor.open("/shop").await.status, 503);
        visitor.cookie(COOKIE).unwrap()
    };
    let mut old = vec![by_secret];
    for (keys, alg, published) in [
        (format!("[{one}]"), "EdDSA", 1),
        (format!("[{one}, {two}]"), "EdDSA", 2),
        (format!("[{two}, {one}]"), "ES256", 2),
    ] {
        house.gate.configure(setup(&house, format!("signing_keys = {keys}")));
        eventually(SOON, async || (kids(&house).await.len() == published).then_some(())).await;
        let token =
            eventually(SOON, async || Some(newcomer(&house).await).filter(|token| header(token)["alg"] == alg)).await;
        assert!(kids(&house).await.iter().any(|kid| header(&token)["kid"] == **kid), "its key is published");
        for token in old.iter().chain([&token]) {
            assert_eq!(house.api.verify(token).await.status, 200, "{}", header(token));
        }
        old.push(token);
        assert_eq!(first.open("/inside").await.status, 200);
    }
    // What is taken out of the list is out: the secret (it still tells visitors apart), and the first pair.
    let setup = Setup {
        secrets: vec!["another secret of the tests, 32 bytes or more".to_owned()],
        ..setup(&house, format!("signing_keys = [{two}]\nid_secret = {SECRET:?}"))
    };
    house.gate.configure(setup);
    eventually(SOON, async || (house.api.verify(&old[0]).await.status == 401).then_some(())).await;
    let checked: Vec<u16> = join_all(old.iter().map(async |token| house.api.verify(token).await.status)).await;
    assert_eq!(checked, [401, 401, 401, 200]);
}

/// As the documentation tells backends to do it: with the published key alone, and no call to the gate.
#[tokio::test]
async fn c7_a_backend_checks_a_token_without_a_call() {
    let (_keys, house, first, token) = full_house_signing(P256).await;
    assert_eq!(first.open("/inside").await.status, 200);
    let shown = house.origin.last().unwrap().header("jwt").unwrap().to_owned();
    assert_eq!(shown, token);
    let set: jsonwebtoken::jwk::JwkSet =
        serde_json::from_slice(&house.gate.get("/.gatekeeper/jwks.json").await.body).unwrap();
    let kid = header(&shown)["kid"].as_str().unwrap().to_owned();
    let key = jsonwebtoken::DecodingKey::from_jwk(set.find(&kid).unwrap()).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    rules.set_audience(&["checkout"]);
    rules.set_issuer(&["gatekeeper"]);
    let said = jsonwebtoken::decode::<Value>(&shown, &key, &rules).unwrap().claims;
    assert!(said["rdy"].as_u64().unwrap() > now_seconds());
    assert_eq!(house.origin.last().unwrap().header("x-gatekeeper-user"), said["sub"].as_str());
    let waiting = house.browser();
    waiting.open("/shop").await;
    let said = jsonwebtoken::decode::<Value>(waiting.cookie(COOKIE).unwrap(), &key, &rules).unwrap().claims;
    assert!(said.get("rdy").is_none(), "who waits has a genuine token too: `rdy` is what opens");
    // A site's own key set at the root is its own.
    assert_eq!(first.open("/jwks.json").await.text(), "origin: GET /jwks.json");
}

#[tokio::test]
async fn c8_a_token_is_good_for_its_room_and_its_state_alone() {
    let (house, first, token) = full_house(|setup| Setup { more: OTHER_ROOM.into(), ..setup }).await;
    let waiting = house.browser();
    assert_eq!(waiting.open("/shop").await.status, 503);
    for answer in house.show(&waiting.cookie(COOKIE).unwrap()).await {
        assert_eq!(answer.status, 503, "a waiting token opened the door");
    }
    // Ready in another room, by the same secret.
    let other = house.api.with_key("other-key-1");
    let jwt = other.enqueue("ann").await.json()["jwt"].as_str().unwrap().to_owned();
    let ready = eventually(SOON, async || {
        let status = other.status(&jwt).await.json();
        (status["ready"] == true).then(|| status["jwt_token"].as_str().unwrap().to_owned())
    })
    .await;
    for answer in house.show(&ready).await {
        assert_eq!(answer.status, 503, "a token of another room opened the door");
    }
    for answer in [house.api.verify(&ready).await, house.api.status(&ready).await, house.api.finish(&ready).await] {
        assert_eq!((answer.status, answer.json()["code"].as_str()), (403, Some("wrong_room")));
    }
    assert_eq!(other.verify(&ready).await.json()["ready"], true, "it is good where it belongs");
    // Another site's secret.
    house
        .refuses(
            "another installation's",
            &forge(b"the secret of another installation, yes", &good_header(), &claims(&token).to_string()),
        )
        .await;
    house.end(&first).await;
}

fn visitor_at(house: &House, address: &str, token: &str) -> Browser {
    let visitor = Browser::at(&house.gate.url(""), address.parse::<IpAddr>().unwrap());
    visitor.set_cookie(&format!("{COOKIE}={token}; Path=/"));
    visitor
}

#[tokio::test]
async fn c9_one_token_is_one_turn_whoever_uses_it() {
    let (house, _first, token) = full_house(|setup| setup).await;
    let all = (1..=50).map(|nth| visitor_at(&house, &format!("127.9.0.{nth}"), &token)).collect::<Vec<_>>();
    let statuses: Vec<u16> = join_all(all.iter().map(async |one| one.open("/inside").await.status)).await;
    assert!(statuses.iter().all(|status| *status == 200), "without a cap addresses are not told apart: {statuses:?}");
    assert_eq!(house.gate.metrics().await.value("gatekeeper_ready", &[("room", "checkout")]), Some(1.0));
}

#[tokio::test]
async fn c9_a_turn_that_is_handed_around_opens_to_as_many_addresses_as_may() {
    let (house, first, token) =
        full_house(|setup| Setup { tokens: "max_addresses_per_token = 2".into(), ..setup }).await;
    assert_eq!(first.open("/inside").await.status, 200);
    let (second, third) = (visitor_at(&house, "127.9.1.2", &token), visitor_at(&house, "127.9.1.3", &token));
    assert_eq!(second.open("/inside").await.status, 200, "the first is one, this is two");
    let page = third.open("/shop").await;
    assert_eq!((page.status, page.header("content-type")), (503, Some("text/html; charset=utf-8")));
    assert!(page.text().contains("in use from another network") && page.set_cookies().is_empty(), "{}", page.text());
    assert_eq!(third.cookie(COOKIE), Some(token.clone()), "it is not taken away");
    let script = third.fetch(Method::GET, "/data").await;
    assert_eq!((script.status, script.json()["ready"].as_bool()), (503, Some(false)));
    // The page that it got must not go in circles: its polls are told the same.
    let poll = third.fetch(Method::GET, "/.gatekeeper/queue/status").await;
    assert_eq!((poll.json()["ready"].as_bool(), poll.json()["state"].as_str()), (Some(false), Some("waiting")));
    for visitor in [&first, &second] {
        assert_eq!(visitor.open("/inside").await.status, 200, "who is in stays in");
    }
    // A backend that asks for its visitors does so from one address, and is no visitor.
    assert_eq!(house.api.verify(&token).await.json()["ready"], true);
    let counted = house.gate.metrics().await.sum("gatekeeper_requests_total", &[("reason", "shared")]);
    assert_eq!(counted, 2.0);
    assert!(!house.origin.hits().iter().any(|hit| ["/shop", "/data"].contains(&hit.path())));
}

/// Two instances on one Redis.
async fn two_gates(settings: &str) -> (Redis, Origin, [Gatekeeper; 2]) {
    let (redis, origin) = (Redis::start().await, Origin::start().await);
    let setup = Setup::before(origin.addr()).settings(settings).on_store(&redis.url());
    let gates = [Gatekeeper::start(setup.clone()).await, Gatekeeper::start(setup).await];
    (redis, origin, gates)
}

async fn ready(api: &Api, user: &str) -> String {
    let jwt = api.enqueue(user).await.json()["jwt"].as_str().unwrap().to_owned();
    eventually(SOON, async || {
        let status = api.status(&jwt).await.json();
        (status["ready"] == true).then(|| status["jwt_token"].as_str().unwrap().to_owned())
    })
    .await
}

const MANY: &str = "ip_status_polling_limit = 1000000, ip_enqueue_limit = 1000000, mode = 'auto'";

#[tokio::test]
async fn c10_a_finished_turn_is_over_on_every_instance_within_a_second() {
    let (_redis, origin, gates) = two_gates(MANY).await;
    let [here, there] = [&gates[0], &gates[1]].map(|gate| Api::new(&gate.url(""), FULL_KEY));
    let token = ready(&here, "ann").await;
    let opens = async |gate: &Gatekeeper| {
        send(plain().build().unwrap().get(gate.url("/shop")).header("jwt", &token)).await.status
    };
    assert_eq!((opens(&gates[0]).await, opens(&gates[1]).await), (200, 200));
    assert_eq!(here.set_config(json!({"mode": "pause"})).await.status, 200);
    eventually(SOON, async || (there.config().await.json()["updated_config"]["mode"] == "pause").then_some(())).await;
    assert_eq!(here.finish(&token).await.json()["status"], "ready_cleared");
    assert_eq!(opens(&gates[0]).await, 503, "at once where it was taken");
    eventually(Duration::from_secs(1), async || (opens(&gates[1]).await == 503).then_some(())).await;
    assert_eq!(there.verify(&token).await.json()["ready"], false);
    origin.forget_hits();
    for _ in 0..20 {
        assert_eq!((opens(&gates[0]).await, opens(&gates[1]).await), (503, 503));
    }
    assert!(origin.hits().is_empty());
}

#[tokio::test]
async fn c10_a_turn_that_ran_out_opens_nothing_and_age_is_no_way_around_it() {
    let (house, first, token) = full_house(|setup| setup).await;
    let past = changed(&token, |claims| {
        let now = now_seconds();
        claims["rdy"] = json!(now - 1);
    });
    for answer in house.show(&past).await {
        // The store knows better than a token that says less: the turn still runs, and is the visitor's.
        assert_eq!(answer.status, 200);
    }
    house.origin.forget_hits();
    let stranger = changed(&token, |claims| {
        let now = now_seconds();
        claims["sub"] = json!("nobody-the-store-knows");
        claims["tkt"] = json!((now - 1000) * 1_000_000);
        claims["adm"] = json!(now - 900);
        claims["rdy"] = json!(now - 300);
    });
    for answer in house.show(&stranger).await {
        assert_eq!(answer.status, 503, "past its time");
    }
    assert_eq!(house.api.verify(&stranger).await.json()["ready"], false);
    let old = changed(&token, |claims| claims["exp"] = json!(now_seconds() - 6));
    let leeway = changed(&token, |claims| claims["exp"] = json!(now_seconds() - 2));
    for (token, status) in [(&old, 401), (&leeway, 200)] {
        assert_eq!(house.api.verify(token).await.status, status, "five seconds of leeway and no more");
    }
    assert_eq!(house.api.finish(&old).await.json()["code"], "expired_token");
    house.end(&first).await;
}

/// An old token with a low number, kept from before its turn: it is no way to the front.
#[tokio::test]
async fn c11_a_ticket_whose_turn_is_over_is_no_way_to_the_front() {
    let house = house(|setup| setup.settings("admission_limit = 1, admission_frequency = 1")).await;
    let kept = house.api.enqueue("ann").await.json()["jwt"].as_str().unwrap().to_owned();
    let token = eventually(SOON, async || {
        let status = house.api.status(&kept).await.json();
        (status["ready"] == true).then(|| status["jwt_token"].as_str().unwrap().to_owned())
    })
    .await;
    assert_eq!(house.api.set_config(json!({"mode": "pause"})).await.status, 200);
    assert_eq!(house.api.finish(&token).await.json()["status"], "ready_cleared");
    let bob = house.api.enqueue("bob").await.json()["jwt"].as_str().unwrap().to_owned();
    eventually(SOON, async || (house.api.status(&bob).await.json()["position"] == 1).then_some(())).await;
    for old in [&kept, &token] {
        let status = house.api.status(old).await.json();
        assert_eq!((status["state"].as_str(), &status["position"]), (Some("unknown"), &Value::Null), "{status}");
        let visitor = house.browser();
        visitor.set_cookie(&format!("{COOKIE}={old}; Path=/"));
        assert_eq!(visitor.open("/shop").await.status, 503);
        let new = visitor.cookie(COOKIE).unwrap();
        assert!(claims(&new)["tkt"].as_u64() > claims(&bob)["tkt"].as_u64(), "a new place, behind those who wait");
    }
    assert_eq!(house.api.status(&bob).await.json()["position"], 1);
    assert!(house.origin.hits().is_empty());
}

#[tokio::test]
async fn c12_a_user_id_is_no_proof_and_gets_one_place() {
    let (_redis, _origin, gates) = two_gates(&format!("{FULL}, mode = 'pause'")).await;
    let apis = [&gates[0], &gates[1]].map(|gate| Api::new(&gate.url(""), FULL_KEY));
    let calls = (0..300).map(|nth| apis[nth % 2].enqueue("ann"));
    let answers = join_all(calls).await;
    let handed_out = answers.iter().filter(|answer| answer.json()["jwt"] != "").count();
    assert_eq!(handed_out, 1, "a token is handed out once, to who came first");
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.json()["position"] == 1));
    assert_eq!(apis[0].enqueue("bob").await.json()["position"], 2);
}

#[tokio::test]
async fn c13_a_turn_is_spent_once() {
    let (_redis, _origin, gates) = two_gates(MANY).await;
    let apis = [&gates[0], &gates[1]].map(|gate| Api::new(&gate.url(""), FULL_KEY));
    let (token, other) = (ready(&apis[0], "ann").await, ready(&apis[0], "bob").await);
    let are_ready = async || gates[0].metrics().await.value("gatekeeper_ready", &[("room", "checkout")]);
    eventually(SOON, async || (are_ready().await == Some(2.0)).then_some(())).await;
    let answers = join_all((0..200).map(|nth| apis[nth % 2].finish(&token))).await;
    let count = |status: &str| answers.iter().filter(|answer| answer.json()["status"] == status).count();
    assert_eq!((count("ready_cleared"), count("not_ready")), (1, 199));
    eventually(SOON, async || (are_ready().await == Some(1.0)).then_some(())).await;
    assert_eq!(apis[1].verify(&other).await.json()["ready"], true, "nobody else's turn");
}

/// What the gate signs, the library's own reader reads: the two can't drift apart unseen.
#[tokio::test]
async fn c8_a_token_of_the_running_gate_is_what_the_ring_reads() {
    let (house, first, token) = full_house(|setup| setup).await;
    let ring = Keyring::new(&[SECRET], None).unwrap();
    let now = Time(now_seconds() * 1000);
    assert!(ring.verify(&token, "checkout", now).unwrap().claims.is_ready(now));
    assert!(ring.verify(&token, "other", now).is_err());
    house.end(&first).await;
}
