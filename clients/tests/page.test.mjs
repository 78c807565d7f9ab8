// The clients in a real browser: the examples of the documentation, the bar, and what only a browser does to a page that waits:
// it sleeps, loses its network, refuses cookies, and keeps to a strict policy.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import {
  atEnd, BROWSER_KEY, FULL_KEY, html, openBrowser, openTab, photograph, polled, scene, shown, STANDING_STILL, startSite, until,
} from '../../tests/browser/support.mjs';

const EVERYBODY = { admission_limit: 1000, admission_frequency: 1 };
const axe = readFileSync(createRequire(new URL('../../tests/browser/', import.meta.url)).resolve('axe-core/axe.min.js'), 'utf8');

/** No style, no other host, no inline script: what the bar has to get along with. */
const STRICT = "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'";

const script = (text) => (_, response) => response.writeHead(200, { 'content-type': 'text/javascript' }).end(text);
const file = (name) => script(readFileSync(new URL(`../${name}`, import.meta.url), 'utf8'));

const page = (body) => (_, response) => {
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': STRICT });
  response.end(`<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>Shop</title>
    <main><h1>Shop</h1>${body}</main></html>`);
};

/** A site with the modules, the examples and a page for each. */
const SITE = {
  '/gatekeeper.js': file('gatekeeper.js'),
  '/gatekeeper-fetch.js': file('gatekeeper-fetch.js'),
  '/client_side.js': file('examples/client_side.js'),
  '/single_page.js': file('examples/single_page.js'),
  '/line': page('<p id="line"></p><script type="module" src="/client_side.js"></script>'),
  '/app': page('<button id="buy">Buy</button> <p id="result"></p><script type="module" src="/single_page.js"></script>'),
  '/many.js': script(`
    import { gatedFetch } from './gatekeeper-fetch.js';
    const fetch = gatedFetch();
    const all = Array.from({ length: 10 }, (_, at) => fetch('/api/seats/' + at).then((response) => response.status));
    document.getElementById('result').textContent = (await Promise.all(all)).join(' ');`),
  '/many': page('<p id="result"></p><script type="module" src="/many.js"></script>'),
  '/api/orders': (_, response) => response.writeHead(201, { 'content-type': 'text/plain' }).end('Ordered.'),
};

/** So many in front, that a page need not ask every second. */
const FAR = 40;

/** A room that lets nobody in for now, with so many in its line. */
async function busy(t, { crowd = 2, pages = {}, ...options } = {}) {
  const house = await scene(t, { protect: ['/api/**', '/checkout/**'], settings: STANDING_STILL, pages: { ...SITE, ...pages }, ...options });
  await house.gate.crowd(crowd, '/checkout');
  return house;
}

/** A tab at a path, which fails the test where its policy was broken. */
async function open(t, gate, path, options = {}) {
  const tab = await openTab(t, options.context ?? (await openBrowser(t, options)));
  const breaches = [];
  await tab.exposeFunction('noteBreach', (text) => breaches.push(text));
  await tab.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => globalThis.noteBreach(`${event.violatedDirective}: ${event.blockedURI}`));
  });
  await tab.goto(`${gate.url ?? gate}${path}`);
  return Object.assign(tab, { breaches });
}

const bar = (tab) => tab.locator('[data-gatekeeper=bar]');

/** What the bar looks as if it says, and what a screen reader hears of it. */
const barText = (tab) => bar(tab).locator('p').first().innerText();

/** Wakes the page until it shows this, since by itself it asks every 20 seconds here. */
const soon = (tab, what, isShown) =>
  until(what, async () => {
    // Between two pages there is nothing to wake.
    await tab.evaluate(() => document.dispatchEvent(new Event('visibilitychange'))).catch(() => {});
    return isShown();
  });

const shows = (tab, text) => soon(tab, text, () => tab.getByText(text, { exact: true }).isVisible());

test('example: a page with a line of its own lets its visitor in', async (t) => {
  const { gate, site } = await busy(t, { crowd: 1 });
  const tab = await open(t, gate, '/line');
  await shown(tab, /Number \d+ in line/);
  await tab.reload();
  await shown(tab, /Number \d+ in line/);
  await gate.configure(EVERYBODY);
  await soon(tab, 'inside', () => tab.getByRole('heading', { name: 'Inside' }).isVisible());
  assert.ok(site.reached('/checkout').at(-1).headers.jwt);
  assert.deepEqual(tab.breaches, []);
});

test('example: a single-page app orders once, after its turn, behind a bar', async (t) => {
  const { gate, site } = await busy(t);
  const tab = await open(t, gate, '/app');
  const hosts = new Set();
  tab.on('request', (request) => hosts.add(new URL(request.url()).origin));
  await tab.getByRole('button', { name: 'Buy' }).focus();
  await tab.keyboard.press('Enter');
  await until('the line', async () => /2 people ahead/.test(await barText(tab)));
  assert.deepEqual(site.reached('/api/orders'), [], 'nothing before the turn');
  assert.equal(await tab.evaluate(() => document.activeElement.id), 'buy', 'the focus stays');
  const box = await bar(tab).boundingBox();
  const { height, width } = tab.viewportSize();
  assert.ok(Math.abs(box.y + box.height - height) < 1 && box.height < height / 3, `the lower edge: ${JSON.stringify(box)}`);
  assert.equal(Math.round(box.width), width);

  await gate.configure({ mode: 'pause' });
  await soon(tab, 'the pause', async () => /paused/.test(await barText(tab)));
  await gate.configure({ mode: 'auto', ...EVERYBODY });
  await shows(tab, 'Ordered.');
  await bar(tab).waitFor({ state: 'detached' });
  const [order, ...more] = site.reached('/api/orders');
  assert.ok(more.length === 0 && order.method === 'POST' && order.headers['x-gatekeeper-user']);
  assert.deepEqual([...hosts], [gate.url], 'no other host');
  assert.deepEqual(tab.breaches, [], 'a strict policy is kept');
});

test('the bar: nothing to find for accessibility, on a phone, in the dark, and it is heard once', async (t) => {
  const { gate } = await busy(t);
  for (const colorScheme of ['light', 'dark']) {
    const options = { colorScheme, viewport: { width: 320, height: 640 }, bypassCSP: true };
    const tab = await open(t, gate, '/app', options);
    await tab.getByRole('button', { name: 'Buy' }).click();
    await until('the line', async () => /people ahead/.test(await barText(tab)));
    await until('it is heard', async () => /people ahead|place in line/.test(await bar(tab).getByRole('status').innerText()));
    await tab.evaluate(axe);
    const { violations } = await tab.evaluate(() => globalThis.axe.run());
    assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html)}`), [], colorScheme);
    assert.equal(await tab.evaluate(() => document.documentElement.scrollWidth), 320, 'nothing sticks out');
    await photograph(tab, `bar-${colorScheme}`);
  }
});

test('cancel: the request ends, the bar goes, nothing is asked any more', async (t) => {
  const { gate, site } = await busy(t, { crowd: FAR });
  const tab = await open(t, gate, '/app');
  await tab.getByRole('button', { name: 'Buy' }).click();
  await until('the line', async () => /ahead/.test(await barText(tab)));
  await tab.getByRole('button', { name: 'Cancel' }).press('Enter');
  await shown(tab, 'Not ordered.');
  await bar(tab).waitFor({ state: 'detached' });
  const [polls, left] = [tab.statuses.length, Date.now()];
  await until('a poll would be due', () => Date.now() - left > 1_100);
  await tab.evaluate(async () => {
    document.dispatchEvent(new Event('visibilitychange'));
    await fetch('/line'); // sent after the poll that the wake would cause
  });
  assert.equal(tab.statuses.length, polls, 'nobody waits, nothing is asked');
  await gate.configure(EVERYBODY);
  await tab.getByRole('button', { name: 'Buy' }).click();
  await shows(tab, 'Ordered.');
  assert.equal(site.reached('/api/orders').length, 1);
});

test('ten requests at once: one place, one bar, all answered', async (t) => {
  const { gate, site } = await busy(t);
  const tab = await open(t, gate, '/many');
  const { position, waiting } = await polled(tab, (status) => status.waiting === 3, 'the line');
  assert.equal(position, 3, `${position} of ${waiting}`);
  assert.equal(await bar(tab).count(), 1);
  await gate.configure(EVERYBODY);
  await shows(tab, Array(10).fill(200).join(' '));
  const users = new Set(site.requests.filter(({ path }) => path.startsWith('/api/')).map(({ headers }) => headers['x-gatekeeper-user']));
  assert.ok(users.size === 1 && !users.has(undefined), `${[...users]}`);
});

test('offline and back: told, asked at once, the same place', async (t) => {
  const { gate } = await busy(t);
  const context = await openBrowser(t);
  const tab = await open(t, gate, '/app', { context });
  await tab.getByRole('button', { name: 'Buy' }).click();
  await polled(tab, (status) => status.position === 3, 'the place');
  await context.setOffline(true);
  // It notices when it asks: a tab that wakes asks at once.
  await soon(tab, 'reconnecting', async () => /Reconnecting/.test(await barText(tab)));
  tab.statuses.length = 0;
  await context.setOffline(false);
  await polled(tab, (status) => status.position === 3, 'the same place', 3_000);
  await until('the line', async () => /2 people ahead/.test(await barText(tab)));
});

for (const event of ['visibilitychange', 'pageshow', 'online']) {
  test(`${event} wakes it long before it would ask again`, async (t) => {
    const { gate } = await busy(t, { crowd: FAR });
    const tab = await open(t, gate, '/app');
    await tab.getByRole('button', { name: 'Buy' }).click();
    const { poll_after_ms } = await polled(tab, (status) => status.position > 0, 'the place');
    assert.ok(poll_after_ms > 8_000, `would ask again in ${poll_after_ms} ms`);
    tab.statuses.length = 0;
    const target = event === 'visibilitychange' ? 'document' : 'window';
    await tab.evaluate(`${target}.dispatchEvent(new Event('${event}'))`);
    await polled(tab, (status) => status.position > 0, 'an answer', 5_000);
  });
}

test('a frozen tab asks at once when it is thawed, and has its place', async (t) => {
  const { gate } = await busy(t);
  const context = await openBrowser(t);
  const tab = await open(t, gate, '/app', { context });
  await tab.getByRole('button', { name: 'Buy' }).click();
  await polled(tab, (status) => status.position === 3, 'the place');
  const browser = await context.newCDPSession(tab);
  await browser.send('Page.setWebLifecycleState', { state: 'frozen' });
  tab.statuses.length = 0;
  await gate.configure({ message: 'Meanwhile.' });
  await browser.send('Page.setWebLifecycleState', { state: 'active' });
  await polled(tab, (status) => status.position === 3 && status.message === 'Meanwhile.', 'an answer', 5_000);
});

test('cookies refused: a clear word, and no loop', async (t) => {
  const { gate } = await busy(t);
  const context = await openBrowser(t);
  const entered = [];
  await context.route('**/.gatekeeper/queue/enqueue*', async (route) => {
    entered.push(route.request().url());
    const answer = await route.fetch();
    const { 'set-cookie': _, ...headers } = answer.headers();
    await context.clearCookies(); // `fetch` keeps it, too
    await route.fulfill({ response: answer, headers });
  });
  const tab = await open(t, gate, '/app', { context });
  await tab.getByRole('button', { name: 'Buy' }).click();
  await shown(tab, /kept in a cookie/);
  await bar(tab).waitFor({ state: 'detached' });
  assert.equal(entered.length, 1);
});

test('a page of another origin waits with a key, and reads what it is answered', async (t) => {
  const cors = (origin) => ({
    'access-control-allow-origin': origin, 'access-control-allow-headers': 'jwt, content-type', 'access-control-allow-methods': 'POST',
  });
  let shop = { address: '' };
  const orders = (request, response) => {
    response.writeHead(request.method === 'OPTIONS' ? 204 : 201, cors(`http://${shop.address}`));
    response.end(request.method === 'OPTIONS' ? undefined : 'Ordered from afar.');
  };
  let gateUrl = '';
  const app = (_, response) => script(`
    import { gatedFetch } from './gatekeeper-fetch.js';
    const fetch = gatedFetch({ gate: '${gateUrl}', key: '${BROWSER_KEY}' });
    const response = await fetch('${gateUrl}/api/orders', { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } });
    document.getElementById('result').textContent = await response.text();`)(_, response);
  shop = await startSite({
    '/': (_, response) => html(response, '<h1>Other</h1><p id="result"></p><script type="module" src="/app.js"></script>'),
    '/app.js': app,
    '/gatekeeper.js': SITE['/gatekeeper.js'],
    '/gatekeeper-fetch.js': SITE['/gatekeeper-fetch.js'],
  });
  atEnd(t, () => shop.stop());
  const server = `cors_origins = ["http://${shop.address}"]`;
  const { gate, site } = await busy(t, { server, pages: { '/api/orders': orders } });
  gateUrl = gate.url;
  const tab = await open(t, `http://${shop.address}`, '/');
  await polled(tab, (status) => status.position === 3, 'the place');
  await until('the line', async () => /2 people ahead/.test(await barText(tab)));
  await gate.configure(EVERYBODY);
  await shows(tab, 'Ordered from afar.');
  const posts = site.reached('/api/orders').filter(({ method }) => method === 'POST');
  assert.equal(posts.length, 1);
  const verified = await gate.call('GET', '/queue/verify', { business_id: FULL_KEY, jwt: posts[0].headers.jwt });
  assert.equal(verified.json().ready, true);
});
