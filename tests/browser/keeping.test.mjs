// A place belongs to a browser: reloads and further tabs neither lose it nor make another.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inside, openBrowser, openTab, polled, scene, STANDING_STILL } from './support.mjs';

const hasPlace = (status) => status.position > 0;

/** Where the tab stands, from the next answer to its poll. */
async function place(tab) {
  tab.statuses.length = 0;
  return polled(tab, hasPlace, 'a position');
}

/** The length of the line as somebody new sees it, who thereby stands at its end. */
async function lineWithOneMore(gate) {
  const [last] = await gate.crowd(1);
  return (await last.status()).position;
}

test('a reload keeps the place', async (t) => {
  const { gate } = await scene(t, { settings: STANDING_STILL });
  await gate.crowd(3);
  const tab = await openTab(t, await openBrowser(t));
  await tab.goto(`${gate.url}/tickets`);
  const before = await place(tab);
  await gate.crowd(2);

  for (let reloads = 0; reloads < 3; reloads += 1) {
    await tab.reload();
    const now = await place(tab);
    assert.ok(now.position <= before.position, `was ${before.position}, is ${now.position}`);
  }
  assert.ok((await lineWithOneMore(gate)) <= before.position + 3, 'nobody was added by reloading');
});

test('two tabs of one browser share one place, and both get in', async (t) => {
  const { gate, site } = await scene(t, { settings: STANDING_STILL });
  await gate.crowd(3);
  const context = await openBrowser(t);
  const first = await openTab(t, context);
  const second = await openTab(t, context);
  await Promise.all([first.goto(`${gate.url}/first`), second.goto(`${gate.url}/second`)]);
  const [one, other] = await Promise.all([place(first), place(second)]);
  assert.equal(one.position, other.position);
  assert.ok((await lineWithOneMore(gate)) <= one.position + 1, 'one place, though both came at once');

  await gate.configure({ admission_limit: 1000, admission_frequency: 1 });
  await Promise.all([inside(first), inside(second)]);
  const [user] = site.reached('/first').map((request) => request.headers['x-gatekeeper-user']);
  const [sameUser] = site.reached('/second').map((request) => request.headers['x-gatekeeper-user']);
  assert.ok(user);
  assert.equal(user, sameUser);
});

test('two browsers have two places', async (t) => {
  const { gate } = await scene(t, { settings: STANDING_STILL });
  await gate.crowd(1);
  const first = await openTab(t, await openBrowser(t));
  await first.goto(`${gate.url}/tickets`);
  const { position } = await place(first);
  const second = await openTab(t, await openBrowser(t));
  await second.goto(`${gate.url}/tickets`);
  assert.equal((await place(second)).position, position + 1);
});
