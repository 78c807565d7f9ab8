// What every browser test needs: the real program with a configuration of its own, a site that records what reached
// it, visitors without a browser, and Debian's Chromium. Whatever a test starts is stopped when it ends.
//
// To add a test: `const { gate, site } = await scene(t, { settings, protect, pages })`, then `await openTab(t, …)`.

import { after } from 'node:test';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const here = fileURLToPath(new URL('.', import.meta.url));
const PROGRAM = process.env.GATEKEEPER_BIN ?? join(here, '../../target/debug/gatekeeper');
const CHROMIUM = process.env.CHROMIUM_BIN ?? '/usr/bin/chromium';
const OUTPUT = join(here, '../output');

/** The keys of the one room, `shop`: may do everything, and may enqueue and ask. */
export const FULL_KEY = 'sk_browser_tests_full';
export const BROWSER_KEY = 'pk_browser_tests';
/** As BROWSER_KEY; the examples in the documentation have it. */
export const EXAMPLE_KEY = 'pk_shop';

/** One person an hour: whoever stands in the line stays there until a test changes the settings. */
export const STANDING_STILL = { admission_limit: 1, admission_frequency: 3600 };

/** Only for what can't be awaited (another process, another page's state): asks until the answer is truthy. */
export async function until(what, ask, milliseconds = 15_000) {
  const end = Date.now() + milliseconds;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`not within ${milliseconds} ms: ${what}`);
    await pause(50);
  }
}

const endings = new WeakMap();

/** Runs when the test ends, last added first (node's own hooks go the other way): browser, then gate, then site. */
export function atEnd(t, stop) {
  if (!endings.has(t)) {
    endings.set(t, []);
    t.after(async () => {
      const failures = [];
      for (const ending of endings.get(t).reverse()) {
        await Promise.resolve().then(ending).catch((error) => failures.push(error));
      }
      if (failures.length > 0) throw failures[0];
    });
  }
  endings.get(t).push(stop);
}

// === The gate and the site behind it ===

/**
 * Starts a site and the gate in front of it, for one test.
 *
 * `settings`: the room's first ones. `protect`: the guarded paths. `pages`: path -> (request, response, url) => void,
 * asked before the default page, which says "Inside". `store`, `server`: lines of the section of that name; `own`: of the
 * site.
 */
export async function scene(t, { settings = {}, protect = ['/**'], pages = {}, store = '', server = '', own = '' } = {}) {
  const site = await startSite(pages);
  atEnd(t, () => site.stop());
  const gate = await startGate({ origin: site.address, settings, protect, store, server, own });
  atEnd(t, () => gate.stop());
  return { gate, site };
}

/** A Redis of the test's own, which can be killed and comes back empty on the same port. */
export async function startRedis(t) {
  const [port] = await freePorts(1);
  let child;
  const redis = {
    url: `redis://127.0.0.1:${port}`,
    async start() {
      const options = ['--bind', '127.0.0.1', '--port', port, '--save', '', '--appendonly', 'no'];
      child = spawn('redis-server', options, { stdio: 'ignore', cwd: tmpdir() });
      const failed = new Promise((_, fail) => child.once('error', fail));
      await Promise.race([until('redis-server answers', () => takesConnections(port)), failed]);
    },
    async kill() {
      const ended = new Promise((end) => child.once('exit', end));
      child.kill('SIGKILL');
      await ended;
    },
  };
  await redis.start();
  const killed = () => child.kill('SIGKILL');
  process.once('exit', killed);
  atEnd(t, () => {
    process.off('exit', killed);
    killed();
  });
  return redis;
}

function takesConnections(port) {
  return new Promise((answered) => {
    const socket = net.connect(port, '127.0.0.1', () => answered(true)).on('error', () => answered(false));
    socket.on('close', () => {}).on('connect', () => socket.destroy());
  });
}

/** A site on a port of its own; stop it at the end. */
export async function startSite(pages) {
  const requests = [];
  const server = http.createServer((request, response) => {
    const url = new URL(request.url, 'http://site');
    requests.push({ method: request.method, url: request.url, path: url.pathname, headers: request.headers });
    request.resume();
    (pages[url.pathname] ?? insidePage)(request, response, url);
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    address: `127.0.0.1:${server.address().port}`,
    requests,
    /** What reached a path, in order. */
    reached: (path) => requests.filter((request) => request.path === path),
    stop: () => {
      server.closeAllConnections();
      return new Promise((closed) => server.close(closed));
    },
  };
}

function insidePage(request, response, url) {
  html(response, `<h1>Inside</h1><p>You asked for <code>${encodeURI(url.pathname)}</code>.</p>`);
}

/** Answers with a small page. */
export function html(response, body) {
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
  response.end(`<!doctype html><html lang="en"><title>Shop</title>${body}</html>`);
}

/** Free ports can be taken between asking and using, so a start that fails is tried again on others. */
async function startGate(options, attempts = 3) {
  if (!existsSync(PROGRAM)) {
    throw new Error(`There is no ${PROGRAM}. Run "cargo build", or name the program in GATEKEEPER_BIN.`);
  }
  for (let attempt = 1; ; attempt += 1) {
    const started = await tryGate(options);
    if (started.healthy) return started.gate;
    await started.gate.stop();
    if (attempt === attempts) throw new Error(`the gate did not start:\n${started.gate.log()}`);
  }
}

async function tryGate(options) {
  const folder = mkdtempSync(join(tmpdir(), 'gatekeeper-browser-'));
  const [port, metricsPort] = await freePorts(2);
  const file = join(folder, 'gatekeeper.toml');
  writeFileSync(file, configuration({ ...options, port, metricsPort, folder }));

  const output = [];
  let child;
  let ended;
  const run = () => {
    child = spawn(PROGRAM, ['run', '--config', file], { stdio: ['ignore', 'pipe', 'pipe'], cwd: folder });
    child.stdout.on('data', (data) => output.push(data));
    child.stderr.on('data', (data) => output.push(data));
    ended = new Promise((end) => child.once('exit', end).once('error', end));
  };
  run();
  const killed = () => child.kill('SIGKILL');
  process.once('exit', killed);

  const gate = makeGate(`http://127.0.0.1:${port}`);
  gate.log = () => Buffer.concat(output).toString();
  gate.kill = async () => {
    killed();
    await ended;
  };
  /** After `kill`: again, on the same ports and with the same state. */
  gate.restart = async () => {
    run();
    await until('healthy again', isHealthy);
  };
  gate.stop = async () => {
    await gate.kill();
    process.off('exit', killed);
    rmSync(folder, { recursive: true, force: true });
  };
  const isHealthy = () => ask(`${gate.url}/health/ready`).then((answer) => answer.status === 200, () => false);
  const healthy = await Promise.race([until('healthy', isHealthy).catch(() => false), ended.then(() => false)]);
  return { gate, healthy };
}

function configuration({ origin, settings, protect, store, server, own, port, metricsPort, folder }) {
  const fields = Object.entries(settings).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
  return `
[server]
listen = ["127.0.0.1:${port}"]
metrics_listen = "127.0.0.1:${metricsPort}"
state_dir = ${JSON.stringify(join(folder, 'state'))}
${server}

${store && `[store]\n${store}`}

[tokens]
secrets = ["a secret for the browser tests, 40 letters"]

[[rooms]]
name = "shop"
keys = [
  { key = "${FULL_KEY}", scope = "full" },
  { key = "${BROWSER_KEY}", scope = "browser" },
  { key = "${EXAMPLE_KEY}", scope = "browser" },
]
settings = { ${fields.join(', ')} }

[[sites]]
hosts = ["*"]
origins = ["${origin}"]
room = "shop"
protect = ${JSON.stringify(protect)}
${own}
`;
}

/** `gatekeeper page --preview` for one test: every state in every language, at `/0/<language>/<case>`. */
export async function startPreview(t, own = '') {
  const folder = mkdtempSync(join(tmpdir(), 'gatekeeper-preview-'));
  atEnd(t, () => rmSync(folder, { recursive: true, force: true }));
  const [port] = await freePorts(1);
  const file = join(folder, 'gatekeeper.toml');
  const write = (lines) =>
    writeFileSync(file, `[[rooms]]\nname = "hall"\n[[sites]]\nhosts = ["*"]\norigins = ["127.0.0.1:9"]\nroom = "hall"\n${lines}`);
  write(own);
  const child = spawn(PROGRAM, ['page', '--preview', `127.0.0.1:${port}`, '--config', file], { stdio: 'ignore', cwd: folder });
  const killed = () => child.kill('SIGKILL');
  process.once('exit', killed);
  atEnd(t, () => {
    process.off('exit', killed);
    killed();
  });
  const url = `http://127.0.0.1:${port}`;
  await until('the preview answers', () => ask(url).then((answer) => answer.status === 200, () => false));
  return { url, folder, write };
}

/** All are held open until the last is known, so that no two are the same. */
async function freePorts(count) {
  const servers = Array.from({ length: count }, () => net.createServer());
  await Promise.all(servers.map((server) => new Promise((open) => server.listen(0, '127.0.0.1', open))));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  return ports;
}

function makeGate(url) {
  return {
    url,
    /** One call of the API, as a site's backend makes it. */
    call: (method, path, headers = {}, body = undefined) =>
      ask(`${url}${path}`, {
        method,
        headers: { business_id: FULL_KEY, ...(body ? { 'content-type': 'application/json' } : {}), ...headers },
        body: body && JSON.stringify(body),
      }),
    /** Changes the room's settings. */
    async configure(change) {
      const answer = await this.call('POST', '/config', {}, change);
      if (answer.status !== 200) throw new Error(`POST /config: ${answer.status} ${answer.text}`);
    },
    /** Puts so many people into the line, each with a cookie of their own; who gets in at once doesn't count. */
    async crowd(count, path = '/crowd') {
      const waiting = [];
      for (let tries = 0; waiting.length < count; tries += 1) {
        if (tries > count + 10) throw new Error(`the room does not fill: ${waiting.length} of ${count} wait`);
        const visitor = makeVisitor(url);
        const first = await visitor.open(path);
        if (first.status === 200) continue;
        await visitor.status();
        waiting.push(visitor);
      }
      return waiting;
    },
  };
}

/** A person with cookies and without a browser. */
function makeVisitor(url) {
  let cookie = '';
  const send = async (path, headers) => {
    const answer = await ask(`${url}${path}`, { headers: { ...headers, ...(cookie && { cookie }) } });
    const set = answer.headers['set-cookie'];
    if (set) cookie = set.map((line) => line.split(';', 1)[0]).join('; ');
    return answer;
  };
  return {
    open: (path) => send(path, { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'none' }),
    status: async () => (await send('/.gatekeeper/queue/status', { accept: 'application/json' })).json(),
  };
}

/** One request, exactly as written: `fetch` would add `Sec-Fetch-Mode: cors` to everything. */
export function ask(url, { method = 'GET', headers = {}, body } = {}) {
  return new Promise((answered, failed) => {
    const request = http.request(url, { method, headers, agent: false }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('error', failed);
      response.on('end', () => {
        const text = Buffer.concat(parts).toString();
        answered({ status: response.statusCode, headers: response.headers, text, json: () => JSON.parse(text) });
      });
    });
    request.on('error', failed);
    request.end(body);
  });
}

// === The browser ===

let launched;

function browser() {
  if (!existsSync(CHROMIUM)) {
    throw new Error(`There is no ${CHROMIUM}. Run dev/install-test, or name another Chromium in CHROMIUM_BIN.`);
  }
  launched ??= chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  return launched;
}

after(async () => (await launched)?.close());

/** A person's browser (own cookies), for one test; `options` are Playwright's for a context. */
export async function openBrowser(t, options = {}) {
  const context = await (await browser()).newContext(options);
  atEnd(t, () => context.close());
  return context;
}

/** A tab of that browser. Scripts' errors in it fail the test; `tab.statuses` are the answers to its polls. */
export async function openTab(t, context) {
  const tab = await context.newPage();
  const errors = [];
  tab.on('pageerror', (error) => errors.push(String(error)));
  atEnd(t, () => {
    if (errors.length > 0) throw new Error(`errors of scripts in the page:\n${errors.join('\n')}`);
  });
  tab.statuses = [];
  tab.on('response', async (response) => {
    // A body may be gone when the page has moved on; that answer was then not shown either.
    if (isPoll(response.url())) tab.statuses.push(await response.json().catch(() => ({})));
  });
  return tab;
}

/** Whether an address is that of the waiting page's poll. */
export const isPoll = (address) => new URL(address).pathname === '/.gatekeeper/queue/status';

/** Waits for the next answer to a poll that satisfies the test, one that came already included. */
export function polled(tab, test, what = 'the poll', milliseconds = 30_000) {
  return until(what, () => tab.statuses.find(test), milliseconds);
}

/** Waits until a visible element holds the text. */
export function shown(tab, text, milliseconds = 30_000) {
  return tab.getByText(text).filter({ visible: true }).first().waitFor({ timeout: milliseconds });
}

/** Waits until the protected page is there. */
export function inside(tab, milliseconds = 60_000) {
  return tab.getByRole('heading', { name: 'Inside' }).waitFor({ timeout: milliseconds });
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Each breach of accessibility in words, with the elements. */
export async function breaches(tab) {
  await tab.evaluate(axe);
  const { violations } = await tab.evaluate(() => globalThis.axe.run());
  return violations.map((found) => `${found.id}: ${found.help}: ${found.nodes.map((node) => node.html).join(' ')}`);
}

/** By how many pixels the page is wider than its window, so that it scrolls sideways. */
export const overhang = (tab) =>
  tab.evaluate(() => Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth));

/** Saves what the tab shows as tests/output/<name>.png. */
export function photograph(tab, name) {
  mkdirSync(OUTPUT, { recursive: true });
  return tab.screenshot({ path: join(OUTPUT, `${name}.png`), fullPage: true });
}
