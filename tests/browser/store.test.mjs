// The store goes away and comes back empty: who waits is told so, keeps the place, and gets in.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inside, openBrowser, openTab, photograph, polled, scene, shown, startRedis } from './support.mjs';

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
