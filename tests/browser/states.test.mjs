// What the page says, to everybody: the states an operator sets show by themselves, and people who see little, use
// a keyboard or a small phone are served too.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { breaches, openBrowser, openTab, photograph, polled, scene, shown, STANDING_STILL } from './support.mjs';

const SCHEMES = ['light', 'dark'];

/** A tab with a place in a line that stands still. */
async function waitingTab(t, gate, options = {}) {
  const tab = await openTab(t, await openBrowser(t, options));
  await tab.goto(`${gate.url}/tickets`);
  await polled(tab, (status) => status.position > 0, 'a position');
  return tab;
}

/** Changes the room and counts how many answers the tab needs until one shows it. */
async function showsWithinAPoll(gate, tab, change, expected) {
  await gate.configure(change);
  tab.statuses.length = 0;
  await polled(tab, expected, JSON.stringify(change));
  const needed = tab.statuses.findIndex(expected) + 1;
  // A change is effective within a second; one poll may just have been under way.
  assert.ok(needed <= 2, `${JSON.stringify(change)} took ${needed} polls`);
}

test('pause, message, closing and going on show within a poll, without a reload', async (t) => {
  const { gate } = await scene(t, { settings: STANDING_STILL });
  await gate.crowd(2);
  const tab = await waitingTab(t, gate);
  let loads = 0;
  tab.on('load', () => (loads += 1));

  await showsWithinAPoll(gate, tab, { mode: 'pause' }, (status) => status.state === 'paused');
  await shown(tab, /paused/i);
  const message = 'The stalls are sold out <b>&</b> the balcony is not.';
  await showsWithinAPoll(gate, tab, { message }, (status) => status.message === message);
  await shown(tab, message);
  await showsWithinAPoll(gate, tab, { mode: 'closed' }, (status) => status.state === 'closed');
  await shown(tab, /closed/i);
  await showsWithinAPoll(gate, tab, { mode: 'auto', message: '' }, (status) => status.state === 'waiting');
  await tab.getByText(message).filter({ visible: true }).waitFor({ state: 'detached' });
  assert.equal(loads, 0);
});

test('who comes while the room is paused or closed is told so', async (t) => {
  for (const [mode, text] of [['pause', /paused/i], ['closed', /closed/i]]) {
    const { gate, site } = await scene(t, { settings: { mode } });
    const tab = await openTab(t, await openBrowser(t));
    const answer = await tab.goto(`${gate.url}/tickets`);
    assert.equal(answer.status(), 503, mode);
    await shown(tab, text);
    assert.deepEqual(site.requests, [], mode);
  }
});

for (const [state, mode] of [['waiting', 'auto'], ['paused', 'pause'], ['closed', 'closed']]) {
  test(`accessibility: nothing to find while ${state}`, async (t) => {
    const { gate } = await scene(t, { settings: { ...STANDING_STILL, message: 'Doors at eight.' } });
    await gate.crowd(2);
    for (const colorScheme of SCHEMES) {
      await gate.configure({ mode: 'auto' });
      const tab = await waitingTab(t, gate, { colorScheme, reducedMotion: 'reduce' });
      await gate.configure({ mode });
      await polled(tab, (status) => status.state === state, state);
      await shown(tab, 'Doors at eight.');
      await photograph(tab, `${state}-${colorScheme}`);
      assert.deepEqual(await breaches(tab), [], `${state}, ${colorScheme}`);
    }
  });
}

const SCREENS = { phone: { width: 320, height: 568 }, desktop: { width: 1280, height: 800 } };

test('the page fits a small phone and a desktop, light and dark', async (t) => {
  const message = `Please have your code ready: ${'0123456789'.repeat(9)}. Thank you.`;
  const { gate } = await scene(t, { settings: { ...STANDING_STILL, message } });
  await gate.crowd(2);
  for (const [screen, viewport] of Object.entries(SCREENS)) {
    for (const colorScheme of SCHEMES) {
      const tab = await waitingTab(t, gate, { viewport, colorScheme });
      await shown(tab, message);
      await photograph(tab, `${screen}-${colorScheme}`);
      const width = await tab.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= viewport.width, `${screen}, ${colorScheme}: ${width} px wide, so it scrolls sideways`);
    }
  }
});
