// A site that was not changed at all: people open an address, wait, and get in.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { html, inside, isPoll, openBrowser, openTab, polled, scene, shown, STANDING_STILL, until } from './support.mjs';

const ONE_EVERY_TWO_SECONDS = { admission_limit: 1, admission_frequency: 2 };

test('a visitor waits at the requested address and gets in by itself', async (t) => {
  const { gate, site } = await scene(t, { settings: ONE_EVERY_TWO_SECONDS });
  await gate.crowd(4);
  const tab = await openTab(t, await openBrowser(t));
  const address = `${gate.url}/tickets?x=1#seat-4`;
  const requested = [];
  tab.on('request', (request) => requested.push(request));

  const answer = await tab.goto(address);
  assert.equal(answer.status(), 503);
  assert.ok(Number(answer.headers()['retry-after']) > 0, 'says when to come again');
  const historyBefore = await tab.evaluate(() => history.length);
  await polled(tab, (status) => status.position > 0, 'a position');
  await until('the page shows how many are ahead', async () => {
    const { position } = tab.statuses.at(-1);
    const ahead = position === 1 ? /you are next/i : new RegExp(`\\b${position - 1}\\s+(person|people) ahead`, 'i');
    return position > 0 && ahead.test(await tab.locator('main').innerText());
  });
  assert.deepEqual(site.reached('/tickets'), [], 'nothing reaches the site before the turn');

  await inside(tab);
  assert.equal(tab.url(), address, 'the same address, query and fragment included');
  assert.equal(await tab.evaluate(() => history.length), historyBefore, 'no further history entry');
  const [entered, ...more] = site.reached('/tickets');
  assert.deepEqual(more, [], 'entered once');
  assert.equal(entered.url, '/tickets?x=1');
  assert.equal(entered.headers['x-gatekeeper-room'], 'shop');
  assert.ok(entered.headers.jwt, 'the site is given the token');

  const foreign = requested.filter((request) => new URL(request.url()).origin !== gate.url && !request.url().startsWith('data:'));
  assert.deepEqual(foreign.map(String), [], 'no other host is asked for anything');
  const besides = requested.filter((request) => !request.isNavigationRequest() && !isPoll(request.url()));
  assert.deepEqual(besides.map((request) => request.url()), [], 'the page asks for nothing but its poll');
});

test('positions only ever fall while others go in', async (t) => {
  const { gate } = await scene(t, { settings: ONE_EVERY_TWO_SECONDS });
  await gate.crowd(4);
  const tab = await openTab(t, await openBrowser(t));
  await tab.goto(`${gate.url}/tickets`);
  await inside(tab);
  const positions = tab.statuses.map((status) => status.position).filter((position) => position > 0);
  assert.ok(positions.length > 0, 'there was something to see');
  assert.deepEqual(positions, [...positions].sort((a, b) => b - a));
});

test('who meets no crowd sees the site at once', async (t) => {
  const { gate } = await scene(t);
  const tab = await openTab(t, await openBrowser(t));
  const answer = await tab.goto(`${gate.url}/tickets`);
  assert.equal(answer.status(), 200);
  await inside(tab);
  assert.deepEqual(tab.statuses, []);
});

test('scripts off: a line of three is passed by the timed reload', async (t) => {
  const { gate, site } = await scene(t, { settings: ONE_EVERY_TWO_SECONDS });
  await gate.crowd(2);
  const tab = await openTab(t, await openBrowser(t, { javaScriptEnabled: false }));
  // With a fragment: a timed reload to the very same address would only scroll, for ever.
  const answer = await tab.goto(`${gate.url}/tickets?x=1#seat-4`);
  assert.equal(answer.status(), 503);
  await inside(tab, 120_000);
  assert.equal(site.reached('/tickets').at(-1).url, '/tickets?x=1');
  assert.deepEqual(tab.statuses, [], 'no script asked');
});

test('a form sent while the room is busy: the page says that nothing was sent', async (t) => {
  const form = '<h1>Order</h1><form method="post" action="/checkout"><input name="card" value="4111"><button>Pay</button></form>';
  const { gate, site } = await scene(t, {
    settings: STANDING_STILL,
    protect: ['/checkout/**'],
    pages: { '/form.html': (_, response) => html(response, form) },
  });
  await gate.crowd(2, '/checkout');
  const tab = await openTab(t, await openBrowser(t));
  await tab.goto(`${gate.url}/form.html`);
  const [answer] = await Promise.all([
    tab.waitForResponse((response) => response.request().method() === 'POST'),
    tab.getByRole('button', { name: 'Pay' }).click(),
  ]);
  assert.equal(answer.status(), 503, 'never a redirect');
  await shown(tab, /(nothing|not) (was|been|has been) sent/i);
  assert.deepEqual(site.requests.filter((request) => request.method === 'POST'), []);
});
