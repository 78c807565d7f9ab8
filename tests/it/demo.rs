//! `gatekeeper demo` and `gatekeeper check`, as somebody who tries them meets them.

use crate::support::client::Browser;
use crate::support::ports::free_port;
use crate::support::process::Process;
use crate::support::{SOON, eventually, eventually_true};
use std::process::Command;
use std::time::Duration;

/// The page says so much at most: a line of eighteen at three in five seconds, on a slow machine.
const IN_LINE: Duration = Duration::from_secs(120);

fn gatekeeper() -> Command {
    Command::new(env!("CARGO_BIN_EXE_gatekeeper"))
}

#[tokio::test]
async fn who_opens_the_demo_sees_the_line_and_gets_in() {
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = gatekeeper();
    command.args(["demo", "--listen", &address]).env_clear();
    let demo = Process::spawn("demo", &mut command);
    // As anybody does: the address is opened as soon as it is there.
    eventually_true(SOON * 2, || demo.output().contains(&format!("Open  http://{address}/"))).await;
    let browser = Browser::new(&format!("http://{address}"));
    let page = browser.open("/").await;
    assert_eq!(page.status, 503, "{}", page.text());
    assert!(page.text().contains("Harbour Hall Tickets"));
    eventually(IN_LINE, async || {
        browser.fetch(http::Method::GET, "/.gatekeeper/queue/status?room=demo").await.json()["ready"]
            .as_bool()
            .filter(|ready| *ready)
    })
    .await;
    let shop = browser.open("/").await;
    assert_eq!(shop.status, 200);
    assert!(shop.text().contains("You are in"));

    demo.signal("INT");
    demo.wait_exit(SOON).await;
    let said = demo.output();
    assert!(
        !said.contains("WARN") && !said.contains("tokens.secrets"),
        "nothing here is for its visitor to mend: {said}"
    );
}

#[test]
fn a_taken_address_is_said_with_the_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = gatekeeper().args(["demo", "--listen", &address]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("--listen") && said.contains(&address), "{said}");
}

#[test]
fn check_says_everything_that_is_wrong_each_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bad.toml");
    std::fs::write(&file, "[[rooms]]\nname = \"Shop!\"\nsettings = { admission_limit = 0 }\n[[sites]]\nhosts = [\"*\"]\norigins = []\nroom = \"x\"\n").unwrap();
    let output = gatekeeper().args(["check", "--config"]).arg(&file).env_clear().output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{said}");
    for (line, place) in
        [(2, "rooms[0].name"), (3, "rooms[0].settings.admission_limit"), (6, "sites[0].origins"), (7, "sites[0].room")]
    {
        assert!(said.contains(&format!("bad.toml:{line}: {place}: ")), "{place} in {said}");
    }
}

#[test]
fn check_names_a_guessable_secret_once_and_where_it_stands() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bad.toml");
    let weak = "ab".repeat(20);
    let text = format!("[[rooms]]\nname = \"a\"\n[tokens]\nsecrets = [\n  \"{weak}\",\n]\n");
    std::fs::write(&file, text).unwrap();
    let output = gatekeeper().args(["check", "--config"]).arg(&file).env_clear().output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("bad.toml:5: tokens.secrets[0]: is ") && said.contains("guessed"), "{said}");
    assert_eq!(said.matches("tokens.").count(), 1, "{said}");
    assert!(!said.contains(&weak), "{said}");
}

#[test]
fn the_sample_of_the_environment_is_handed_over_as_it_says() {
    let directory = tempfile::tempdir().unwrap();
    let sample = include_str!("../../.env.example");
    let words = "set -a; . ./.env; set +a; gatekeeper run";
    assert!(sample.contains(words));
    let check = format!("{} check", words.strip_suffix(" run").unwrap());
    let checked = |text: &str| {
        std::fs::write(directory.path().join(".env"), text).unwrap();
        let programs = std::path::Path::new(env!("CARGO_BIN_EXE_gatekeeper")).parent().unwrap();
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &check]).current_dir(directory.path()).env_clear().env("PATH", programs).output().unwrap()
    };
    let refused = checked(sample);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(78) && said.contains("JWT_SECRET"), "it was read: {said}");
    let made = checked(&sample.replace("JWT_SECRET=change-me", "JWT_SECRET=Zx81+/q9=="));
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
