//! The configuration as a whole: defaults, the environment's forms, and what is said about mistakes.

use super::*;
use crate::queue::{FIELDS, Settings};

const ROOM: &str = "[[rooms]]\nname = 'a'\n";
const GOOD_SECRET: &str = "0123456789abcdef0123456789abcdef";

fn env(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn without_file(variables: &[(&str, &str)]) -> Result<Config, Vec<ConfigError>> {
    Config::load(None, &env(variables))
}

fn parse(text: &str) -> Result<Config, Vec<ConfigError>> {
    Config::parse(text, "x.toml", &Environment::new())
}

/// Every error as one line.
fn errors(result: Result<Config, Vec<ConfigError>>) -> Vec<String> {
    result.map(|_| ()).unwrap_err().iter().map(ToString::to_string).collect()
}

fn warnings(config: &Config) -> String {
    config.warnings.iter().map(|warning| format!("{warning}\n")).collect()
}

/// The reference with its `#name = value` lines made real.
fn whole_reference() -> String {
    let is_setting = |rest: &str| rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[');
    let line = |line: &'static str| line.strip_prefix('#').filter(|rest| is_setting(rest)).unwrap_or(line);
    REFERENCE.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_reference_is_what_runs_without_a_file() {
    let running = without_file(&[]).unwrap();
    let mut read = Config::parse(REFERENCE, "conf/gatekeeper.toml", &Environment::new()).unwrap();
    read.warnings.clone_from(&running.warnings); // they name the file
    assert_eq!(format!("{running:?}"), format!("{read:?}"));
    assert!(changes(&running, &read).is_empty());
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let Config { server, store, rooms, sites, log, .. } = without_file(&[]).unwrap();
    assert_eq!(server.listeners.len(), 1);
    assert_eq!(server.listeners[0].addr.to_string(), "0.0.0.0:8000");
    assert!(server.listeners[0].api && !server.listeners[0].h2c && server.listeners[0].tls.is_none());
    assert!(!server.listeners[0].proxy_protocol);
    assert_eq!((server.shutdown_seconds, server.shutdown_delay_seconds), (25, 0));
    assert!(server.metrics_listen.is_none() && server.state_dir.is_none() && server.threads.is_none());
    let limits = Limits {
        header_bytes: 32_768,
        target_bytes: 8192,
        body_bytes: 0,
        header_seconds: 10,
        body_idle_seconds: 60,
        body_rate: 500,
        write_seconds: 30,
        keepalive_seconds: 60,
        tcp_keepalive_seconds: 60,
        connections: 10_000,
        connections_per_address: 500,
    };
    assert_eq!(server.limits, limits);
    assert_eq!((store.url, store.timeout_ms, store.allow_eviction), (StoreUrl::Memory, 250, false));
    assert_eq!(store.on_store_failure, OnStoreFailure::Local);
    assert_eq!((rooms.len(), rooms[0].name.as_str()), (1, "room1"));
    assert!(rooms[0].settings.is_empty() && rooms[0].keys.is_empty());
    assert_eq!(sites[0].hosts, [HostPattern::Any]);
    assert_eq!(sites[0].origins, [Origin { host: "127.0.0.1".to_owned(), port: 9000, tls: false }]);
    assert_eq!((sites[0].room.as_deref(), sites[0].waiting_status), (Some("room1"), 503));
    assert!(sites[0].protect[0].matches("/") && sites[0].bypass.is_empty() && !sites[0].strip_query_token);
    assert_eq!((sites[0].connect_seconds, sites[0].read_seconds), (2, 30));
    assert_eq!(sites[0].cookie, CookieOptions { same_site: SameSite::Lax, embed: false });
    assert_eq!(log, LogConfig { format: LogFormat::Json, level: LogLevel::Info, access: true });
}

/// The names that serde knows in a table, by asking for one that it doesn't.
fn known_in(root: &Node, at: &At) -> Vec<String> {
    let mut tree = root.clone();
    let foreign = Node { value: Value::Bool(true), place: Place::Default };
    let mut table = &mut tree;
    for step in &at.0 {
        table = match (&mut table.value, step) {
            (Value::Table(entries), report::Step::Key(name)) => entries.get_mut(name).unwrap(),
            (Value::Array(elements), report::Step::Index(index)) => &mut elements[*index],
            _ => unreachable!(),
        };
    }
    table.table_mut().unwrap().insert("zzz".to_owned(), foreign);
    let mut report = Report::new(&tree);
    let _: file::File = read::read(&tree, &mut report);
    let message = report.finish().unwrap_err().into_iter().find(|error| error.path.ends_with("zzz")).unwrap().message;
    message.strip_prefix("is unknown here; known are ").unwrap().split(", ").map(str::to_owned).collect()
}

fn tables(node: &Node, at: &At, found: &mut Vec<At>) {
    match &node.value {
        Value::Table(table) => {
            found.push(at.clone());
            table.iter().for_each(|(name, node)| tables(node, &at.key(name), found));
        }
        Value::Array(list) => list.iter().enumerate().for_each(|(nth, node)| tables(node, &at.index(nth), found)),
        _ => {}
    }
}

#[test]
fn the_reference_names_every_setting() {
    let root = tree::parse(&whole_reference(), None).unwrap();
    let mut found = Vec::new();
    tables(&root, &At::default(), &mut found);
    assert!(found.len() > 15, "{}", found.len());
    // Their names are no fields of ours.
    let is_open =
        |at: &&At| !["rooms[0].settings", "sites[0].page.texts"].iter().any(|open| at.to_string().starts_with(open));
    for at in found.iter().filter(is_open) {
        for name in known_in(&root, at) {
            assert!(root.at(&at.key(&name)).is_some(), "{at} lacks {name}");
        }
    }
    for field in FIELDS {
        let at = At::default().key("rooms").index(0).key("settings").key(field.name);
        assert!(root.at(&at).is_some(), "{at}");
    }
}

#[test]
fn the_examples_of_the_reference_are_right() {
    let vars = [("SHOP_KEY", "k"), ("ID_SECRET", GOOD_SECRET), ("GATE_PASS", GOOD_SECRET)];
    let found = errors(Config::parse(&whole_reference(), "r", &env(&vars)));
    // What remains are files that are not here, and both forms of listeners.
    let expected = ["cannot be read", "is the short form"];
    assert!(found.iter().all(|error| expected.iter().any(|word| error.contains(word))), "{found:#?}");
    assert_eq!(found.len(), 9, "{found:#?}");
    let settings = without_file(&[]).unwrap();
    assert_eq!(Settings::with(&Settings::default(), &settings.rooms[0].settings), Settings::default());
}

#[test]
fn the_settings_shown_in_the_reference_are_the_defaults() {
    let text = whole_reference();
    let start = text.find("[rooms.settings]").unwrap();
    let end = text[start..].find("[[sites]]").unwrap();
    let shown = parse(&format!("{ROOM}{}", &text[start..start + end])).unwrap();
    let shown: Vec<_> = shown.rooms[0].settings.iter().map(|(name, value)| (name, value.clone())).collect();
    let mut defaults = Settings::default().values();
    defaults.sort_by_key(|(name, _)| *name);
    assert_eq!(shown, defaults);
}

#[test]
fn what_an_element_leaves_out_has_its_default() {
    let text = "[[server.listeners]]\naddr = '0.0.0.0:1'\n[[rooms]]\nname = 'a'\n[[sites]]\nhosts = ['h']\n\
                origins = ['o']\ncookie = { embed = true }\n";
    let config = parse(text).unwrap();
    assert!(config.server.listeners[0].api && config.server.listeners.len() == 1);
    let site = &config.sites[0];
    assert!(site.room.is_none() && site.protect[0].matches("/x") && site.read_seconds == 30);
    assert_eq!(site.cookie, CookieOptions { same_site: SameSite::Lax, embed: true });
}

#[test]
fn the_short_variables_make_a_gate() {
    let config = without_file(&[
        ("BUSINESS_IDS", "k1:k2"),
        ("JWT_SECRET", "secrets,may,have,commas,in,them,as,this"),
        ("REDIS_URL", "redis://:pw@r:6379/1"),
        ("GATEKEEPER_LISTEN", "127.0.0.1:1, [::1]:2"),
        ("GATEKEEPER_ORIGIN", "https://o"),
        ("GATEKEEPER_STATE_DIR", "/nowhere/state"),
        ("GATEKEEPER_METRICS_LISTEN", "127.0.0.1:3"),
        ("GATEKEEPER_TRUSTED_PROXIES", "10.0.0.0/8,192.168.0.1"),
        ("GATEKEEPER_ADMISSION_LIMIT", "7"),
        ("GATEKEEPER_ADMISSION_FREQUENCY", "8"),
    ])
    .unwrap();
    let names: Vec<_> = config.rooms.iter().map(|room| (room.name.as_str(), room.keys[0].key.expose())).collect();
    assert_eq!(names, [("room1", "k1"), ("room2", "k2")]);
    assert_eq!(config.sites[0].room.as_deref(), Some("room1"));
    assert_eq!(config.rooms[0].keys[0].scope, Scope::Full);
    for room in &config.rooms {
        let settings = Settings::with(&Settings::default(), &room.settings);
        assert_eq!((settings.admission_limit, settings.admission_frequency), (7, 8));
    }
    assert_eq!(config.tokens.secrets[0].expose(), "secrets,may,have,commas,in,them,as,this");
    assert_eq!(config.store.url, StoreUrl::Redis("redis://:pw@r:6379/1".to_owned()));
    assert_eq!(config.server.listeners[1].addr.to_string(), "[::1]:2");
    assert_eq!(config.sites[0].origins[0].to_string(), "o:443");
    assert_eq!(config.server.metrics_listen.map(|addr| addr.port()), Some(3));
    assert_eq!(config.server.trusted_proxies.len(), 2);
    assert!(config.server.state_dir.is_some() && config.warnings.is_empty());
}

#[test]
fn empty_short_variables_count_as_absent() {
    let config = without_file(&[("REDIS_URL", ""), ("JWT_SECRET", ""), ("BUSINESS_IDS", "")]).unwrap();
    assert_eq!((config.store.url, config.rooms.len()), (StoreUrl::Memory, 1));
}

#[test]
fn a_file_doesn_t_heed_the_short_variables() {
    let variables = env(&[("GATEKEEPER_LISTEN", "nonsense"), ("JWT_SECRET", "short"), ("BUSINESS_IDS", "k")]);
    let config = Config::parse(ROOM, "x.toml", &variables).unwrap();
    assert!(config.tokens.secrets.is_empty() && config.rooms[0].keys.is_empty() && config.sites.is_empty());
}

#[test]
fn an_override_reaches_every_kind_of_value() {
    let config = without_file(&[
        ("GATEKEEPER__SERVER__API_PREFIX", "/gk"),
        ("GATEKEEPER__SERVER__LIMITS__BODY_BYTES", "5"),
        ("GATEKEEPER__SERVER__LISTENERS__0__ADDR", "127.0.0.1:5"),
        ("GATEKEEPER__SERVER__LISTENERS__0__API", "false"),
        ("GATEKEEPER__LOG__FORMAT", "text"),
        ("GATEKEEPER__SITES__0__PROTECT", "/a/**, /b"),
        ("GATEKEEPER__SITES__1__HOSTS", "other"),
        ("GATEKEEPER__SITES__1__ORIGINS", "o"),
        ("GATEKEEPER__ROOMS__0__KEYS__0__KEY", "12345"),
        ("GATEKEEPER__ROOMS__0__SETTINGS__RENEW_READY", "false"),
        ("GATEKEEPER__ROOMS__0__SETTINGS__MESSAGE", "77"),
        ("GATEKEEPER__ROOMS__0__SETTINGS__MAX_ACTIVE", "77"),
    ])
    .unwrap();
    assert_eq!((config.server.api_prefix.as_str(), config.server.limits.body_bytes), ("/gk", 5));
    assert_eq!(config.server.listeners.len(), 1);
    assert!(!config.server.listeners[0].api);
    assert_eq!(config.log.format, LogFormat::Text);
    assert_eq!(config.sites[0].protect.len(), 2);
    assert_eq!((config.sites[1].waiting_status, config.sites[1].room.is_none()), (503, true));
    assert_eq!(config.rooms[0].keys[0].key.expose(), "12345");
    let settings = Settings::with(&Settings::default(), &config.rooms[0].settings);
    assert_eq!((settings.renew_ready, settings.message.as_str(), settings.max_active), (false, "77", 77));
}

#[test]
fn a_list_is_overridden_whole_or_by_element() {
    let list = ("GATEKEEPER__SITES__0__PROTECT", "/a");
    let element = ("GATEKEEPER__SITES__0__PROTECT__0", "/b");
    let config = without_file(&[element]).unwrap();
    assert!(config.sites[0].protect[0].matches("/b") && !config.sites[0].protect[0].matches("/a"));
    assert!(errors(without_file(&[list, element]))[0].starts_with(element.0));
}

#[test]
fn an_override_counts_more_than_the_file() {
    let variables = env(&[("GATEKEEPER__SERVER__THREADS", "4"), ("GATEKEEPER__ROOMS__0__TITLE", "Shop")]);
    let config = Config::parse(&format!("[server]\nthreads = 2\n{ROOM}"), "x.toml", &variables).unwrap();
    assert_eq!((config.server.threads, config.rooms[0].title.as_deref()), (Some(4), Some("Shop")));
}

#[test]
fn a_file_may_take_values_of_any_type_from_variables() {
    let text = "[server]\nthreads = '${N}'\nlisten = '${L}'\n[[rooms]]\nname = 'a'\nkeys = [{ key = '${K}' }]\n\
                settings = { admission_limit = '${N}' }";
    let variables = env(&[("N", "3"), ("L", "127.0.0.1:1,127.0.0.1:2"), ("K", "007")]);
    let config = Config::parse(text, "x.toml", &variables).unwrap();
    assert_eq!((config.server.threads, config.server.listeners.len()), (Some(3), 2));
    assert_eq!(config.rooms[0].keys[0].key.expose(), "007");
    assert_eq!(Settings::with(&Settings::default(), &config.rooms[0].settings).admission_limit, 3);
}

#[test]
fn a_site_of_everything_is_understood() {
    let text = r#"
        server = { listen = ["0.0.0.0:8000"], metrics_listen = "127.0.0.1:9090", trusted_proxies = ["10.0.0.0/8"] }
        store = { url = "redis://127.0.0.1:6379", on_store_failure = "hold" }
        tokens = { secrets = ["${JWT_SECRET}"] }
        [[rooms]]
        name = "checkout"
        keys = [{ key = "${CHECKOUT_KEY}", scope = "full" }, { key = "pk_checkout", scope = "browser" }]
        settings = { admission_limit = 10, admission_frequency = 5 }
        [[sites]]
        hosts = ["shop.example.com"]
        origins = ["127.0.0.1:9000"]
        room = "checkout"
        waiting_status = 429
        cookie = { same_site = "lax", embed = false }
        bypass = [{ path = "/static/**" }, { path = "/webhooks/**", methods = ["POST"], from = ["203.0.113.0/24"],
            header = { name = "X-Pass", value = "${PASS}" } }]"#;
    let variables = env(&[("JWT_SECRET", GOOD_SECRET), ("CHECKOUT_KEY", "sk"), ("PASS", "0123456789abcdef")]);
    let config = Config::parse(text, "x.toml", &variables).unwrap();
    let room = config.room("checkout").unwrap();
    assert_eq!((room.keys[1].scope, room.keys[0].key.expose()), (Scope::Browser, "sk"));
    let site = &config.sites[0];
    assert!(site.hosts[0].matches("shop.example.com") && site.waiting_status == 429);
    assert!(site.bypass[0].methods.is_empty() && site.bypass[0].path.matches("/static/x.css"));
    let (name, value) = site.bypass[1].header.clone().unwrap();
    assert_eq!((name.as_str(), value.expose()), ("x-pass", "0123456789abcdef"));
    assert_eq!(site.bypass[1].methods, [http::Method::POST]);
    assert_eq!(config.store.on_store_failure, OnStoreFailure::Hold);
    assert!(config.warnings.is_empty(), "{}", warnings(&config));
}

/// What is wrong, after a good room in lines 1 and 2; the place that must be named, and a word of the complaint.
const BROKEN: &[(&str, &str, &str)] = &[
    ("[server", "x.toml:3: ", ""),
    ("[server]\nthreads = ", "x.toml:4: ", ""),
    ("[server]\nthreads = 1\nthreads = 2", "x.toml:5: ", "duplicate"),
    ("[sever]", "x.toml:3: sever: ", "known are"),
    ("[server]\n\nthread = 2", "x.toml:5: server.thread: ", "threads"),
    ("[server]\nthreads = 'two'", "x.toml:4: server.threads: ", "whole number"),
    ("[server]\nthreads = 1.5", "x.toml:4: server.threads: ", "whole number"),
    ("[server]\nthreads = 0", "x.toml:4: server.threads: ", "1 to 1024"),
    ("[server]\nlisten = '0.0.0.0:8000'", "x.toml:4: server.listen: ", "list"),
    ("[server]\nlisten = []", "x.toml:4: server.listen: ", "at least one"),
    ("[server]\nlisten = [\n 'localhost:80',\n]", "x.toml:5: server.listen[0]: ", "address with a port"),
    ("[server]\nlisten = ['0.0.0.0:1', '127.0.0.1:1']", "x.toml:4: server.listen[1]: ", "already taken"),
    (
        "[server]\nlisten = ['0.0.0.0:1']\nmetrics_listen = '127.0.0.1:1'",
        "x.toml:5: server.metrics_listen: ",
        "already",
    ),
    (
        "[server]\nlisten = ['0.0.0.0:1']\n[[server.listeners]]\naddr = '0.0.0.0:2'",
        "x.toml:4: server.listen: ",
        "short form",
    ),
    ("[[server.listeners]]\napi = true", "x.toml:3: server.listeners[0].addr: ", "address with a port"),
    (
        "[[server.listeners]]\naddr = '0.0.0.0:2'\ntls = { cert = '/none.crt', key = '/none.key' }",
        "x.toml:5: server.listeners[0].tls.cert: ",
        "cannot be read",
    ),
    ("[server]\ntrusted_proxies = ['10.0.0.0/8', '10.0.0.0/99']", "x.toml:4: server.trusted_proxies[1]: ", "network"),
    ("[server]\napi_prefix = 'gk/'", "x.toml:4: server.api_prefix: ", "begin with /"),
    ("[server]\ncors_origins = ['*']", "x.toml:4: server.cors_origins[0]: ", "https://"),
    ("[server.limits]\nheader_bytes = 1", "x.toml:4: server.limits.header_bytes: ", "1024 to 1048576"),
    ("[server.limits]\nbody_bytes = -1", "x.toml:4: server.limits.body_bytes: ", "not negative"),
    ("[store]\nurl = 'http://h'", "x.toml:4: store.url: ", "redis://"),
    ("[store]\nurl = 'redis://h'", "tokens.secrets: ", "JWT_SECRET"),
    ("[store]\nca_file = '/dev/null'", "x.toml:4: store.ca_file: ", "must be a file"),
    ("[store]\non_store_failure = 'close'", "x.toml:4: store.on_store_failure: ", "local, hold, open"),
    ("[store]\nallow_eviction = 'yes'", "x.toml:4: store.allow_eviction: ", "true or false"),
    ("[store]\ntimeout_ms = 0", "x.toml:4: store.timeout_ms: ", "10 to 10000"),
    ("[tokens]\nsecrets = ['short']", "x.toml:4: tokens.secrets[0]: ", "32 bytes"),
    ("[tokens]\nid_secret = 'short'", "x.toml:4: tokens.id_secret: ", "32 bytes"),
    ("[tokens]\nsecrets = ['change-me-change-me-change-me-change-me']", "x.toml:4: tokens.secrets[0]: ", "sample"),
    ("[tokens]\nsecrets = [\n'${NO_SUCH}']", "x.toml:5: tokens.secrets[0]: ", "NO_SUCH"),
    ("[tokens]\nsecrets = ['x${NO_SUCH}']", "x.toml:4: tokens.secrets[0]: ", "whole value"),
    ("[[rooms]]\ntitle = 'B'", "x.toml:3: rooms[1].name: ", "a-z"),
    ("[[rooms]]\nname = 'B'", "x.toml:4: rooms[1].name: ", "a-z"),
    ("[[rooms]]\nname = 'a'", "x.toml:4: rooms[1].name: ", "rooms[0]"),
    ("[[rooms]]\nname = 'b'\ntitle = ''", "x.toml:5: rooms[1].title: ", "100"),
    ("[[rooms]]\nname = 'b'\nkeys = [{ key = 'a b' }]", "x.toml:5: rooms[1].keys[0].key: ", "visible ASCII"),
    ("[[rooms]]\nname = 'b'\nkeys = [{ key = 'x' }, { key = 'x' }]", "x.toml:5: rooms[1].keys[1].key: ", "same as"),
    (
        "[[rooms]]\nname = 'b'\nkeys = [{ key = 'x', scope = 'all' }]",
        "x.toml:5: rooms[1].keys[0].scope: ",
        "full, browser",
    ),
    ("[[rooms]]\nname = 'b'\nkeys = ['x']", "x.toml:5: rooms[1].keys[0]: ", "a table"),
    ("[rooms.settings]\nadmission_limit = 0", "x.toml:4: rooms[0].settings.admission_limit: ", "1 to 1000000"),
    ("[rooms.settings]\nadmission_limit = '5'", "x.toml:4: rooms[0].settings.admission_limit: ", "1 to 1000000"),
    ("[rooms.settings]\nadmission_limit = 1e309", "x.toml:4: rooms[0].settings.admission_limit: ", "1 to 1000000"),
    (
        "[rooms.settings]\nadmission_limit = 9223372036854775808",
        "x.toml:4: rooms[0].settings.admission_limit: ",
        "1 to",
    ),
    ("[rooms.settings]\nadmision_limit = 1", "x.toml:4: rooms[0].settings.admision_limit: ", "not a setting"),
    ("[rooms.settings]\nmode = 'on'", "x.toml:4: rooms[0].settings.mode: ", "auto"),
    ("[[sites]]\norigins = ['o']", "x.toml:3: sites[0].hosts: ", "at least one"),
    ("[[sites]]\nhosts = ['h']\norigins = []", "x.toml:5: sites[0].origins: ", "at least one"),
    ("[[sites]]\nhosts = ['h:80']\norigins = ['o']", "x.toml:4: sites[0].hosts[0]: ", "without scheme and port"),
    ("[[sites]]\nhosts = ['h', 'H.']\norigins = ['o']", "x.toml:4: sites[0].hosts[1]: ", "sites[0].hosts[0]"),
    ("[[sites]]\nhosts = ['h']\norigins = ['o', 'ftp://o']", "x.toml:5: sites[0].origins[1]: ", "https://host:port"),
    ("[[sites]]\nhosts = ['h']\norigins = ['127.0.0.1:8000']", "x.toml:5: sites[0].origins[0]: ", "circles"),
    ("[[sites]]\nhosts = ['h']\norigins = ['o']\nroom = 'b'", "x.toml:6: sites[0].room: ", "[[rooms]]"),
    ("[[sites]]\nhosts = ['h']\norigins = ['o']\nprotect = []", "x.toml:6: sites[0].protect: ", "at least one"),
    (
        "[[sites]]\nhosts = ['h']\norigins = ['o']\nprotect = ['/**/x']",
        "x.toml:6: sites[0].protect[0]: ",
        "last segment",
    ),
    ("[[sites]]\nhosts = ['h']\norigins = ['o']\nwaiting_status = 302", "x.toml:6: sites[0].waiting_status: ", "202"),
    (
        "[[sites]]\nhosts = ['h']\norigins = ['o']\ntemplate = '/none'",
        "x.toml:6: sites[0].template: ",
        "cannot be read",
    ),
    (
        "[[sites]]\nhosts = ['h']\norigins = ['o']\npage.logo = 'logo.exe'",
        "x.toml:6: sites[0].page.logo: ",
        ".svg, .png",
    ),
    (
        "[[sites]]\nhosts = ['h']\norigins = ['o']\npage.languages = '/none'",
        "x.toml:6: sites[0].page.languages: ",
        "read",
    ),
    (
        "[[sites]]\nhosts = ['h']\norigins = ['o']\npage.light.ink = 'black'",
        "x.toml:6: sites[0].page.light.ink: ",
        "#0b6670",
    ),
    (
        "[[sites]]\nhosts = ['h']\norigins = ['o']\npage.light.accent = '#ffd400'",
        "x.toml:6: sites[0].page.light.accent: ",
        "accent on sheet has a contrast of 1.4",
    ),
    (
        "[[sites]]\nhosts = ['h']\norigins = ['o']\npage.dark.sheet = '#808080'",
        "x.toml:6: sites[0].page.dark.sheet: ",
        "darker or lighter",
    ),
    (
        "[[sites]]\nhosts = ['h']\norigins = ['o']\ncookie.same_site = 'Lax'",
        "x.toml:6: sites[0].cookie.same_site: ",
        "lax",
    ),
    ("[[sites]]\nhosts = ['h']\norigins = ['o']\nhealth.path = 'x'", "x.toml:6: sites[0].health.path: ", "/health"),
    ("[[sites]]\nhosts = ['h']\norigins = ['o']\nhealth = true", "x.toml:6: sites[0].health: ", "table"),
    (
        "[[sites]]\nhosts = ['h']\norigins = ['o']\n[[sites.bypass]]",
        "x.toml:6: sites[0].bypass[0].path: ",
        "begin with /",
    ),
    (
        "[[sites]]\nhosts = ['h']\norigins = ['o']\nbypass = [{ path = '/', methods = ['get'] }]",
        "x.toml:6: sites[0].bypass[0].methods[0]: ",
        "capitals",
    ),
    (
        "[[sites]]\nhosts = ['h']\norigins = ['o']\nbypass = [{ path = '/', from = ['here'] }]",
        "x.toml:6: sites[0].bypass[0].from[0]: ",
        "network",
    ),
    (
        "[[sites]]\nhosts = ['h']\norigins = ['o']\nbypass = [{ path = '/', header = { name = 'x', value = 'guess' } }]",
        "x.toml:6: sites[0].bypass[0].header.value: ",
        "16",
    ),
    ("[log]\nlevel = 'loud'", "x.toml:4: log.level: ", "error, warn"),
    ("[log]\naccess = 1", "x.toml:4: log.access: ", "true or false"),
];

#[test]
fn each_mistake_is_named_with_its_place_and_what_would_be_right() {
    for (text, place, word) in BROKEN {
        let found = errors(parse(&format!("{ROOM}{text}")));
        let fits = |error: &&String| error.starts_with(place) && error.contains(word);
        assert!(found.iter().any(|error| fits(&error)), "{text}\nexpected {place}…{word}, found {found:#?}");
    }
}

#[test]
fn a_lone_mistake_makes_one_complaint() {
    let with_others = ["tls = {", "[server\n", "threads = \n"];
    for (text, ..) in BROKEN.iter().filter(|(text, ..)| !with_others.iter().any(|other| text.contains(other))) {
        let found = errors(parse(&format!("{ROOM}{text}")));
        let allowed = if text.contains("ca_file") { 2 } else { 1 };
        assert!(found.len() <= allowed, "{text}\n{found:#?}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let text = "[log]\nlevel = 'loud'\n[server]\nthreads = 'x'\nthread = 1\nlisten = [5]\n[store]\ntimeout_ms = 1\n\
                [[rooms]]\nname = '!'\nkeys = [{ key = '' }]\nsettings = { mode = 1, message = 2 }\n\
                [[sites]]\nhosts = ['a', 'a']\norigins = ['o']\nroom = '?'";
    let found = errors(parse(text));
    let places: Vec<_> = found.iter().map(|error| error.split(": ").take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        places,
        [
            "x.toml:2 log.level",
            "x.toml:4 server.threads",
            "x.toml:5 server.thread",
            "x.toml:6 server.listen[0]",
            "x.toml:8 store.timeout_ms",
            "x.toml:10 rooms[0].name",
            "x.toml:11 rooms[0].keys[0].key",
            "x.toml:12 rooms[0].settings.message",
            "x.toml:12 rooms[0].settings.mode",
            "x.toml:14 sites[0].hosts[1]",
            "x.toml:16 sites[0].room",
        ]
    );
}

#[test]
fn mistakes_in_the_environment_name_the_variable() {
    let cases = [
        ("GATEKEEPER__SERVER__API_PREFIX", "x", "server.api_prefix: ", "begin with /"),
        ("GATEKEEPER__SERVER__PREFIX", "x", "server.prefix: ", "unknown"),
        ("GATEKEEPER__SEVER__PREFIX", "x", "sever: ", "unknown"),
        ("GATEKEEPER__SERVER__THREADS", "two", "server.threads: ", "whole number"),
        ("GATEKEEPER__LOG__ACCESS", "yes", "log.access: ", "true or false"),
        ("GATEKEEPER__SERVER__THREADS__0", "1", "server.threads: ", "whole number"),
        ("GATEKEEPER__SERVER__LISTEN__2", "x", "server.listen[2]: ", "gaps"),
        ("GATEKEEPER__SERVER__LISTEN__X", "x", "server.listen.x: ", "numbered"),
        ("GATEKEEPER__ROOMS__NAME", "x", "rooms.name: ", "numbered"),
        ("GATEKEEPER__SITES", "x", "sites: ", "a table"),
        ("GATEKEEPER__", "x", "", "unknown"),
        ("GATEKEEPER__ROOMS__0__SETTINGS__MAX_ACTIVE", "-1", "rooms[0].settings.max_active: ", "0 to"),
        ("GATEKEEPER_ADMISSION_LIMIT", "none", "rooms[0].settings.admission_limit: ", "1 to"),
        ("GATEKEEPER_ORIGIN", "http://o/x", "sites[0].origins[0]: ", "without a path"),
        ("JWT_SECRET", SAMPLE_SECRET, "tokens.secrets[0]: ", "sample"),
        ("BUSINESS_IDS", "k:k", "rooms[1].keys[0].key: ", "same"),
        ("BUSINESS_IDS", ":", "rooms: ", "at least one"),
    ];
    for (name, value, path, word) in cases {
        let found = errors(without_file(&[(name, value)]));
        let prefix = format!("{name}: {path}");
        let fits = |error: &String| error.starts_with(&prefix) && error.contains(word);
        assert!(found.iter().any(fits), "{name}={value}: expected {prefix}…{word}, found {found:#?}");
    }
}

#[test]
fn a_missing_file_is_one_error() {
    let found = errors(Config::load(Some(Path::new("/no/such.toml")), &Environment::new()));
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("/no/such.toml: cannot be read"), "{found:?}");
}

#[test]
fn a_file_is_loaded_with_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gk.toml");
    std::fs::write(&path, "[[rooms]]\nname = 'a'\n\n[server]\nx = 1").unwrap();
    let found = errors(Config::load(Some(&path), &Environment::new()));
    assert!(found[0].starts_with(&format!("{}:5: server.x: ", path.display())), "{found:?}");
}

#[test]
fn no_secret_is_shown_by_errors_warnings_or_debug() {
    let text = "[store]\nurl = 'redis://:HUSH@h'\n[tokens]\nsecrets = ['HUSH56789-123456789-123456789-12']\n\
                [[rooms]]\nname = 'a'\nkeys = [{ key = 'HUSH' }]\n[[sites]]\nhosts = ['h']\norigins = ['o']\n\
                bypass = [{ path = '/', header = { name = 'x', value = 'HUSH56789-123456789' } }]";
    let config = parse(text).unwrap();
    assert!(!format!("{config:?} {}", warnings(&config)).contains("HUSH"));
    let broken = "[store]\nurl = ':HUSH@h'\n[tokens]\nsecrets = ['HUSH']\nid_secret = ['HUSH']\n[[rooms]]\n\
                  name = 'HUSH'\nkeys = [{ key = 'HUSH x' }, 'HUSH']\nsettings = 'HUSH'\n[log]\nlevel = 'HUSH'";
    let found = errors(parse(broken));
    assert!(found.len() >= 7 && !found.concat().contains("HUSH"), "{found:#?}");
    for wrong in
        ["a = HUSH", "a = 'HUSH", "a = \"HUSH\\q\"", "a = 'HUSH' 'HUSH'", "a 'HUSH'", "a = [HUSH]", "a = 1HUSH"]
    {
        let found = errors(parse(wrong));
        assert!(!found.is_empty() && !found.concat().contains("HUSH"), "{found:#?}");
    }
}

#[test]
fn what_works_but_is_hardly_meant_is_a_warning() {
    let site = "[[sites]]\nhosts = ['h']\norigins = ['o']\ncookie.same_site = 'none'";
    let said = warnings(&parse(&format!("{ROOM}{site}")).unwrap());
    for word in
        ["tokens.secrets: none", "rooms[0].keys: none", "x.toml:3: sites[0].room: is not", "cookie: needs https"]
    {
        assert!(said.contains(word), "{word} in {said}");
    }
    let said = warnings(&parse(&format!("[server]\ntrusted_proxies = ['0.0.0.0/0']\n{ROOM}{site}")).unwrap());
    assert!(said.contains("trusts everybody") && !said.contains("https"), "{said}");
    assert!(warnings(&parse(ROOM).unwrap()).contains("nothing is forwarded"));
}

#[test]
fn the_sample_environment_is_refused_for_its_secret_alone() {
    let sample = include_str!("../../.env.example");
    let lines = sample.lines().map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line));
    let pairs = lines.filter_map(|line| line.split_once('=')).filter(|(name, _)| !name.starts_with('#'));
    let mut variables: Environment = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    assert!(variables.len() > 10);
    let found = errors(Config::load(None, &variables));
    assert!(found.len() == 1 && found[0].contains("JWT_SECRET: tokens.secrets[0]: is the sample"), "{found:#?}");
    variables.insert("JWT_SECRET".to_owned(), GOOD_SECRET.to_owned());
    let config = Config::load(None, &variables).unwrap();
    assert_eq!((config.rooms.len(), config.warnings.len()), (2, 0));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(\\[\\[?(server|rooms|sites|store)\\]\\]?\n|(name|listen|hosts|url|protect) = ('[ -~]{0,9}'|\\[.{0,5}\\]|[0-9.e-]{1,5})\n|[ -~]{0,5}\n){0,8}") {
        if let Err(errors) = parse(&text) {
            proptest::prop_assert!(!errors.is_empty());
        }
    }
}
