// A visitor who needs time, and one who doesn't look: letting others pass, a frozen tab, no network, and what a screen
// reader or a keyboard meets meanwhile.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { test } from 'node:test';
import { breaches, inside, isPoll, openBrowser, openTab, photograph, polled, scene, shown, STANDING_STILL, until } from './support.mjs';

/** A tab with a place in a line that stands still. */
async function waitingTab(t, gate, context) {
  const tab = await openTab(t, context ?? (await openBrowser(t)));
  await tab.goto(`${gate.url}/tickets`);
  await polled(tab, (status) => status.position > 0, 'a position');
  return tab;
}

const more = (tab) => tab.getByRole('button', { name: 'Let others pass' });
const back = (tab) => tab.getByRole('button', { name: 'I am back' });

test('who lets others pass is silent in all tabs, keeps the place, and goes in after coming back', async (t) => {
  const { gate } = await scene(t, { settings: STANDING_STILL });
  await gate.crowd(1);
  const context = await openBrowser(t);
  const tab = await waitingTab(t, gate, context);
  const other = await waitingTab(t, gate, context);
  const { position } = tab.statuses.at(-1);

  // By keyboard alone.
  await more(tab).focus();
  await tab.keyboard.press('Enter');
  await shown(tab, /Others may pass until/);
  await shown(other, /Others may pass until/);
  assert.ok(await back(tab).evaluate((button) => button === document.activeElement), 'the focus stays');
  assert.match(await tab.getByRole('status').innerText(), /Others may pass until/, 'and it is said');
  assert.deepEqual(await breaches(tab), []);
  await photograph(tab, 'others-pass');

  // Turns come: nobody here takes one, whatever wakes the tabs; and a reload is still patient.
  let polls = 0;
  context.on('request', (request) => (polls += isPoll(request.url()) ? 1 : 0));
  await tab.evaluate(() => window.dispatchEvent(new Event('online')));
  await other.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
  await tab.reload();
  await shown(tab, /Others may pass until/);
  await pause(6000); // that nothing happens can't be awaited
  assert.equal(polls, 0);

  await back(tab).click();
  const again = await polled(tab, (status) => status.position > 0, 'the place');
  assert.ok(again.position <= position, `${again.position} after ${position}`);
  await until('the other tab asks too', () => polls > 1);
  await gate.configure({ admission_limit: 1000, admission_frequency: 1 });
  await Promise.all([inside(tab), inside(other)]);
});

test('the patience ends by itself when its time is over', async (t) => {
  const { gate } = await scene(t, { settings: STANDING_STILL });
  await gate.crowd(1);
  const tab = await openTab(t, await openBrowser(t));
  await tab.clock.install();
  await tab.goto(`${gate.url}/tickets`);
  await tab.clock.runFor(2000);
  await more(tab).click();
  await shown(tab, /Others may pass until/);
  tab.statuses.length = 0;
  await tab.clock.runFor(290_000);
  assert.equal(tab.statuses.length, 0);
  await tab.clock.runFor(12_000);
  await polled(tab, (status) => status.position > 0, 'the place');
});

test('a place that is hardly kept offers no patience', async (t) => {
  const { gate } = await scene(t, { settings: { ...STANDING_STILL, retention_seconds: 60, presence_seconds: 30 } });
  await gate.crowd(1);
  const tab = await waitingTab(t, gate);
  assert.equal(await more(tab).count(), 0);
});

test('a tab that was frozen asks at once when it wakes', async (t) => {
  const { gate } = await scene(t, { settings: STANDING_STILL });
  await gate.crowd(1);
  const tab = await waitingTab(t, gate);
  const session = await tab.context().newCDPSession(tab);
  await session.send('Page.setWebLifecycleState', { state: 'frozen' });
  tab.statuses.length = 0;
  await gate.configure({ admission_limit: 1000, admission_frequency: 1 });
  await session.send('Page.setWebLifecycleState', { state: 'active' });
  await inside(tab, 10_000);
});

test('without a network it says so, and asks at once when it is back', async (t) => {
  const { gate } = await scene(t, { settings: STANDING_STILL });
  await gate.crowd(2);
  const context = await openBrowser(t);
  const tab = await waitingTab(t, gate, context);
  const { position } = tab.statuses.at(-1);
  await context.setOffline(true);
  await tab.evaluate(() => window.dispatchEvent(new Event('pageshow')));
  await shown(tab, 'Reconnecting');
  await photograph(tab, 'offline');
  tab.statuses.length = 0;
  const start = Date.now();
  await context.setOffline(false);
  const kept = await polled(tab, (status) => status.position > 0, 'an answer');
  assert.ok(kept.position <= position && Date.now() - start < 3000, `${Date.now() - start} ms`);
  await tab.getByText('Reconnecting').filter({ visible: true }).waitFor({ state: 'detached' });
});

test('the bar never goes back, the focus never moves, and a screen reader is not flooded', async (t) => {
  const { gate } = await scene(t, { settings: { admission_limit: 1, admission_frequency: 2 } });
  await gate.crowd(6);
  const tab = await waitingTab(t, gate);
  await more(tab).focus();
  await tab.evaluate(() => {
    window.seen = { bar: [], spoken: 0 };
    const bar = document.getElementById('progress');
    new MutationObserver(() => window.seen.bar.push(bar.value)).observe(bar, { attributes: true });
    new MutationObserver(() => (window.seen.spoken += 1)).observe(document.getElementById('live'), { childList: true, characterData: true, subtree: true });
  });
  const first = tab.statuses.at(-1).position;
  await polled(tab, (status) => status.position > 0 && status.position <= first - 3, 'three fewer ahead', 60_000);
  const { seen, focused } = await tab.evaluate(() => ({ seen: window.seen, focused: document.activeElement.id }));
  assert.equal(focused, 'pass');
  assert.ok(seen.bar.length > 0, 'the bar moved');
  assert.deepEqual(seen.bar, [...seen.bar].sort((a, b) => a - b));
  assert.ok(seen.spoken <= 1, `spoken ${seen.spoken} times`);
  assert.equal(await tab.getByRole('status').count(), 1);
});

test('a background tab tells by its title that the turn has come, and goes in when it is looked at', async (t) => {
  const { gate, site } = await scene(t, { settings: STANDING_STILL });
  await gate.crowd(1);
  const tab = await openTab(t, await openBrowser(t));
  await tab.addInitScript(() => {
    window.looked = false;
    Object.defineProperty(document, 'visibilityState', { get: () => (window.looked ? 'visible' : 'hidden') });
  });
  await tab.goto(`${gate.url}/tickets`);
  await polled(tab, (status) => status.position > 0, 'a position');
  await gate.configure({ admission_limit: 1000, admission_frequency: 1 });
  await until('the title', async () => (await tab.title()).startsWith('Your turn'), 60_000);
  await shown(tab, /Your turn is open until/);
  await photograph(tab, 'your-turn');
  assert.deepEqual(site.reached('/tickets'), [], 'nobody is sent in unseen');
  await tab.evaluate(() => {
    window.looked = true;
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await inside(tab);
});

test('a turn in a background tab is not left to run out', async (t) => {
  const { gate, site } = await scene(t, { settings: STANDING_STILL });
  await gate.crowd(1);
  const tab = await openTab(t, await openBrowser(t));
  await tab.addInitScript(() => Object.defineProperty(document, 'visibilityState', { get: () => 'hidden' }));
  await tab.goto(`${gate.url}/tickets`);
  await polled(tab, (status) => status.position > 0, 'a position');
  await gate.configure({ admission_limit: 1000, admission_frequency: 1, ready_ttl_seconds: 120 });
  await inside(tab);
  assert.equal(site.reached('/tickets').length, 1);
});
