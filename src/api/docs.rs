//! The documentation that the gate serves: the OpenAPI document and two pages made from it.
//!
//! Promises: the document names every call, field and code (tests compare it with the code); the pages ask no other host
//! for anything and run under a policy that would forbid it. The document is `openapi.json`, written by hand, with four
//! places to fill: version, server, and the settings twice, which stand in `queue::FIELDS` alone. To add a call: its path
//! in `openapi.json`.

use crate::queue::{FIELDS, Field, Kind, Mode, Settings, Value};
use aide::redoc::Redoc;
use aide::swagger::Swagger;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sha2::{Digest, Sha256};

const DOCUMENT: &str = include_str!("openapi.json");

/// Relative, so that one page serves below every prefix: it lies beside the document.
const DOCUMENT_URL: &str = "openapi.json";
/// Scripts that the pages carry are allowed by their hash, nothing else is; the pages' own programs set styles in the
/// page, show images that are within it, and search in a worker made from it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; connect-src 'self'; \
                      worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; script-src";
/// An image of one clear pixel.
const NO_IMAGE: &str = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAACADs=";

/// A page and the `Content-Security-Policy` that it needs. More than a megabyte: make it once.
#[derive(Clone, Debug)]
pub struct Page {
    /// `text/html; charset=utf-8`
    pub html: String,
    pub csp: String,
}

/// The OpenAPI 3.1 document of the calls below `prefix` (`""`: at the root).
pub fn openapi(prefix: &str) -> String {
    let server = if prefix.is_empty() { "/" } else { prefix };
    DOCUMENT
        .replace("\"@version\"", &json!(env!("CARGO_PKG_VERSION")).to_string())
        .replace("\"@server\"", &json!(server).to_string())
        .replace("\"@settings\": {}", &members(field_schema))
        .replace("\"@settings_example\": 0", &members(|_, default| plain(default)))
}

/// The interactive page ("try it out"): Swagger UI, complete in itself.
pub fn swagger_page() -> Page {
    let html = Swagger::new(DOCUMENT_URL).with_title("Gatekeeper: the API").html();
    // Without it the page would send every document to an outside validator.
    let html = html.replacen(
        "\"layout\": \"BaseLayout\",",
        "\"layout\": \"BaseLayout\", \"validatorUrl\": null, \"tryItOutEnabled\": true,",
        1,
    );
    page(&html)
}

/// The page for reading: Redoc, complete in itself.
pub fn redoc_page() -> Page {
    let html = Redoc::new(DOCUMENT_URL).with_title("Gatekeeper: the API").html();
    page(&html.replace("https://cdn.redoc.ly/redoc/logo-mini.svg", NO_IMAGE))
}

fn page(html: &str) -> Page {
    // An icon of its own, or the browser would ask the site for one.
    let head = "<head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
                <link rel=\"icon\" href=\"data:,\">";
    let html = html.replacen("<head>", head, 1);
    let csp = scripts(&html).fold(POLICY.to_owned(), |policy, script| {
        format!("{policy} 'sha256-{}'", STANDARD.encode(Sha256::digest(script)))
    });
    Page { html, csp }
}

/// What stands between script tags. (A script may speak of `<script>`, and the bundles do, so no plain split.)
fn scripts(html: &str) -> impl Iterator<Item = &str> {
    let mut rest = html;
    std::iter::from_fn(move || {
        let (script, after) = rest.split_once("<script>")?.1.split_once("</script>")?;
        rest = after;
        Some(script)
    })
}

/// One JSON member a setting, in the order of the documentation.
fn members(value: impl Fn(&Field, &Value) -> serde_json::Value) -> String {
    let defaults = Settings::default().values();
    let member =
        |(field, (_, default)): (&Field, &(_, Value))| format!("\"{}\": {}", field.name, value(field, default));
    FIELDS.iter().zip(&defaults).map(member).collect::<Vec<_>>().join(", ")
}

fn field_schema(field: &Field, default: &Value) -> serde_json::Value {
    let (about, default) = (field.about, plain(default));
    match field.kind {
        Kind::Int { min, max } => {
            json!({"type": "integer", "minimum": min, "maximum": max, "default": default, "description": about})
        }
        Kind::Bool => json!({"type": "boolean", "default": default, "description": about}),
        Kind::Mode => {
            let names: Vec<&str> = Mode::NAMES.iter().map(|(_, name)| *name).collect();
            json!({"type": "string", "enum": names, "default": default, "description": about})
        }
        Kind::Text { max } => json!({"type": "string", "maxLength": max, "default": default, "description": about}),
    }
}

fn plain(value: &Value) -> serde_json::Value {
    match value {
        Value::Int(number) => json!(number),
        Value::Bool(flag) => json!(flag),
        Value::Text(text) => json!(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::problem::samples;
    use std::collections::BTreeSet;

    type Json = serde_json::Value;

    fn document() -> Json {
        serde_json::from_str(&openapi("")).unwrap()
    }

    /// Every object in the document.
    fn walk<'a>(value: &'a Json, visit: &mut dyn FnMut(&'a serde_json::Map<String, Json>)) {
        match value {
            Json::Object(map) => {
                visit(map);
                map.values().for_each(|value| walk(value, visit));
            }
            Json::Array(list) => list.iter().for_each(|value| walk(value, visit)),
            _ => {}
        }
    }

    #[test]
    fn the_document_is_filled_in() {
        let document = document();
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(document["servers"][0]["url"], "/");
        assert!(!openapi("").contains("\"@"));
        let below: Json = serde_json::from_str(&openapi("/.gatekeeper")).unwrap();
        assert_eq!(below["servers"][0]["url"], "/.gatekeeper");
    }

    #[test]
    fn every_call_of_the_contract_is_in_it_and_no_other() {
        let document = document();
        let mut calls = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys() {
                calls.insert(format!("{method} {path}"));
            }
        }
        let expected = [
            "post /queue/enqueue",
            "get /queue/status",
            "get /queue/verify",
            "delete /queue/finish",
            "get /config",
            "post /config",
            "get /health",
            "get /health/ready",
            "get /docs",
            "get /redoc",
            "get /openapi.json",
            "get /jwks.json",
        ];
        assert_eq!(calls, expected.iter().map(ToString::to_string).collect());
    }

    #[test]
    fn every_setting_is_in_it_with_its_range() {
        let document = document();
        let properties = document["components"]["schemas"]["Settings"]["properties"].as_object().unwrap();
        let example =
            &document["paths"]["/config"]["get"]["responses"]["200"]["content"]["application/json"]["example"];
        assert_eq!(properties.len(), FIELDS.len());
        for (field, (name, default)) in FIELDS.iter().zip(Settings::default().values()) {
            assert_eq!(field.name, name);
            let schema = &properties[name];
            assert_eq!(schema["description"], field.about);
            assert_eq!(schema["default"], plain(&default));
            assert_eq!(example["updated_config"][name], plain(&default), "{name}");
            if let Kind::Int { min, max } = field.kind {
                assert_eq!((&schema["minimum"], &schema["maximum"]), (&json!(min), &json!(max)), "{name}");
            }
        }
    }

    #[test]
    fn every_problem_is_in_it_word_for_word() {
        let document = document();
        let codes = document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"].as_array().unwrap();
        let examples: Vec<&Json> =
            document["components"]["examples"].as_object().unwrap().values().map(|example| &example["value"]).collect();
        let mut known = BTreeSet::new();
        for problem in samples() {
            known.insert(problem.code());
            assert!(codes.contains(&json!(problem.code())), "{}", problem.code());
            let body: Json = serde_json::from_slice(problem.into_response().body()).unwrap();
            assert!(examples.contains(&&body), "no example is {body}");
        }
        assert_eq!(codes.len(), known.len());
        assert_eq!(examples.len(), samples().len());
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_component_is_reached() {
        let document = document();
        let mut targets = BTreeSet::new();
        walk(&document, &mut |map| {
            if let Some(Json::String(target)) = map.get("$ref") {
                targets.insert(target.trim_start_matches('#').to_owned());
            }
        });
        for target in &targets {
            assert!(document.pointer(target).is_some(), "{target}");
        }
        for kind in ["responses", "examples", "headers", "parameters"] {
            for name in document["components"][kind].as_object().unwrap().keys() {
                assert!(targets.contains(&format!("/components/{kind}/{name}")), "{kind} {name}");
            }
        }
    }

    #[test]
    fn both_spellings_of_the_headers_are_in_it() {
        let document = document();
        let mut names = BTreeSet::new();
        walk(&document, &mut |map| {
            if map.get("in") == Some(&json!("header")) {
                names.insert(map["name"].as_str().unwrap());
            }
        });
        assert_eq!(names, BTreeSet::from(["business-id", "business_id", "jwt", "user-id", "user_id"]));
    }

    #[test]
    fn the_pages_name_no_other_host_to_load_from() {
        let (swagger, redoc) = (swagger_page(), redoc_page());
        assert!(swagger.html.contains("\"validatorUrl\": null"));
        assert!(!redoc.html.contains("cdn.redoc.ly"));
        for page in [&swagger, &redoc] {
            assert!(page.html.contains("<meta charset=\"utf-8\">") && page.html.contains(DOCUMENT_URL));
            assert!(!page.html.contains("<script src") && !page.html.contains("<link rel=\"stylesheet\""));
        }
    }

    #[test]
    fn the_policy_allows_the_pages_scripts_alone() {
        assert_eq!(swagger_page().csp.matches("'sha256-").count(), 2);
        assert_eq!(redoc_page().csp.matches("'sha256-").count(), 1);
        assert!(http::HeaderValue::from_str(&swagger_page().csp).is_ok());
        assert!(!swagger_page().csp.contains("unsafe-eval"));
        assert_eq!(
            scripts("<script>a = '<script>'</script> <script>b</script>").collect::<Vec<_>>(),
            ["a = '<script>'", "b"]
        );
        let page = page("<head></head><script>let a = 1;</script>");
        assert!(page.csp.ends_with("script-src 'sha256-xY6QKfH9PRsQnLz56nj6MBwiK5oHg+im1Jkpdp1x/Ck='"), "{}", page.csp);
    }
}
