// The store or the gate goes away and comes back: who waits is told so, keeps the place, and gets in; and the crowd
// doesn't come back as one wave.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  inside, isPoll, openBrowser, openTab, photograph, polled, scene, shown, STANDING_STILL, startRedis, until,
} from './support.mjs';

test('the store goes away: the page says that it reconnects, keeps the place, and goes in when it is back', async (t) => {
  const redis = await startRedis(t);
  const { gate } = await scene(t, {
    settings: { admission_limit: 1, admission_frequency: 1, mode: 'pause' },
    store: `url = "${redis.url}"\non_store_failure = "hold"`,
  });
  await gate.crowd(2);
  const tab = await openTab(t, await openBrowser(t));
  await tab.goto(`${gate.url}/tickets?from=home#seat`);
  const { position } = await polled(tab, (status) => status.position > 0, 'a position');
  await gate.configure({ mode: 'auto', presence_seconds: 30 });
  await redis.kill();

  await shown(tab, 'Reconnecting');
  await shown(tab, 'Your place is kept');
  await photograph(tab, 'reconnecting');
  tab.statuses.length = 0;
  const kept = await polled(tab, (status) => status.state === 'waiting', 'an answer without the store');
  assert.ok(kept.position <= position, `${kept.position} after ${position}`);

  await redis.start();
  await inside(tab, 90_000);
  assert.equal(tab.url(), `${gate.url}/tickets?from=home#seat`);
});

test('after an outage the pages come back spread out, not as one wave', async (t) => {
  const { gate } = await scene(t, { settings: STANDING_STILL });
  await gate.crowd(1);
  const back = [];
  let isBack = false;
  const tabs = [];
  for (let n = 0; n < 12; n += 1) {
    const tab = await openTab(t, await openBrowser(t));
    tab.on('requestfinished', (request) => {
      if (isBack && isPoll(request.url()) && !back.some((one) => one.tab === tab)) back.push({ tab, at: Date.now() });
    });
    await tab.goto(`${gate.url}/tickets`);
    await polled(tab, (status) => status.position > 0, 'a position');
    tabs.push(tab);
  }

  await gate.kill();
  await Promise.all(tabs.map((tab) => shown(tab, 'Reconnecting')));
  isBack = true;
  await gate.restart();
  await until('everybody is back', () => back.length === tabs.length, 60_000);

  const times = back.map((one) => one.at).sort((a, b) => a - b);
  assert.ok(times.at(-1) - times[0] > 1000, `within ${times.at(-1) - times[0]} ms`);
  const most = Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + 250).length));
  assert.ok(most <= tabs.length / 2, `${most} of ${tabs.length} in a quarter of a second`);
});
