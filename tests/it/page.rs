//! The waiting page as its visitors and its operator meet it: in the visitor's language, in the operator's design, and
//! what happens to both when a file changes.

use crate::support::client::{Answer, Browser, plain, send};
use crate::support::gatekeeper::{Gatekeeper, Setup};
use crate::support::origin::Origin;
use crate::support::ports::free_port;
use crate::support::process::Process;
use crate::support::{SOON, eventually};
use http::Method;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// One person an hour: whoever comes second waits.
const TIGHT: &str = "admission_limit = 1, admission_frequency = 3600";

struct House {
    origin: Origin,
    gate: Gatekeeper,
}

/// A gate with somebody inside; `site`: lines of the site, which may name files in the gate's directory by `{here}`.
async fn busy_house(files: &[(&str, &str)], site: &str) -> House {
    let origin = Origin::start().await;
    let gate = Gatekeeper::start(Setup::before(origin.addr()).settings(TIGHT)).await;
    let mut house = House { origin, gate };
    for (name, text) in files {
        fs::create_dir_all(house.path(name).parent().unwrap()).unwrap();
        fs::write(house.path(name), text).unwrap();
    }
    assert_eq!(Browser::new(&house.gate.url("")).open("/shop").await.status, 200);
    if !site.is_empty() {
        house.configure(site);
        house.await_reloads(1, 0).await;
    }
    house
}

impl House {
    fn path(&self, name: &str) -> PathBuf {
        self.gate.place().directory().join(name)
    }

    fn configure(&mut self, site: &str) {
        let site = site.replace("{here}", &self.path("").display().to_string());
        self.gate.configure(Setup { site, ..Setup::before(self.origin.addr()).settings(TIGHT) });
    }

    /// What a newcomer with these wishes is shown.
    async fn shown(&self, accept_language: &str) -> Answer {
        let browser = Browser::new(&self.gate.url(""));
        let request = browser.navigation(Method::GET, "/shop", "none");
        let answer = send(request.header("accept-language", accept_language)).await;
        assert_eq!(answer.status, 503, "{}", answer.text());
        answer
    }

    async fn await_reloads(&self, ok: u32, refused: u32) {
        eventually(SOON, async || {
            let metrics = self.gate.metrics().await;
            let count = |result| metrics.sum("gatekeeper_config_reloads_total", &[("result", result)]);
            ((count("ok"), count("refused")) == (f64::from(ok), f64::from(refused))).then_some(())
        })
        .await;
    }

    fn refusal(&self) -> String {
        let logs = self.gate.logs();
        logs.lines().rfind(|line| line.contains("configuration not reloaded")).unwrap_or_default().to_owned()
    }
}

#[tokio::test]
async fn a_visitor_is_answered_in_the_language_that_fits_best() {
    let house = busy_house(&[], "").await;
    let cases = [
        ("fr-CA, en;q=0.5", "fr", "Vous êtes dans la file"),
        ("sv, he;q=0.4, de;q=0.3", "he", "dir=\"rtl\""),
        ("zh-HK", "zh-Hant", "您正在排隊"),
        ("sv", "en", "You are in line"),
        ("*", "en", "You are in line"),
        (";;,=q", "en", "You are in line"),
    ];
    for (wishes, language, text) in cases {
        let page = house.shown(wishes).await;
        assert_eq!(page.header("content-language"), Some(language), "{wishes}");
        assert!(page.text().contains(text) && page.text().contains(&format!("<html lang=\"{language}\"")), "{wishes}");
        assert!(page.header("vary").unwrap().contains("Accept-Language"));
    }
    // The JSON has no words of ours in it, and says nothing of a language.
    let script = Browser::new(&house.gate.url("")).fetch(Method::GET, "/shop").await;
    assert_eq!((script.status, script.header("content-language")), (503, None));
}

#[tokio::test]
async fn the_page_says_when_the_place_was_taken() {
    let house = busy_house(&[], "").await;
    let text = house.shown("en").await.text();
    let joined = text.split_once("data-joined=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = u64::try_from(now.as_millis()).unwrap();
    let joined: u64 = joined.parse().unwrap();
    assert!(now.abs_diff(joined) < 60_000, "{joined} at {now}");
}

#[tokio::test]
async fn an_operators_languages_logo_and_texts_show_and_a_broken_one_leaves_the_last_good_ones() {
    let files = [
        ("locales/sv.ftl", "direction = ltr\nin-line = Du i kön"),
        ("logo.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>"),
    ];
    let site = "page.languages = \"{here}/locales\"\npage.logo = \"{here}/logo.svg\"\npage.light.accent = \"#7a0019\"\n\
                page.texts.en.room-name = \"The Shop\"";
    let mut house = busy_house(&files, site).await;
    let swedish = house.shown("sv").await;
    assert!(swedish.text().contains("Du i kön") && swedish.text().contains("--accent: #7a0019"));
    assert!(swedish.text().contains("src=\"data:image/svg+xml;base64,"));
    assert!(house.shown("en").await.text().contains("<bdi>The Shop</bdi>"));

    fs::write(house.path("locales/sv.ftl"), "in-line = Du står i kön").unwrap();
    house.await_reloads(2, 0).await;
    assert!(house.shown("sv").await.text().contains("Du står i kön"), "a changed file is taken over");
    fs::write(house.path("locales/sv.ftl"), "direction = ltr\nin-lnie = x").unwrap();
    house.await_reloads(2, 1).await;
    let said = house.refusal();
    assert!(said.contains("sv.ftl") && said.contains("no text named in-lnie"), "{said}");
    assert!(house.shown("sv").await.text().contains("Du står i kön"), "the last good one stays");
    fs::write(house.path("locales/sv.ftl"), "in-line = Nu är du i kön").unwrap();
    house.await_reloads(3, 1).await;

    for (change, said) in [
        ("page.logo = \"{here}/big.png\"", "16 KiB"),
        ("page.language = \"sw\"", "no language \\\"sw\\\""),
        ("page.texts.de.next = \"{$nobody}\"", "Unknown variable: $nobody"),
        ("page.light.accent = \"#ffff00\"", "accent on sheet has a contrast of 1.1"),
    ] {
        fs::write(house.path("big.png"), vec![0; 16 * 1024 + 1]).unwrap();
        let before = house.gate.metrics().await.sum("gatekeeper_config_reloads_total", &[("result", "refused")]);
        house.configure(change);
        eventually(SOON, async || {
            let refused = house.gate.metrics().await.sum("gatekeeper_config_reloads_total", &[("result", "refused")]);
            (refused > before).then_some(())
        })
        .await;
        let line = house.refusal();
        assert!(line.contains(said), "{change}: {line}");
        assert!(house.shown("sv").await.text().contains("Nu är du i kön"), "{change}");
    }
}

#[tokio::test]
async fn only_a_site_that_may_be_embedded_is_shown_in_frames() {
    for (site, refused) in [("", true), ("cookie = { embed = true }", false)] {
        let house = busy_house(&[], site).await;
        let policy = house.shown("en").await.header("content-security-policy").unwrap().to_owned();
        assert_eq!(policy.contains("frame-ancestors 'none'"), refused, "{policy}");
    }
}

fn gatekeeper(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_gatekeeper")).args(arguments).env_clear().output().unwrap()
}

#[test]
fn what_to_start_from_is_printed_and_can_be_started_from() {
    let texts = gatekeeper(&["page", "--texts", "zh-hant"]);
    assert!(texts.status.success() && String::from_utf8(texts.stdout).unwrap().contains("您正在排隊"));
    let template = gatekeeper(&["page", "--template"]);
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("page.html"), &template.stdout).unwrap();
    fs::create_dir(directory.path().join("locales")).unwrap();
    let english = gatekeeper(&["page", "--texts", "en"]).stdout;
    fs::write(directory.path().join("locales/sv.ftl"), &english).unwrap();
    let file = directory.path().join("gatekeeper.toml");
    let page = directory.path().display();
    let config = format!(
        "[[rooms]]\nname = 'a'\n[[sites]]\nhosts = ['*']\norigins = ['127.0.0.1:9']\nroom = 'a'\n\
         template = '{page}/page.html'\npage.languages = '{page}/locales'"
    );
    fs::write(&file, config).unwrap();
    let checked = gatekeeper(&["check", "--config", file.to_str().unwrap()]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    let unknown = gatekeeper(&["page", "--texts", "sw"]);
    let said = String::from_utf8(unknown.stderr).unwrap();
    assert!(!unknown.status.success() && said.contains("there are: en, ar, de"), "{said}");
}

#[tokio::test]
async fn the_preview_shows_a_page_with_its_policy_and_the_mistake_instead_of_a_broken_one() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("gatekeeper.toml");
    let write = |more: &str| {
        let text = format!(
            "[[rooms]]\nname = 'a'\ntitle = 'Hall <b>'\n[[sites]]\nhosts = ['*']\norigins = ['127.0.0.1:9']\nroom = 'a'\n{more}"
        );
        fs::write(&file, text).unwrap();
    };
    write("");
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatekeeper"));
    command.args(["page", "--preview", &address, "--config", file.to_str().unwrap()]).env_clear();
    let preview = Process::spawn("preview", &mut command);
    let client = plain().build().unwrap();
    let ask = async |path: &str| send(client.get(format!("http://{address}{path}"))).await;
    eventually(SOON, async || preview.output().contains(&format!("http://{address}/")).then_some(())).await;
    let index = eventually(SOON, async || {
        let answer = client.get(format!("http://{address}/")).send().await.ok()?;
        answer.text().await.ok()
    })
    .await;
    assert!(index.contains("href=\"/0/ar/nothing_sent\""), "{index}");
    let page = ask("/0/ar/paused").await;
    assert!(
        page.text().contains("<html lang=\"ar\" dir=\"rtl\">") && page.text().contains("<bdi>Hall &lt;b&gt;</bdi>")
    );
    assert!(page.text().contains("data-preview=\"yes\""), "it neither polls nor reloads");
    assert!(page.header("content-security-policy").unwrap().contains("script-src 'sha256-"));
    assert_eq!(ask("/0/ar/none").await.status, 404);
    write("page.texts.en.nxet = 'x'");
    let broken = ask("/0/en/waiting").await;
    assert!(broken.status == 500 && broken.text().contains("no text named nxet"), "{}", broken.text());
    write("page.texts.en.next = 'Almost'");
    assert!(ask("/0/en/next").await.text().contains("Almost"), "what was mended shows");
}
