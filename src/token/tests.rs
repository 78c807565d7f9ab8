//! What a keyring takes and what it doesn't.

use super::*;
use crate::queue::{Ticket, Time};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use hmac::{Hmac, Mac};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

const OLD: &str = "old-2Wd8vBq0ZrXn6LhYc4TfKj1GmPsEa9";
const NEW: &str = "new-7Ru3xNw5QbVk8JdMz2CgHy6FtSpLo1";
const IDS: &str = "ids-5Yt1oMc9UeXa4RkBn7WjDq3VhGzLs8";
const NOW: Time = Time(1_700_000_000_000);
const CLAIMS: &str =
    r#"{"iss":"gatekeeper","aud":"shop","sub":"ann","iat":1700000000,"exp":1700000300,"tkt":1700000000000000,"hb":0}"#;

fn ring() -> Keyring {
    Keyring::new(&[NEW, OLD], None).unwrap()
}

fn claims() -> Claims {
    Claims::waiting("shop", "ann", Ticket(1_700_000_000_000_000), NOW, 300)
}

fn kid(secret: &str) -> String {
    Sha256::digest(secret)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A token made by hand: whatever header and claims, signed with HMAC-SHA256.
fn forge(secret: &str, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    format!("{message}.{}", BASE64.encode(mac.finalize().into_bytes()))
}

fn with_claims(claims: &str) -> String {
    forge(NEW, r#"{"alg":"HS256","typ":"JWT"}"#, claims)
}

/// The same under the very header that our tokens have, which is read another way.
fn as_ours(claims: &str) -> String {
    forge(NEW, &format!(r#"{{"typ":"JWT","alg":"HS256","kid":"{}"}}"#, kid(NEW)), claims)
}

fn with_header(header: &str) -> String {
    forge(NEW, header, CLAIMS)
}

#[track_caller]
fn refuse(case: &str, token: &str) {
    assert_eq!(ring().verify(token, "shop", NOW), Err(TokenError::Invalid), "{case}");
}

#[test]
fn what_was_signed_comes_back() {
    let claims =
        claims().with_heartbeat(Time(1_700_000_001_999)).with_turn(Time(1_700_000_002_500), NOW.plus_seconds(600));
    let verified = ring().verify(&ring().sign(&claims), "shop", NOW).unwrap();
    assert_eq!(verified, Verified { claims, expired: false });
    let claims = verified.claims;
    assert_eq!(claims.ticket(), Ticket(1_700_000_000_000_000));
    assert_eq!(claims.heartbeat(), Some(Time(1_700_000_001_000)));
    assert_eq!(claims.turn_taken(), Some(Time(1_700_000_002_000)));
    assert_eq!(claims.ready_until(), Some(NOW.plus_seconds(600)));
}

#[test]
fn the_wire_form_is_the_documented_one() {
    let token = ring().sign(&claims());
    let parts: Vec<String> =
        token.split('.').take(2).map(|part| String::from_utf8(BASE64.decode(part).unwrap()).unwrap()).collect();
    assert_eq!(parts[0], format!(r#"{{"typ":"JWT","alg":"HS256","kid":"{}"}}"#, kid(NEW)));
    assert_eq!(parts[1], CLAIMS);
    assert_eq!(token, forge(NEW, &parts[0], CLAIMS), "HMAC-SHA256 of the two parts");
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(kid(NEW));
    let by_the_library = encode(&header, &claims(), &EncodingKey::from_secret(NEW.as_bytes())).unwrap();
    assert_eq!(token, by_the_library);
}

#[test]
fn a_waiting_token_is_not_ready_and_a_ready_one_ends() {
    assert!(!claims().is_ready(NOW));
    let ready = claims().with_turn(NOW, NOW.plus_ms(10_900));
    assert!(ready.is_ready(NOW.plus_ms(9_999)));
    assert!(!ready.is_ready(NOW.plus_seconds(10)), "rounded down");
}

#[test]
fn renewing_keeps_the_place() {
    let old = claims().with_heartbeat(NOW);
    let new = old.clone().renewed(NOW.plus_seconds(1000), 60);
    assert_eq!((new.issued(), new.expires()), (NOW.plus_seconds(1000), NOW.plus_seconds(1060)));
    assert_eq!(new.renewed(NOW, 300), old);
}

#[test]
fn age_is_a_fact_and_not_an_error() {
    let token = ring().sign(&claims());
    let expired = |at: Time| ring().verify(&token, "shop", at).unwrap().expired;
    assert!(!expired(NOW.plus_ms(304_999)));
    assert!(expired(NOW.plus_ms(305_000)));
    assert!(!expired(NOW.minus_seconds(86_400)), "a clock that went back expires nothing");
    let forever = with_claims(&CLAIMS.replace("1700000300", "18446744073709551615"));
    assert!(!ring().verify(&forever, "shop", NOW).unwrap().expired);
}

#[test]
fn another_room_is_told_apart_only_for_genuine_tokens() {
    let token = ring().sign(&claims());
    assert_eq!(ring().verify(&token, "tickets", NOW), Err(TokenError::WrongRoom));
    assert_eq!(ring().verify(&token, "Shop", NOW), Err(TokenError::WrongRoom));
    assert_eq!(ring().verify(&token, "", NOW), Err(TokenError::WrongRoom));
    let foreign = Keyring::new(&[IDS], None).unwrap().sign(&claims());
    assert_eq!(ring().verify(&foreign, "tickets", NOW), Err(TokenError::Invalid));
}

#[test]
fn rotation_loses_nobody() {
    let before = Keyring::new(&[OLD], None).unwrap();
    let old = before.sign(&claims());
    assert!(ring().verify(&old, "shop", NOW).is_ok(), "the older secret verifies");
    let new = ring().sign(&claims());
    assert!(before.verify(&new, "shop", NOW).is_err(), "the first one signs");
    assert_eq!(before.visitor("shop", "ann"), ring().visitor("shop", "ann"), "the oldest one names");
    let after = Keyring::new(&[NEW], Some(OLD)).unwrap();
    assert!(after.verify(&new, "shop", NOW).is_ok());
    assert_eq!(after.verify(&old, "shop", NOW), Err(TokenError::Invalid));
    assert_eq!(after.visitor("shop", "ann"), before.visitor("shop", "ann"));
}

#[test]
fn a_token_without_kid_is_tried_against_every_key_and_one_with_kid_only_against_its_own() {
    for secret in [NEW, OLD] {
        assert!(ring().verify(&forge(secret, r#"{"alg":"HS256"}"#, CLAIMS), "shop", NOW).is_ok());
    }
    let named = |secret, named| forge(secret, &format!(r#"{{"alg":"HS256","kid":"{}"}}"#, kid(named)), CLAIMS);
    assert!(ring().verify(&named(OLD, OLD), "shop", NOW).is_ok());
    refuse("kid of the other key", &named(OLD, NEW));
    refuse("kid of a key that we don't have", &named(NEW, IDS));
}

#[test]
fn headers_that_are_not_ours_are_refused() {
    let long = format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "k".repeat(2_000));
    let cases = [
        r#"{"alg":"none"}"#,
        r#"{"alg":"None"}"#,
        r#"{"alg":"NONE"}"#,
        r#"{"alg":"nOnE"}"#,
        r#"{"alg":""}"#,
        r#"{"alg":null}"#,
        r#"{"alg":["HS256"]}"#,
        r#"{"alg":"hs256"}"#,
        r#"{"alg":"HS384"}"#,
        r#"{"alg":"HS512"}"#,
        r#"{"alg":"RS256"}"#,
        r#"{"alg":"ES256"}"#,
        r#"{"alg":"PS256"}"#,
        r#"{"alg":"EdDSA"}"#,
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","alg":"none"}"#,
        r#"{"typ":"JWT"}"#,
        r#"{"alg":"HS256","typ":"JWE"}"#,
        r#"{"alg":"HS256","kid":""}"#,
        r#"{"alg":"HS256","kid":7}"#,
        r#"{"alg":"HS256","kid":"../../dev/null"}"#,
        r#"{"alg":"HS256","kid":"x' UNION SELECT 'y"}"#,
        r#"{"alg":"HS256","kid":"http://127.0.0.1/key"}"#,
        r#"{"alg":"HS256","jku":"http://127.0.0.1/keys"}"#,
        r#"{"alg":"HS256","x5u":"http://127.0.0.1/cert"}"#,
        r#"{"alg":"HS256","x5c":["MIIB"]}"#,
        r#"{"alg":"HS256","x5t":"AA"}"#,
        r#"{"alg":"HS256","x5t#S256":"AA"}"#,
        r#"{"alg":"HS256","jwk":{"kty":"oct","k":"AA"}}"#,
        r#"{"alg":"HS256","crit":["exp"]}"#,
        r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
        r#"{"alg":"HS256","zip":"DEF"}"#,
        r#"{"alg":"HS256","cty":"JWT"}"#,
        "[]",
        "",
        &long,
    ];
    for header in cases {
        refuse(header, &with_header(header));
    }
    assert!(ring().verify(&with_header(r#"{"alg":"HS256","typ":"jwt","x":1}"#), "shop", NOW).is_ok(), "the control");
}

#[test]
fn the_right_secret_under_another_algorithm_is_refused() {
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        let token = encode(&Header::new(algorithm), &claims(), &EncodingKey::from_secret(NEW.as_bytes())).unwrap();
        refuse(&format!("{algorithm:?}"), &token);
    }
}

#[test]
fn claims_of_the_wrong_shape_are_refused() {
    let exp = |value: &str| CLAIMS.replace("1700000300", value);
    let tkt = |value: &str| CLAIMS.replace("1700000000000000", value);
    let without = |part: &str| CLAIMS.replace(part, "");
    let cases = [
        exp(r#""1700000300""#),
        exp("1700000300.0"),
        exp("1700000300.5"),
        exp("-1"),
        exp("1e99"),
        exp("17e8"),
        exp("NaN"),
        exp("null"),
        exp("true"),
        exp("18446744073709551616"),
        tkt("-5"),
        tkt(r#""5""#),
        tkt("5.0"),
        tkt("null"),
        CLAIMS.replace(r#""hb":0"#, r#""hb":-1"#),
        CLAIMS.replace(r#""hb":0"#, r#""hb":"0""#),
        CLAIMS.replace(r#""hb":0"#, r#""rdy":"1700000300""#),
        CLAIMS.replace(r#""hb":0"#, r#""rdy":1e99"#),
        CLAIMS.replace(r#""hb":0"#, r#""adm":-1"#),
        CLAIMS.replace(r#""hb":0"#, r#""exp":1900000000"#),
        CLAIMS.replace(r#""hb":0"#, r#""aud":"tickets""#),
        CLAIMS.replace(r#""hb":0"#, r#""tkt":1"#),
        CLAIMS.replace(r#""hb":0"#, r#""rdy":1,"rdy":1900000000"#),
        CLAIMS.replace(r#""iss":"gatekeeper","#, r#""iss":"Gatekeeper","#),
        CLAIMS.replace(r#""iss":"gatekeeper","#, r#""iss":["gatekeeper"],"#),
        CLAIMS.replace(r#""aud":"shop""#, r#""aud":["shop"]"#),
        CLAIMS.replace(r#""aud":"shop""#, r#""aud":null"#),
        CLAIMS.replace(r#""sub":"ann""#, r#""sub":1"#),
        without(r#""iss":"gatekeeper","#),
        without(r#""aud":"shop","#),
        without(r#""sub":"ann","#),
        without(r#""exp":1700000300,"#),
        without(r#""tkt":1700000000000000,"#),
        format!("{CLAIMS}{CLAIMS}"),
        format!("[{CLAIMS}]"),
        "{}".to_owned(),
        "null".to_owned(),
        String::new(),
        CLAIMS.replace("ann", "\u{fffd}").replace('\u{fffd}', "\\ud800"),
    ];
    for claims in cases {
        assert_ne!(claims, CLAIMS, "a case that changes nothing");
        refuse(&claims, &with_claims(&claims));
        refuse(&claims, &as_ours(&claims));
    }
    let lenient = without(r#""iat":1700000000,"#).replace(r#""hb":0"#, r#""later":[1]"#);
    for form in [with_claims, as_ours] {
        assert!(ring().verify(&form(CLAIMS), "shop", NOW).is_ok(), "the control");
        let verified = ring().verify(&form(&lenient), "shop", NOW);
        assert!(verified.is_ok(), "iat and hb have defaults, the unknown is passed over");
    }
}

#[test]
fn tokens_that_were_tampered_with_are_refused() {
    let token = ring().sign(&claims());
    let other = ring().sign(&claims().with_turn(NOW, NOW.plus_seconds(600)));
    let [header, body, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let [_, better, other_signature] = other.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let last = signature.chars().last().unwrap();
    let same_bits = if last.is_ascii_digit() { '9' } else { 'Z' };
    let cases = [
        format!("{header}.{better}.{signature}"),
        format!("{header}.{body}.{other_signature}"),
        format!("{header}.{body}."),
        format!("{header}.{body}"),
        format!("{header}..{signature}"),
        format!(".{body}.{signature}"),
        format!("{header}.{body}.{signature}."),
        format!(".{header}.{body}.{signature}"),
        format!("{header}.{body}.{signature}.{signature}"),
        format!("{header}.{body}.{signature}="),
        format!("{header}.{body}.{signature}A"),
        format!(" {token}"),
        format!("{token} "),
        format!("{token}\n"),
        format!("Bearer {token}"),
        format!("{header}.{body}.{}{same_bits}{same_bits}", &signature[..signature.len() - 2]),
        token.to_uppercase(),
        "..".to_owned(),
        ".".to_owned(),
        String::new(),
        "ünïcode.ünïcode.ünïcode".to_owned(),
        "\0".to_owned(),
    ];
    for case in cases {
        refuse(&case, &case);
    }
}

#[test]
fn a_long_token_is_not_looked_at() {
    let padded = |length: usize| {
        let build = |fill: usize| with_claims(&CLAIMS.replace(r#""hb":0"#, &format!(r#""x":"{}""#, "x".repeat(fill))));
        (0..length).map(build).find(|token| token.len() >= length).unwrap()
    };
    let just_fits = padded(MAX_TOKEN_BYTES - 2);
    assert!(just_fits.len() <= MAX_TOKEN_BYTES);
    assert!(ring().verify(&just_fits, "shop", NOW).is_ok());
    refuse("genuine, one byte too long", &padded(MAX_TOKEN_BYTES + 1));
    refuse("8 KiB", &"a".repeat(8192));
}

#[test]
fn weak_secrets_are_refused_and_not_repeated() {
    let short = "Zk3+uM9/q7Wc2nVx5bLr8tYf1gHj4dP";
    assert_eq!(short.len(), MIN_SECRET_BYTES - 1);
    let cases = [
        "",
        "secret",
        "changeme",
        short,
        "change-me-change-me-change-me-change-me",
        "Change_Me!Change_Me!Change_Me!Change_Me!",
        "secretsecretsecretsecretsecretsecret",
        "your-256-bit-secret-your-256-bit-secret",
        "a-string-secret-at-least-256-bits-long",
        "0123456789abcdef0123456789abcdef",
        "abcdefghijklmnopqrstuvwxyz123456",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "                                        ",
        "abcabcabcabcabcabcabcabcabcabcabcabc",
    ];
    for secret in cases {
        for result in
            [Keyring::new(&[secret], None), Keyring::new(&[NEW, secret], None), Keyring::new(&[NEW], Some(secret))]
        {
            let message = result.expect_err(secret).to_string();
            assert!(message.contains("openssl rand"), "{message}");
            assert!(secret.len() < 8 || !message.contains(secret), "{message}");
        }
    }
    assert_eq!(Keyring::new(&[], Some(IDS)).unwrap_err(), WeakSecret::Missing);
    let error = Keyring::new(&[NEW, "secret"], None).unwrap_err();
    assert_eq!(error, WeakSecret::Guessable { setting: "tokens.secrets[1]".into() });
}

#[test]
fn nothing_shows_a_secret() {
    let shown = format!("{:?} {:#?}", Keyring::new(&[NEW, OLD], Some(IDS)).unwrap(), ring());
    assert!(shown.contains(&kid(NEW)));
    for secret in [NEW, OLD, IDS] {
        assert!(!shown.contains(secret));
        assert!(!shown.contains(&format!("{:?}", secret.as_bytes()).replace(['[', ']'], "")));
    }
}

/// The key of RFC 8037, appendix A; one of these tests alone; and the same in the older form (SEC 1), which is not taken.
const ED: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----";
const EC: &str = "-----BEGIN PRIVATE KEY-----\n\
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgh7imaY7toaiw7JZz\n\
    sp4OV3yvN3gxxQhiqRU0sEdt2bihRANCAAQOoPlmdEf6dLlFAROo5YqBRMy9kr3o\n\
    1jEpbceSY8eu4jRJ/0u9QX+pIT+2MncShix6XWRaY7+iCrbxafIpsnIy\n\
    -----END PRIVATE KEY-----";
const SEC1: &str = "-----BEGIN EC PRIVATE KEY-----\n\
    MHcCAQEEIIe4pmmO7aGosOyWc7KeDld8rzd4McUIYqkVNLBHbdm4oAoGCCqGSM49\n\
    AwEHoUQDQgAEDqD5ZnRH+nS5RQETqOWKgUTMvZK96NYxKW3HkmPHruI0Sf9LvUF/\n\
    qSE/tjJ3EoYsel1kWmO/ogq28WnyKbJyMg==\n\
    -----END EC PRIVATE KEY-----";

fn with_pairs(pems: &[&str]) -> Keyring {
    ring().signing_with(&pems.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

/// The two parts that are signed, read, and the whole that is.
fn parts(token: &str) -> (serde_json::Value, serde_json::Value) {
    let read = |part: &str| json(std::str::from_utf8(&BASE64.decode(part).unwrap()).unwrap());
    let mut parts = token.split('.');
    (read(parts.next().unwrap()), read(parts.next().unwrap()))
}

#[test]
fn a_pair_of_keys_signs_what_its_public_half_checks() {
    for (pem, alg, kty) in [(ED, "EdDSA", "OKP"), (EC, "ES256", "EC")] {
        let ring = with_pairs(&[pem]);
        let token = ring.sign(&claims());
        assert_eq!(ring.verify(&token, "shop", NOW).unwrap().claims, claims());
        let set = serde_json::to_value(ring.public()).unwrap();
        let key = &set["keys"][0];
        assert_eq!((&key["alg"], &key["kty"], &key["use"]), (&alg.into(), &kty.into(), &"sig".into()), "{key}");
        assert!(key.get("d").is_none() && key.get("k").is_none(), "{key}");
        let (header, _) = parts(&token);
        assert_eq!((&header["alg"], &header["kid"]), (&key["alg"], &key["kid"]));
        // As a backend does it: with what the set says, and nothing else.
        let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(key.clone()).unwrap();
        let mut rules = jsonwebtoken::Validation::new(alg.parse().unwrap());
        rules.set_audience(&["shop"]);
        rules.validate_exp = false;
        let checked =
            jsonwebtoken::decode::<Claims>(&token, &jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap(), &rules);
        assert_eq!(checked.unwrap().claims, claims());
    }
    let set = serde_json::to_value(with_pairs(&[ED]).public()).unwrap();
    assert_eq!(set["keys"][0]["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    assert_eq!(set["keys"][0]["kid"], "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert_eq!(serde_json::to_value(ring().public()).unwrap(), json(r#"{"keys":[]}"#), "a secret has no public half");
}

#[test]
fn nobody_loses_a_place_as_pairs_come_and_go() {
    let (before, after) = (ring(), with_pairs(&[ED]));
    let (by_secret, by_ed) = (before.sign(&claims()), after.sign(&claims()));
    assert!(after.verify(&by_secret, "shop", NOW).is_ok(), "the secrets verify");
    assert_eq!(before.verify(&by_ed, "shop", NOW), Err(TokenError::Invalid));
    let rotated = with_pairs(&[EC, ED]);
    assert!(rotated.verify(&by_ed, "shop", NOW).is_ok() && rotated.verify(&by_secret, "shop", NOW).is_ok());
    assert_eq!(parts(&rotated.sign(&claims())).0["alg"], "ES256", "the first one signs");
    assert_eq!(serde_json::to_value(rotated.public()).unwrap()["keys"].as_array().unwrap().len(), 2);
    assert_eq!(with_pairs(&[EC]).verify(&by_ed, "shop", NOW), Err(TokenError::Invalid), "a key that was taken away");
    assert_eq!(before.visitor("shop", "ann"), rotated.visitor("shop", "ann"), "who somebody is stays with the secrets");
}

#[test]
fn no_key_is_taken_for_one_of_another_kind() {
    let ring = with_pairs(&[ED, EC]);
    let set = serde_json::to_value(ring.public()).unwrap();
    for key in set["keys"].as_array().unwrap() {
        let kid = key["kid"].as_str().unwrap();
        // What everybody can read, used as if it were a secret.
        let x = key["x"].as_str().unwrap();
        let raw = BASE64.decode(x).unwrap();
        for secret in [x.as_bytes(), &raw, key.to_string().as_bytes()] {
            for header in [format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#), r#"{"alg":"HS256"}"#.to_owned()] {
                let message = format!("{}.{}", BASE64.encode(header), BASE64.encode(CLAIMS));
                let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
                mac.update(message.as_bytes());
                let token = format!("{message}.{}", BASE64.encode(mac.finalize().into_bytes()));
                assert_eq!(ring.verify(&token, "shop", NOW), Err(TokenError::Invalid), "{key}");
            }
        }
    }
    let [ed, ec] = [ED, EC].map(|pem| with_pairs(&[pem]).sign(&claims()));
    let swap = |token: &str, alg: &str, kid: &str| {
        let header = BASE64.encode(format!(r#"{{"alg":"{alg}","kid":"{kid}"}}"#));
        format!("{header}.{}", token.split_once('.').unwrap().1)
    };
    let kid = |nth: usize| set["keys"][nth]["kid"].as_str().unwrap();
    for (case, token) in [
        ("EdDSA under the name of the other", swap(&ed, "EdDSA", kid(1))),
        ("ES256 with the name of the other", swap(&ec, "ES256", kid(0))),
        ("another algorithm", swap(&ed, "ES256", kid(0))),
        ("no signature", format!("{}.", ed.rsplit_once('.').unwrap().0)),
        ("the other's signature", format!("{}.{}", ed.rsplit_once('.').unwrap().0, ec.rsplit_once('.').unwrap().1)),
        ("none", swap(&ed, "none", kid(0))),
    ] {
        assert_eq!(ring.verify(&token, "shop", NOW), Err(TokenError::Invalid), "{case}");
    }
}

#[test]
fn what_is_no_signing_key_is_refused_and_not_repeated() {
    for pem in ["", "x", SEC1, &ED.replace("MC4C", "MC4D"), &ED.replace("PRIVATE", "PUBLIC"), NEW] {
        let error = ring().signing_with(&[EC.to_owned(), pem.to_owned()]).map(|_| ()).unwrap_err();
        assert_eq!(error.setting, "tokens.signing_keys[1]", "{pem}");
        assert!(error.to_string().contains("openssl genpkey") && !error.to_string().contains("MC4C"));
    }
    let shown = format!("{:?}", with_pairs(&[ED, EC]));
    assert!(!shown.contains("MC4C") && shown.contains("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
}

#[test]
fn a_visitor_is_the_keyed_hash_of_room_and_user() {
    let mut mac = Hmac::<Sha256>::new_from_slice(OLD.as_bytes()).unwrap();
    mac.update(b"shop\0ann");
    assert_eq!(ring().visitor("shop", "ann").0, mac.finalize().into_bytes()[..16]);
    let ring = ring();
    assert_ne!(ring.visitor("shop", "ann"), ring.visitor("sho", "pann"));
    assert_ne!(ring.visitor("shop", "ann"), ring.visitor("tickets", "ann"));
    assert_ne!(ring.visitor("shop", "ann"), Keyring::new(&[NEW, OLD], Some(IDS)).unwrap().visitor("shop", "ann"));
}

proptest! {
    #[test]
    fn noise_is_never_a_token(noise in "\\PC{0,200}") {
        prop_assert_eq!(ring().verify(&noise, "shop", NOW), Err(TokenError::Invalid));
    }

    #[test]
    fn no_other_byte_anywhere_is_taken(at in any::<prop::sample::Index>(), byte in 0x20_u8..0x7f) {
        let ring = ring();
        let token = ring.sign(&claims());
        let mut changed = token.clone().into_bytes();
        let at = at.index(changed.len());
        prop_assume!(changed[at] != byte);
        changed[at] = byte;
        let changed = String::from_utf8(changed).unwrap();
        prop_assert_eq!(ring.verify(&changed, "shop", NOW), Err(TokenError::Invalid));
    }

    #[test]
    fn no_beginning_of_a_token_is_one(length in 0_usize..300) {
        let token = ring().sign(&claims());
        prop_assume!(length < token.len());
        prop_assert_eq!(ring().verify(&token[..length], "shop", NOW), Err(TokenError::Invalid));
    }

    #[test]
    fn every_user_comes_back(user in "[!-~]{1,128}", ticket: u64, hb: u64) {
        let mut claims = claims();
        (claims.sub, claims.tkt, claims.hb) = (user, ticket, hb);
        let token = ring().sign(&claims);
        prop_assert!(token.len() < 1024);
        prop_assert_eq!(ring().verify(&token, "shop", NOW).unwrap().claims, claims);
    }
}
