// What browsers do around the page: no cookies, many first requests at once, the Back button, frames, and forms.

import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { ask, html, inside, openBrowser, openTab, photograph, polled, scene, shown, STANDING_STILL, until } from './support.mjs';

/** Lets the tab keep no cookie: it gets none to see. */
async function refuseCookies(tab, gate) {
  await tab.route(`${gate.url}/**`, async (route) => {
    const request = route.request();
    const { cookie, ...headers } = await request.allHeaders();
    const answer = await ask(request.url(), { method: request.method(), headers: { accept: headers.accept, 'sec-fetch-mode': request.isNavigationRequest() ? 'navigate' : 'same-origin', 'sec-fetch-site': 'same-origin' } });
    const { 'set-cookie': refused, ...kept } = answer.headers;
    await route.fulfill({ status: answer.status, headers: kept, body: answer.text });
  });
}

test('a browser that refuses cookies is told so, once, and adds nobody to the line', async (t) => {
  const { gate } = await scene(t, { settings: STANDING_STILL });
  await gate.crowd(1);
  const tab = await openTab(t, await openBrowser(t));
  await refuseCookies(tab, gate);
  let loads = 0;
  tab.on('load', () => (loads += 1));
  await tab.goto(`${gate.url}/tickets`);
  await shown(tab, 'Cookies are off');
  assert.match(await tab.title(), /^Cookies are off/);
  await shown(tab, 'Try again');
  assert.equal(loads, 1, 'no loop');
  await photograph(tab, 'cookies-refused');
  const [last] = await gate.crowd(1);
  assert.equal((await last.status()).position, 2, 'nobody but the two of the crowd');
});

test('twenty first requests at once share one place, and all of them get in', async (t) => {
  const { gate } = await scene(t, { settings: STANDING_STILL });
  await gate.crowd(1);
  const context = await openBrowser(t);
  const tabs = await Promise.all(Array.from({ length: 20 }, () => openTab(t, context)));
  await Promise.all(tabs.map((tab, n) => tab.goto(`${gate.url}/page-${n}`)));
  const places = await Promise.all(tabs.map((tab) => polled(tab, (status) => status.position > 0, 'a position')));
  assert.deepEqual(new Set(places.map((place) => place.position)), new Set([2]));
  const [last] = await gate.crowd(1);
  assert.equal((await last.status()).position, 3, 'one place for all of them');
  await gate.configure({ admission_limit: 1000, admission_frequency: 1 });
  await Promise.all(tabs.map((tab) => inside(tab)));
});

test('the Back button leads to where the visitor came from, never to the waiting page', async (t) => {
  const { gate } = await scene(t, {
    settings: STANDING_STILL,
    protect: ['/tickets'],
    pages: { '/home': (_, response) => html(response, '<h1>Home</h1><a href="/tickets?day=1">Tickets</a>') },
  });
  await gate.crowd(1, '/tickets');
  const tab = await openTab(t, await openBrowser(t));
  await tab.goto(`${gate.url}/home`);
  await tab.getByRole('link').click();
  await polled(tab, (status) => status.position > 0, 'a position');
  await gate.configure({ admission_limit: 1000, admission_frequency: 1 });
  await inside(tab);
  await tab.goBack();
  await tab.getByRole('heading', { name: 'Home' }).waitFor();
  await tab.goForward();
  await inside(tab);
  assert.equal(tab.url(), `${gate.url}/tickets?day=1`);
});

/** Another site, with a page that shows ours in a frame. */
async function otherSite(t, address) {
  const server = http.createServer((_, response) =>
    html(response, `<h1>Elsewhere</h1><iframe title="shop" src="${address}" width="360" height="640"></iframe>`));
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  // Another name for the same machine is another site to a browser.
  return `http://localhost:${server.address().port}/`;
}

const BEHIND_TLS = { server: 'trusted_proxies = ["127.0.0.1"]' };

test('a frame of another site is refused, and served where embedding is on', async (t) => {
  for (const embed of [false, true]) {
    const { gate } = await scene(t, { settings: STANDING_STILL, ...BEHIND_TLS, own: `cookie = { embed = ${embed} }` });
    await gate.crowd(1);
    const context = await openBrowser(t, { extraHTTPHeaders: { 'x-forwarded-proto': 'https' } });
    const tab = await openTab(t, context);
    await tab.goto(await otherSite(t, `${gate.url}/tickets`));
    const frame = tab.frameLocator('iframe');
    if (!embed) {
      assert.equal(await frame.getByText('You are in line').count(), 0);
      continue;
    }
    await polled(tab, (status) => status.position === 2, 'a position');
    await photograph(tab, 'frame');
    await gate.configure({ admission_limit: 1000, admission_frequency: 1 });
    await frame.getByRole('heading', { name: 'Inside' }).waitFor({ timeout: 60_000 });
  }
});

test('a frame that keeps no cookie offers a tab of its own, where it works', async (t) => {
  const { gate } = await scene(t, { settings: STANDING_STILL, ...BEHIND_TLS, own: 'cookie = { embed = true }' });
  await gate.crowd(1);
  const context = await openBrowser(t);
  // As a browser does that keeps no cookies of frames at all.
  await context.route('**/tickets*', async (route) => {
    const answer = await route.fetch();
    const { 'set-cookie': _, ...headers } = answer.headers();
    await context.clearCookies(); // `fetch` keeps it, too
    await route.fulfill({ response: answer, headers });
  }, { times: 1 });
  const tab = await openTab(t, context);
  await tab.goto(await otherSite(t, `${gate.url}/tickets?x=1`));
  const link = tab.frameLocator('iframe').getByRole('link', { name: 'Open in a new tab' });
  await link.waitFor();
  await photograph(tab, 'frame-without-cookies');
  const [opened] = await Promise.all([context.waitForEvent('page'), link.click()]);
  await opened.waitForURL(`${gate.url}/tickets?x=1`);
});

test('a form waits until its sender sends it: the page says so, and one click does', async (t) => {
  const form = '<h1>Order</h1><form method="post" action="/checkout"><input name="card" value="4111"><button>Pay</button></form>';
  const { gate, site } = await scene(t, {
    settings: STANDING_STILL,
    protect: ['/checkout/**'],
    pages: { '/form.html': (_, response) => html(response, form) },
  });
  await gate.crowd(2, '/checkout');
  const tab = await openTab(t, await openBrowser(t));
  await tab.goto(`${gate.url}/form.html`);
  await tab.getByRole('button', { name: 'Pay' }).click();
  await shown(tab, 'Nothing was sent.');
  await polled(tab, (status) => status.position > 0, 'a position');
  await gate.configure({ admission_limit: 1000, admission_frequency: 1 });
  await shown(tab, 'What you entered has not been sent yet.', 60_000);
  const posts = () => site.reached('/checkout').filter(({ method }) => method === 'POST');
  assert.deepEqual(posts(), [], 'never without its sender');
  await photograph(tab, 'form-at-its-turn');
  tab.on('dialog', (dialog) => dialog.accept());
  await tab.getByRole('link', { name: 'Send it now' }).click();
  await inside(tab);
  await until('the form is there', () => posts().length === 1);
});
