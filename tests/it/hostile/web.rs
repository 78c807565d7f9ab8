//! The web side: nothing that a visitor sends becomes a script, a way to another host, or a call in somebody's name.

use super::tokens::{COOKIE, House, full_house};
use crate::support::SOON;
use crate::support::client::{Answer, Browser, next_address, plain, raw, send};
use crate::support::gatekeeper::{Gatekeeper, Setup};
use crate::support::raw_origin::RawOrigin;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use sha2::{Digest, Sha256};

/// The targets of redirects and reloads, as an attacker writes them.
const ELSEWHERE: [&str; 9] = [
    "//evil.example/x",
    "///evil.example/x",
    "////evil.example",
    "/\\evil.example/x",
    "/\\/evil.example/x",
    "/%09/evil.example/x",
    "/.//evil.example/x",
    "/%2f%2fevil.example/x",
    "/javascript:alert(1)",
];

/// Sends a target as it is written; a client's library would tidy it up.
async fn navigate(house: &House, target: &str, cookie: &str) -> String {
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {}\r\nAccept: text/html\r\nSec-Fetch-Mode: navigate\r\nCookie: {cookie}\r\n\
         Connection: close\r\n\r\n",
        house.gate.addr()
    );
    String::from_utf8_lossy(&raw(house.gate.addr(), request.as_bytes(), SOON).await).into_owned()
}

/// Whether a browser on the page's host would leave it for this address (WHATWG URL: tabs and line breaks are dropped,
/// `\` is `/`).
fn leaves(address: &str) -> bool {
    let seen: String = address.chars().filter(|c| !matches!(c, '\t' | '\r' | '\n')).collect();
    let seen = seen.trim_start().replace('\\', "/");
    !seen.starts_with('/') || seen.starts_with("//")
}

#[tokio::test]
async fn d10_no_redirect_and_no_reload_leads_to_another_host() {
    let (house, first, token) = full_house(|setup| Setup { site: "strip_query_token = true".into(), ..setup }).await;
    assert!(leaves("//evil.example") && leaves("/\\evil.example") && leaves("https:x") && !leaves("/.//x"));
    for target in ELSEWHERE {
        let moved =
            navigate(&house, &format!("{target}?jwt={token}&next=//evil.example"), &format!("{COOKIE}={token}")).await;
        for line in moved.lines().filter(|line| line.to_ascii_lowercase().starts_with("location:")) {
            assert!(!leaves(line.split_once(": ").unwrap().1), "{target}: {line}");
        }
        let is_moved = moved.starts_with("HTTP/1.1 303") && moved.contains("ocation: ");
        assert!(is_moved || moved.starts_with("HTTP/1.1 400"), "{target}: {}", &moved[..60.min(moved.len())]);
        // The waiting page goes in at the address that was asked for.
        let page = navigate(&house, target, "").await;
        if page.starts_with("HTTP/1.1 400") {
            continue;
        }
        let page = page.replace("&#x2f;", "/").replace("&#x5c;", "\\");
        let urls = page.split("url=").skip(1).map(|rest| rest.split('"').next().unwrap());
        let links = page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        let mut found = 0;
        for address in urls.chain(links).filter(|address| !address.starts_with("data:")) {
            assert!(!leaves(address), "{target}: {address}");
            found += 1;
        }
        assert!(found > 0, "{target}: {page}");
    }
    // No parameter names a target.
    for parameter in ["next", "url", "return", "return_url", "redirect", "redirect_uri", "target", "to", "continue"] {
        let answer = navigate(&house, &format!("/shop?{parameter}=https://evil.example/&jwt={token}"), "").await;
        let line = answer.lines().find(|line| line.to_ascii_lowercase().starts_with("location:")).unwrap().to_owned();
        assert!(line.contains("/shop?"), "{line}");
    }
    assert_eq!(first.open("/inside").await.status, 200);
}

#[tokio::test]
async fn d10_no_line_break_gets_into_an_answers_header() {
    let (house, _first, token) = full_house(|setup| Setup { site: "strip_query_token = true".into(), ..setup }).await;
    for target in ["/a%0d%0aSet-Cookie:%20x=y", "/a%0aLocation:%20//evil", "/a%E5%98%8A%E5%98%8DSet-Cookie:x=y"] {
        let answer = navigate(&house, &format!("{target}?jwt={token}&b=%0d%0aX-Evil:%201"), "").await;
        let (head, _) = answer.split_once("\r\n\r\n").unwrap();
        let names: Vec<String> = head.lines().filter_map(|line| Some(line.split_once(':')?.0.to_lowercase())).collect();
        assert!(!names.contains(&"x-evil".to_owned()), "{head}");
        assert!(!head.contains("\nSet-Cookie: x=y") && !head.contains("\nLocation: //evil"), "{head}");
    }
}

#[track_caller]
fn is_locked_down(answer: &Answer) {
    let policy = answer.header("content-security-policy").unwrap_or_else(|| panic!("no policy: {}", answer.url));
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    let scripts = policy.split("; ").find(|part| part.starts_with("script-src")).unwrap_or("script-src 'none'");
    assert!(!scripts.contains("unsafe") && !scripts.contains('*') && !scripts.contains("http"), "{policy}");
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn d12_what_a_visitor_sends_stays_text_under_a_policy_that_allows_the_pages_own_script_alone() {
    let (house, _first, _) = full_house(|setup| setup).await;
    let hostile = [
        "<script>alert(1)</script>",
        "\"onload=alert(1)//",
        "</script><img src=x onerror=alert(1)>",
        "{{77777*77777}}{%raw%}",
        "%E2%80%A8alert(1)",
    ];
    for text in hostile {
        let path: String = text
            .bytes()
            .map(
                |byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") },
            )
            .collect();
        let visitor = house.browser();
        let request = visitor.navigation(Method::GET, &format!("/shop/{path}?q={text}&state=ready"), "none");
        let page =
            send(request.header("x-forwarded-host", text.replace('%', "")).header("user-agent", "<script>")).await;
        assert_eq!(page.status, 503);
        is_locked_down(&page);
        let html = page.text();
        let as_written = navigate(&house, &format!("/shop?q={}", text.replace(' ', "+")), "").await;
        assert!(as_written.starts_with("HTTP/1.1 503") || as_written.starts_with("HTTP/1.1 400"), "{as_written}");
        for danger in ["<script>alert", "onerror=alert(1)>", "\"onload", "<img"] {
            assert!(!as_written.contains(danger), "{text}: {danger}");
        }
        for danger in ["<script>alert", "onerror=alert(1)>", "\"onload", "<img"] {
            assert!(!html.contains(danger), "{text}: {danger}");
        }
        assert!(!html.contains("6049261729"), "{text}: data is no template");
        // The one script there is, is the one that the policy names.
        let script = html.split_once("<script>").unwrap().1.split_once("</script>").unwrap().0;
        assert_eq!(html.matches("<script").count(), 1);
        let hash = format!("'sha256-{}'", STANDARD.encode(Sha256::digest(script)));
        assert!(page.header("content-security-policy").unwrap().contains(&hash));
    }
    // A host that is no host gets no page at all; one that is gets it as text.
    let answer = raw(
        house.gate.addr(),
        b"GET / HTTP/1.1\r\nHost: \"><script>alert(1)</script>\r\nAccept: text/html\r\nConnection: close\r\n\r\n",
        SOON,
    )
    .await;
    assert!(!String::from_utf8_lossy(&answer).contains("<script>alert"));
}

/// A site that asks for it may stand in another's frame, and then its waiting page may, too; everything else still holds.
#[tokio::test]
async fn d12_only_a_site_that_is_to_be_framed_has_a_page_that_can_be() {
    let (house, _first, _) = full_house(|setup| Setup { site: "cookie = { embed = true }".into(), ..setup }).await;
    let page = house.browser().open("/shop").await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'sha256-") && !policy.contains("frame-ancestors"),
        "{policy}"
    );
    assert_eq!(page.header("x-frame-options"), None);
}

#[tokio::test]
async fn d12_every_page_of_the_gate_is_locked_down_and_says_nothing_of_the_inside() {
    let (mut house, first, _) =
        full_house(|setup| Setup { server: "[server.limits]\nbody_bytes = 1000".into(), ..setup }).await;
    for path in ["/docs", "/redoc"] {
        let page = house.browser().open(path).await;
        assert_eq!(page.header("x-frame-options"), Some("DENY"), "{path}");
        assert!(page.header("content-security-policy").is_some_and(|policy| policy.contains("frame-ancestors 'none'")));
    }
    let browser = house.browser();
    let long = format!("/{}", "x".repeat(9000));
    let mut answers =
        vec![browser.open("/shop").await, browser.open(&long).await, first.submit("/shop", &"x".repeat(2000)).await];
    house.origin.close().await;
    answers.push(first.open("/inside").await);
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [503, 414, 413, 502]);
    let pages: Vec<&Answer> = answers
        .iter()
        .filter(|answer| answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html")))
        .collect();
    assert!(pages.len() >= 3, "{answers:?}");
    pages.into_iter().for_each(is_locked_down);
    answers.push(first.fetch(Method::GET, "/inside").await);
    answers.push(house.gate.get("/.gatekeeper/none").await);
    answers.push(house.api.with_key("nobody").config().await);
    let origin = house.origin.addr();
    let inside = [
        origin.to_string(),
        origin.port().to_string(),
        "pingora".into(),
        "upstream".into(),
        "hyper".into(),
        "panicked".into(),
        "src/".into(),
        ".rs:".into(),
        "redis".into(),
        house.gate.place().directory().display().to_string(),
    ];
    for answer in &answers {
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{}", answer.url);
        let said = format!("{:?} {}", answer.headers, answer.text()).to_lowercase();
        let said = said.split("<script>").next().unwrap();
        for word in &inside {
            assert!(!said.contains(&word.to_lowercase()), "{} {}: {word}: {said}", answer.status, answer.url);
        }
        assert!(answer.header("server").is_none() && answer.header("x-powered-by").is_none());
    }
    // What is refused before it is read as a request gets an answer of ours too, and no word on what was wrong.
    let malformed = raw(house.gate.addr(), b"GET /shop HTTP/1.1\r\nbad header\r\n\r\n", SOON).await;
    let said = String::from_utf8_lossy(&malformed).into_owned();
    assert!(said.starts_with("HTTP/1.1 400 ") && said.contains("\"code\":\"bad_request\""), "{said}");
    assert!(!said.to_lowercase().contains("parse") && !said.contains("bad header"), "{said}");
}

#[tokio::test]
async fn d12_an_origin_that_breaks_off_gets_no_page_of_ours_appended() {
    let origin =
        RawOrigin::start("HTTP/1.1 200 OK\r\ncontent-length: 100\r\ncontent-type: text/html\r\n\r\n<p>half").await;
    let setup = Setup { site: "read_seconds = 1".into(), ..Setup::before(origin.addr()) };
    let gate = Gatekeeper::start(setup).await;
    let request = b"GET /shop HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n";
    let answer = String::from_utf8_lossy(&raw(gate.addr(), request, SOON).await).into_owned();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("<p>half"), "{answer}");
}

#[tokio::test]
async fn d13_no_other_site_calls_in_a_visitors_name() {
    let (house, first, token) = full_house(|setup| setup).await;
    let client = plain().build().unwrap();
    let from_elsewhere = |method: Method, path: &str| {
        let request = client.request(method, house.gate.url(path)).header("cookie", format!("{COOKIE}={token}"));
        request
            .header("origin", "https://evil.example")
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", "cors")
    };
    let form = "application/x-www-form-urlencoded";
    for (method, path) in [
        (Method::DELETE, "/.gatekeeper/queue/finish"),
        (Method::DELETE, "/queue/finish"),
        (Method::POST, "/.gatekeeper/config"),
        (Method::POST, "/config"),
        (Method::POST, "/.gatekeeper/queue/enqueue"),
        (Method::POST, "/queue/enqueue"),
    ] {
        let answer = send(from_elsewhere(method.clone(), path).header("content-type", form).body("mode=off")).await;
        assert!([401, 403].contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.text());
        assert!(answer.set_cookies().is_empty() && answer.header("access-control-allow-origin").is_none(), "{path}");
    }
    // Where the browser says less, the origin still tells.
    for header in [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "same-site")] {
        let request = client.post(house.gate.url("/.gatekeeper/queue/enqueue")).header(header.0, header.1);
        let answer = send(request).await;
        assert_eq!((answer.status, answer.set_cookies().len()), (401, 0), "{header:?}");
    }
    assert_eq!(house.api.verify(&token).await.json()["ready"], true, "still in");
    assert_eq!(house.api.config().await.json()["updated_config"]["mode"], "auto");
    assert_eq!(first.open("/inside").await.status, 200);
    // What keeps the cookie at home on such requests.
    let stranger = house.browser();
    let line = stranger.open("/shop").await.set_cookies()[0].to_owned();
    assert!(
        line.contains("SameSite=Lax")
            && line.contains("HttpOnly")
            && line.contains("Path=/")
            && !line.contains("Domain"),
        "{line}"
    );
}

#[tokio::test]
async fn d14_what_only_looks_changes_nothing() {
    let (house, _first, token) = full_house(|setup| setup).await;
    let waiting = async || house.gate.metrics().await.value("gatekeeper_waiting", &[("room", "checkout")]);
    for prefix in ["", "/.gatekeeper"] {
        for (path, method) in [
            ("/queue/enqueue", Method::GET),
            ("/queue/finish", Method::GET),
            ("/queue/enqueue", Method::HEAD),
            ("/queue/finish", Method::HEAD),
            ("/queue/finish", Method::POST),
        ] {
            let request = house.api.call(method.clone(), &format!("{prefix}{path}"));
            let answer =
                send(request.header("user_id", "ann").header("jwt", &token).header("purpose", "prefetch")).await;
            assert_eq!(answer.status, 405, "{method} {path}");
            assert!(answer.header("allow").is_some());
        }
    }
    assert_eq!(house.api.verify(&token).await.json()["ready"], true);
    assert_eq!(waiting().await, Some(0.0));
    // Nor does an override make one method another.
    let request = house.api.call(Method::GET, "/queue/finish").header("x-http-method-override", "DELETE");
    assert_eq!(send(request.header("jwt", &token)).await.status, 405);
    assert_eq!(house.api.verify(&token).await.json()["ready"], true);
}

/// A page from a shared cache would give one visitor's place to the next.
#[tokio::test]
async fn d11_nothing_of_the_gates_is_for_a_cache() {
    let (house, _first, token) = full_house(|setup| setup).await;
    let visitor = Browser::at(&house.gate.url(""), next_address());
    let answers = [
        visitor.open("/shop").await,
        visitor.fetch(Method::GET, "/data").await,
        visitor.fetch(Method::GET, "/.gatekeeper/queue/status").await,
        house.api.status(&token).await,
        house.gate.get("/health").await,
        house.gate.get("/.gatekeeper/jwks.json").await,
        send(
            visitor.navigation(Method::GET, "/shop", "none").header("if-none-match", "*").header("range", "bytes=0-9"),
        )
        .await,
    ];
    for answer in &answers {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{}", answer.url);
        assert!(answer.header("etag").is_none() && answer.header("last-modified").is_none(), "{}", answer.url);
        assert!(![206, 304].contains(&answer.status), "{}", answer.url);
    }
    for answer in &answers[..2] {
        assert!(answer.header("vary").is_some_and(|vary| vary.contains("Cookie")), "{:?}", answer.headers);
    }
}
