//! What is measured: one function per section of docs/performance.md.

use crate::call::{self, call, navigation};
use crate::plot::{self, Line};
use crate::process::Server;
use crate::report::{self, Target, cpu, p50};
use crate::rounds::{Effort, Requests, Subject, measure, median, range};
use crate::stage::{BUSY, Gate, OPEN, Running, STATUS, Stage, with_cookie};
use std::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// What a section gives: its text, and a plot with its file's name.
pub struct Section {
    pub text: String,
    pub plots: Vec<(&'static str, String)>,
}

/// Measures a section.
pub type Measure = fn(&mut Stage, Effort) -> io::Result<Section>;

/// Every section with the rows of the table of targets that it covers.
pub const ALL: [(&str, &[&str], Measure); 6] = [
    ("forward", &["1", "2", "4"], forward),
    ("rate", &["3"], rate),
    ("answers", &["6", "7", "8"], answers),
    ("idle", &["12"], idle),
    ("crowd", &["13"], crowd),
    ("start", &["14"], start),
];

const RATE: u32 = 4000;
const IDLE_CONNECTIONS: usize = 1000;

fn text(text: String) -> Section {
    Section { text, plots: Vec::new() }
}

/// The same request in every round.
fn always<'a>(request: Vec<u8>) -> Requests<'a> {
    Box::new(move || Ok(vec![request.clone()]))
}

/// A visitor who is inside, with the cookie as a browser has it by then.
fn inside<'a>(gate: &'a Running, path: &'static str) -> io::Result<Requests<'a>> {
    let mut cookie = [gate.admitted()?];
    Ok(Box::new(move || {
        gate.refresh(&mut cookie)?;
        Ok(vec![navigation(path, &with_cookie(&cookie[0]))])
    }))
}

/// Rows 1, 2 and 4: what forwarding costs.
fn forward(stage: &mut Stage, effort: Effort) -> io::Result<Section> {
    let bare = stage.peer("bare")?;
    let quiet = stage.gate("gate", OPEN)?;
    let logging = stage.gate("gate-logging", Gate { log: true, ..OPEN })?;
    let nginx = if has("nginx") { Some(stage.nginx()?) } else { None };
    let haproxy = if has("haproxy") { Some(stage.haproxy()?) } else { None };
    // A token of this gate, which the peers check too: they share the secret.
    let cookie = with_cookie(&quiet.admitted()?);
    let plain = || always(navigation("/", &cookie));
    let subject = |name, server, port, requests| Subject { name, server, port, requests, status: 200 };
    let mut subjects = vec![
        subject("bare", &bare, bare.port, plain()),
        subject("gatekeeper, admitted", &quiet.server, quiet.server.port, inside(&quiet, "/")?),
        subject("gatekeeper, admitted, access log on", &logging.server, logging.server.port, inside(&logging, "/")?),
        subject(
            "gatekeeper, path without gate",
            &quiet.server,
            quiet.server.port,
            always(navigation("/static/a.css", &cookie)),
        ),
    ];
    if let Some((server, checked)) = &nginx {
        subjects.push(subject("nginx proxy_pass", server, server.port, plain()));
        subjects.push(subject("nginx + njs JWT", server, *checked, plain()));
    }
    if let Some(server) = &haproxy {
        subjects.push(subject("haproxy + jwt_verify", server, server.port, plain()));
    }
    let samples = measure(effort, &mut subjects, None)?;
    let gate = "gatekeeper, admitted";
    let row = |row, what, ours, theirs, target, least| Target { row, what, ours, theirs, of: cpu, target, least };
    let targets = [
        row("1", "admitted request / bare, access log off", gate, "bare", 1.00, 1.08),
        row("1", "admitted request / bare, access log on", "gatekeeper, admitted, access log on", "bare", 1.00, 1.08),
        row("2", "admitted request / nginx + njs JWT", gate, "nginx + njs JWT", 0.97, 1.05),
        row("2", "admitted request / haproxy + jwt_verify", gate, "haproxy + jwt_verify", 1.20, 1.55),
        row("4", "path without gate / bare", "gatekeeper, path without gate", "bare", 0.97, 1.03),
    ];
    Ok(text(format!("{}\n{}", report::targets(&samples, &targets), report::costs(&samples, false))))
}

/// Row 3: at a rate that leaves the server time to sleep.
fn rate(stage: &mut Stage, effort: Effort) -> io::Result<Section> {
    let bare = stage.peer("bare")?;
    let gate = stage.gate("gate", OPEN)?;
    let cookie = with_cookie(&gate.admitted()?);
    let subject = |name, server, port, requests| Subject { name, server, port, requests, status: 200 };
    let mut subjects = [
        subject("bare", &bare, bare.port, always(navigation("/", &cookie))),
        subject("gatekeeper, admitted", &gate.server, gate.server.port, inside(&gate, "/")?),
    ];
    let samples = measure(effort, &mut subjects, Some(RATE))?;
    let row = |what, of| Target {
        row: "3",
        what,
        ours: "gatekeeper, admitted",
        theirs: "bare",
        of,
        target: 1.00,
        least: 1.08,
    };
    let targets = [row("p50 at 4,000 requests/s / bare", p50), row("CPU at 4,000 requests/s / bare", cpu)];
    Ok(text(format!("{}\n{}", report::targets(&samples, &targets), report::costs(&samples, true))))
}

fn polls<'a>(gate: &'a Running, mut cookies: Vec<String>) -> Requests<'a> {
    Box::new(move || {
        gate.refresh(&mut cookies)?;
        Ok(cookies.iter().map(|cookie| call::poll(STATUS, &with_cookie(cookie))).collect())
    })
}

/// Rows 6, 7 and 8: what the crowd costs that waits.
fn answers(stage: &mut Stage, effort: Effort) -> io::Result<Section> {
    let (hello, page) = (stage.peer("hello")?, stage.peer("page10k")?);
    let gate = stage.gate("gate", BUSY)?;
    let cookies = gate.waiting()?;
    stage.crowd(&gate, 100_000)?;
    let mut again = cookies.clone();
    let mut one = vec![cookies[0].clone()];
    let pages = |cookies: &[String]| -> Vec<Vec<u8>> {
        cookies.iter().map(|cookie| navigation("/book?seat=14", &with_cookie(cookie))).collect()
    };
    let request = || always(navigation("/", &with_cookie(&cookies[0])));
    let subject = |name, server, port, requests, status| Subject { name, server, port, requests, status };
    let (server, port) = (&gate.server, gate.server.port);
    let mut subjects = [
        subject("hello", &hello, hello.port, request(), 200),
        subject("gatekeeper, poll", server, port, polls(&gate, cookies.clone()), 200),
        subject("page10k", &page, page.port, request(), 200),
        subject(
            "gatekeeper, page again, 64 visitors",
            server,
            port,
            Box::new(|| {
                gate.refresh(&mut again)?;
                Ok(pages(&again))
            }),
            503,
        ),
        subject(
            "gatekeeper, page again, one visitor",
            server,
            port,
            Box::new(|| {
                gate.refresh(&mut one)?;
                Ok(pages(&one))
            }),
            503,
        ),
        subject("gatekeeper, newcomer", server, port, always(navigation("/book?seat=14", "")), 503),
    ];
    let samples = measure(effort, &mut subjects, None)?;
    let row = |row, what, ours, theirs, target, least| Target { row, what, ours, theirs, of: cpu, target, least };
    let targets = [
        row("6", "status poll / hello", "gatekeeper, poll", "hello", 1.15, 1.40),
        row(
            "7",
            "waiting page again / page10k, 64 visitors in turn",
            "gatekeeper, page again, 64 visitors",
            "page10k",
            0.80,
            1.00,
        ),
        row(
            "7",
            "waiting page again / page10k, one visitor",
            "gatekeeper, page again, one visitor",
            "page10k",
            0.80,
            1.00,
        ),
        row("8", "new visitor when busy / page10k", "gatekeeper, newcomer", "page10k", 1.30, 1.60),
    ];
    let calls = gate.store_calls()?;
    Ok(text(format!(
        "{}\n{}\nWith 100,000 waiting. Store calls of the gate in all of this: {calls}.\n",
        report::targets(&samples, &targets),
        report::costs(&samples, false)
    )))
}

/// Row 12: what a connection holds that has been used once and stays open.
fn idle(stage: &mut Stage, effort: Effort) -> io::Result<Section> {
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds.min(4) {
        let peer = stage.peer("bare")?;
        bare.push(held(&peer, &navigation("/", ""))?);
        let gate = stage.gate("gate", OPEN)?;
        let request = navigation("/", &with_cookie(&gate.admitted()?));
        ours.push(held(&gate.server, &request)?);
    }
    let ratios: Vec<f64> = ours.iter().zip(&bare).map(|(ours, bare)| ours / bare).collect();
    let (low, high) = range(&ratios);
    let (middle, (target, least)) = (median(&ratios), (0.30, 0.40));
    Ok(text(format!(
        "| # | what | target | least | measured: median of the ratios (least to most) | |\n|---|---|---|---|---|---|\n\
         | 12 | idle keep-alive connection / bare | {target:.2} | {least:.2} | {middle:.2} ({low:.2} to {high:.2}) | {} |\n\n\
         A connection that has proxied one request and stays open holds {:.1} KiB of resident memory, one of bare {:.1} KiB \
         ({IDLE_CONNECTIONS} connections, a fresh process each time).\n",
        report::verdict(middle, target, least),
        median(&ours),
        median(&bare)
    )))
}

/// KiB per connection.
fn held(server: &Server, request: &[u8]) -> io::Result<f64> {
    call(server.port, request)?;
    let before = server.resident_kib()?;
    let mut open = Vec::new();
    for _ in 0..IDLE_CONNECTIONS {
        let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, server.port)))?;
        stream.write_all(request)?;
        let (mut read, mut buffer) = (0, [0; 4096]);
        while read < 1024 {
            read += match stream.read(&mut buffer)? {
                0 => return Err(io::Error::other("the server closed a connection")),
                length => length,
            };
        }
        open.push(stream);
    }
    thread::sleep(Duration::from_millis(500));
    Ok((server.resident_kib()? as f64 - before as f64) / IDLE_CONNECTIONS as f64)
}

/// Row 14: from `kill -9` until a request is forwarded again.
fn start(stage: &mut Stage, effort: Effort) -> io::Result<Section> {
    let (words, port) = stage.peer_words("bare")?;
    let mut bare = stage.peer("bare")?;
    bare.kill();
    bare.port = port;
    let mut gate = stage.gate("gate", OPEN)?;
    let request = navigation("/", &with_cookie(&gate.admitted()?));
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        let killed = Instant::now();
        stage.restart_peer(&mut bare, &words)?;
        theirs.push(first_answer(killed, port, &request)?);
        bare.kill();
        let killed = Instant::now();
        stage.restart(&mut gate)?;
        ours.push(first_answer(killed, gate.server.port, &request)?);
    }
    let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
    let ((low, high), middle) = (range(&ratios), median(&ratios));
    Ok(text(format!(
        "| # | what | target | least | measured: median of the ratios (least to most) | |\n|---|---|---|---|---|---|\n\
         | 14 | kill -9 to the first proxied 200 / bare | 2.00 | 5.00 | {middle:.2} ({low:.2} to {high:.2}) | {} |\n\n\
         From the kill to the first forwarded answer: {:.0} ms (most: {:.0} ms); bare: {:.0} ms.\n",
        report::verdict(middle, 2.0, 5.0),
        median(&ours),
        range(&ours).1,
        median(&theirs)
    )))
}

/// ms until a request of somebody inside is forwarded.
fn first_answer(since: Instant, port: u16, request: &[u8]) -> io::Result<f64> {
    while since.elapsed() < Duration::from_secs(30) {
        if call(port, request).is_ok_and(|answer| answer.status == 200) {
            return Ok(since.elapsed().as_secs_f64() * 1000.0);
        }
        thread::sleep(Duration::from_micros(500));
    }
    Err(io::Error::other("no answer within 30 s"))
}

/// Row 13: whether the cost of one depends on how many there are.
fn crowd(stage: &mut Stage, effort: Effort) -> io::Result<Section> {
    let sizes: [(u64, &'static str); 4] =
        [(1_000, "1,000"), (10_000, "10,000"), (100_000, "100,000"), (1_000_000, "1,000,000")];
    let (mut gates, mut syncs) = (Vec::new(), Vec::new());
    for (people, label) in sizes {
        let gate = stage.gate(&format!("gate-{people}"), BUSY)?;
        let cookies = gate.waiting()?;
        stage.crowd(&gate, people)?;
        syncs.push(sync_ms(stage, &gate)?);
        gate.pause(true)?; // so that the next one has Redis for itself
        gates.push((gate, cookies, label));
    }
    for (gate, ..) in &gates {
        gate.pause(false)?;
    }
    thread::sleep(Duration::from_secs(1));
    let mut subjects: Vec<Subject<'_>> = gates
        .iter()
        .map(|(gate, cookies, label)| Subject {
            name: label,
            server: &gate.server,
            port: gate.server.port,
            requests: polls(gate, cookies.clone()),
            status: 200,
        })
        .collect();
    let samples = measure(effort, &mut subjects, None)?;
    let resident: Vec<f64> =
        gates.iter().map(|(gate, ..)| Ok(gate.server.resident_kib()? as f64 / 1024.0)).collect::<io::Result<_>>()?;
    let polls: Vec<f64> = sizes
        .iter()
        .map(|(_, label)| median(&samples.of(label).unwrap_or_default().iter().map(cpu).collect::<Vec<_>>()))
        .collect();
    let target = Target {
        row: "13",
        what: "CPU of a poll at 1,000,000 waiting / at 1,000",
        ours: "1,000,000",
        theirs: "1,000",
        of: cpu,
        target: 1.1,
        least: 1.5,
    };
    let mut out = report::targets(&samples, &[target]);
    let most = syncs.last().copied().unwrap_or(f64::NAN);
    let _ = writeln!(
        out,
        "| 13 | Redis CPU of one sync at 1,000,000 waiting, ms | 10 | 20 | {most:.2} | {} |\n",
        report::verdict(most, 10.0, 20.0)
    );
    out.push_str("| people waiting | CPU of a poll, µs | Redis CPU of one sync, ms | the gate's resident memory, MiB |\n|---|---|---|---|\n");
    for (((_, label), poll), (sync, mib)) in sizes.iter().zip(&polls).zip(syncs.iter().zip(&resident)) {
        let _ = writeln!(out, "| {label} | {poll:.1} | {sync:.2} | {mib:.0} |");
    }
    let labels: Vec<String> = sizes.iter().map(|(_, label)| (*label).to_owned()).collect();
    let cost = plot::lines("CPU of one poll", "µs per poll", &labels, &[Line { name: "gatekeeper", values: polls }]);
    let sync =
        plot::lines("Redis CPU of one sync", "ms per sync", &labels, &[Line { name: "redis-server", values: syncs }]);
    Ok(Section { text: out, plots: vec![("performance-poll.svg", cost), ("performance-sync.svg", sync)] })
}

/// Redis's CPU time per sync of the one gate that runs, with nobody polling.
fn sync_ms(stage: &Stage, gate: &Running) -> io::Result<f64> {
    let (calls, cpu) = (gate.syncs()?, stage.redis.cpu_ns()?);
    thread::sleep(Duration::from_secs(4));
    let (calls, cpu) = (gate.syncs()? - calls, stage.redis.cpu_ns()? - cpu);
    Ok(cpu as f64 / 1e6 / calls.max(1.0))
}

/// Whether a program is there.
fn has(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        println!("{program} is not installed (dev/install-bench): its rows are not measured");
    }
    found
}

/// What the machine is, for the head of the report.
pub fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(Path::new(path)).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("")
        .trim_start_matches([' ', '\t', ':']);
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    // Not those that this process may use: it is kept on one.
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let load = load.split(' ').next().unwrap_or_default();
    format!("{model}, {cores} cores, Linux {}, load {load} at the start", kernel.trim())
}
