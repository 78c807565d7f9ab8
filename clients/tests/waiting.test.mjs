// The client against the real gate, outside a browser: what it promises whatever page uses it.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { Gatekeeper, GatekeeperError } from '../gatekeeper.js';
import { gatedFetch } from '../gatekeeper-fetch.js';
import { ask, atEnd, BROWSER_KEY, scene, STANDING_STILL, until } from '../../tests/browser/support.mjs';

const EVERYBODY = { admission_limit: 1000, admission_frequency: 1 };

// Node has no window that wakes: this one stands in for it, so that no test waits for as long as a visitor would.
const window = new EventTarget();
globalThis.addEventListener = (...listener) => window.addEventListener(...listener);
globalThis.removeEventListener = (...listener) => window.removeEventListener(...listener);
const wake = () => window.dispatchEvent(new Event('online'));

/** What a wait comes to, woken all the while. */
async function comes(ready) {
  const timer = setInterval(wake, 100);
  return ready.finally(() => clearInterval(timer));
}

/** A storage of the test's own, which outlives the client as a browser's does a page. */
function storage() {
  const kept = new Map();
  return {
    kept,
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => void kept.set(name, value),
    removeItem: (name) => void kept.delete(name),
  };
}

/** A client that notes what it tells: `told` is [event, detail] in order. */
function visitor(gate, options = {}) {
  const client = new Gatekeeper({ gate: gate.url, key: BROWSER_KEY, storage: 'none', ...options });
  const told = [];
  for (const type of ['position', 'ready', 'paused', 'closed', 'error', 'reconnecting']) {
    client.on(type, (detail) => told.push([type, detail]));
  }
  const heard = (type) =>
    until(`the event ${type}`, () => {
      wake();
      return told.find(([name]) => name === type);
    });
  return { client, told, heard };
}

/** A line that stands still, with so many in it. */
async function busy(t, options = {}) {
  const house = await scene(t, { protect: ['/checkout/**'], ...options, settings: { ...STANDING_STILL, ...options.settings } });
  await house.gate.crowd(options.crowd ?? 1, '/checkout');
  return house;
}

/** A wait that ends with the test, whatever becomes of it. */
function waiting(t, client, options = {}) {
  const leaving = new AbortController();
  atEnd(t, () => leaving.abort());
  const ready = client.waitUntilReady({ ...options, signal: leaving.signal });
  ready.catch(() => {}); // each test looks at what it expects
  return { ready, leave: () => leaving.abort() };
}

test('waits with falling positions, and the token opens the door', async (t) => {
  const { gate, site } = await scene(t, { protect: ['/checkout/**'], settings: { admission_limit: 1, admission_frequency: 2 } });
  await gate.crowd(2, '/checkout');
  const { client, told } = visitor(gate);
  const { position, isNew } = await client.enqueue('alice');
  assert.ok(isNew && position >= 1, `${position}`);
  const status = await client.waitUntilReady();
  assert.ok(status.isReady && status.state === 'ready' && status.position === null);
  assert.ok(status.expiresAt.getTime() > Date.now(), 'says how long the turn lasts');

  const positions = told.filter(([type]) => type === 'position').map(([, detail]) => detail.position);
  assert.deepEqual(positions, [...positions].sort((a, b) => b - a));
  assert.deepEqual(told.at(-1), ['ready', status]);
  const answer = await ask(`${gate.url}/checkout`, { headers: { jwt: client.token } });
  assert.equal(answer.status, 200);
  assert.equal(site.reached('/checkout').at(-1).headers['x-gatekeeper-user'], 'alice');
});

test('a reload keeps the place, and the token of a place is handed out once', async (t) => {
  const { gate } = await busy(t);
  const kept = storage();
  const before = visitor(gate, { storage: kept });
  const first = await before.client.enqueue('alice');
  assert.ok(first.isNew);
  await visitor(gate).client.enqueue('bob');

  const after = visitor(gate, { storage: kept });
  assert.equal((await after.client.status()).position, first.position);
  assert.deepEqual(await after.client.enqueue('alice'), { position: first.position, isNew: false });
  assert.deepEqual(await after.client.enqueue(), { position: first.position, isNew: false }, 'alice is who is known here');
  await assert.rejects(visitor(gate).client.enqueue('alice'), { code: 'token_elsewhere', isTemporary: false });
  await assert.rejects(visitor(gate).client.status(), { code: 'no_place' });
});

test('simultaneous calls for one user are one, and nobody need have a name', async (t) => {
  const { gate } = await busy(t);
  const { client } = visitor(gate);
  const both = await Promise.all([client.enqueue('alice'), client.enqueue('alice')]);
  assert.equal(both[0].position, both[1].position);
  const nameless = visitor(gate);
  const { position } = await nameless.client.enqueue();
  assert.deepEqual(await nameless.client.enqueue(), { position, isNew: false });
  await assert.rejects(client.enqueue('two words'), { code: 'invalid_field' });
});

test('pause and closing are told, and it goes on by itself', async (t) => {
  const { gate } = await busy(t);
  const { client, heard } = visitor(gate);
  const { ready } = waiting(t, client, { user: 'alice' });
  const [, first] = await heard('position');
  assert.ok(first.position > 0 && first.waiting > 0);
  await gate.configure({ mode: 'pause', message: 'Back at eight.' });
  assert.equal((await heard('paused'))[1].message, 'Back at eight.');
  await gate.configure({ mode: 'closed' });
  await heard('closed');
  await gate.configure({ mode: 'auto', ...EVERYBODY });
  assert.ok((await comes(ready)).isReady);
});

test('a room that takes nobody is told as closed, and asked again no sooner than it says', async (t) => {
  const { gate } = await scene(t, { protect: ['/checkout/**'], settings: { mode: 'closed' } });
  const calls = [];
  const fetch = (...call) => calls.push(call[0]) && globalThis.fetch(...call);
  const { client, heard, told } = visitor(gate, { fetch });
  const { ready, leave } = waiting(t, client);
  assert.equal((await heard('closed'))[1], null);
  await assert.rejects(visitor(gate).client.enqueue('bob'), { code: 'room_closed', status: 503, retryAfterMs: 60_000 });
  wake();
  leave();
  await assert.rejects(ready, { name: 'AbortError' });
  assert.equal(calls.length, 1);
  assert.deepEqual(told.map(([type]) => type), ['closed'], 'who left by itself is no error');
});

test('a gate that is killed and comes back costs no place', async (t) => {
  const { gate } = await busy(t, { crowd: 2 });
  const { client, told, heard } = visitor(gate);
  const { ready } = waiting(t, client, { user: 'alice' });
  const [, before] = await heard('position');
  await gate.kill();
  const [, trouble] = await heard('reconnecting');
  assert.ok(trouble.error.code === 'no_answer' && trouble.error.isTemporary && trouble.retryInMs > 0);
  told.length = 0;
  await gate.restart();
  const [, after] = await heard('position');
  assert.ok(after.position <= before.position, `was ${before.position}, is ${after.position}`);
  await gate.configure(EVERYBODY);
  await comes(ready);
});

test('a place that has ended is taken anew, under the same name', async (t) => {
  const { gate, site } = await busy(t, { settings: EVERYBODY, crowd: 0 });
  const { client } = visitor(gate);
  await client.waitUntilReady({ user: 'alice' });
  const spent = client.token;
  assert.equal((await gate.call('DELETE', '/queue/finish', { jwt: spent })).json().status, 'ready_cleared');
  assert.equal((await client.status()).state, 'unknown');
  assert.ok((await client.waitUntilReady()).isReady);
  assert.notEqual(client.token, spent);
  await ask(`${gate.url}/checkout`, { headers: { jwt: client.token } });
  assert.equal(site.reached('/checkout').at(-1).headers['x-gatekeeper-user'], 'alice');
});

test('429: waits as long as it says, even where it is woken', async (t) => {
  const { gate } = await busy(t, { settings: { ip_status_polling_limit: 1, ip_status_polling_limit_interval: 4 } });
  const calls = [];
  const fetch = async (...call) => {
    const answer = await globalThis.fetch(...call);
    calls.push({ at: Date.now(), status: answer.status, again: Number(answer.headers.get('retry-after')) * 1000 });
    return answer;
  };
  const { client } = visitor(gate, { fetch });
  await client.enqueue('alice');
  await client.status();
  await assert.rejects(client.status(), (error) => {
    assert.ok(error.code === 'rate_limited' && error.isTemporary && error.retryAfterMs > 0, inspect(error));
    return true;
  });
  calls.length = 0;
  const { ready } = waiting(t, client);
  const refused = await until('a 429 with a call after it', () => {
    wake();
    return calls.findIndex((call, at) => call.status === 429 && calls[at + 1]) + 1;
  });
  const [first, next] = calls.slice(refused - 1, refused + 1);
  // A timer may fire a millisecond early.
  assert.ok(next.at - first.at >= first.again - 5, `${next.at - first.at} ms after ${first.again}`);
  await gate.configure({ ...EVERYBODY, ip_status_polling_limit: 1000 });
  await comes(ready);
});

test('what waiting cannot mend ends it at once', async (t) => {
  const { gate } = await busy(t);
  const { client, told } = visitor(gate, { key: 'pk_of_nobody' });
  await assert.rejects(client.waitUntilReady({ user: 'alice' }), { name: 'GatekeeperError', code: 'unknown_key', status: 401 });
  assert.deepEqual(told.map(([type, error]) => [type, error.code]), [['error', 'unknown_key']]);
  assert.throws(() => new Gatekeeper({ key: BROWSER_KEY }), /where the gate is/);
});

test('a hotel page instead of the answer is no end, and its words are not taken for ours', async (t) => {
  const { gate } = await busy(t);
  let isAway = true;
  const portal = new Response('<h1>Welcome to the hotel</h1>', { headers: { 'content-type': 'text/html' } });
  const fetch = (...call) => (isAway ? Promise.resolve(portal.clone()) : globalThis.fetch(...call));
  const { client, heard } = visitor(gate, { fetch });
  const { ready } = waiting(t, client, { user: 'alice' });
  const [, { error }] = await heard('reconnecting');
  assert.ok(error instanceof GatekeeperError && error.code === 'not_understood' && !error.message.includes('hotel'));
  isAway = false;
  await heard('position');
  await gate.configure(EVERYBODY);
  await comes(ready);
});

test('no token is logged, or stands in what it tells', async (t) => {
  const { gate } = await busy(t, { settings: EVERYBODY, crowd: 0 });
  const logged = [];
  for (const level of ['log', 'info', 'warn', 'error', 'debug']) {
    t.mock.method(console, level, (...words) => logged.push(words));
  }
  const { client, told } = visitor(gate);
  const entered = await client.enqueue('alice');
  const status = await client.waitUntilReady();
  await gate.call('DELETE', '/queue/finish', { jwt: client.token });
  const everything = inspect([client, entered, status, told, JSON.stringify(client)], { depth: 9, showHidden: true });
  assert.match(client.token, /^eyJ/);
  assert.doesNotMatch(everything, /eyJ/);
  assert.deepEqual(logged, []);
});

test('fetch with a key: sent again with the token, once, and shown to no other origin', async (t) => {
  const { gate, site } = await busy(t, { protect: ['/api/**', '/checkout/**'] });
  const fetch = gatedFetch({ gate: gate.url, key: BROWSER_KEY, user: 'alice' });
  const positions = [];
  fetch.gate.on('position', ({ position }) => positions.push(position));
  const sent = fetch(new Request(`${gate.url}/api/orders`, { method: 'POST', body: 'seat 4' }));
  await until('the line', () => positions.length > 0);
  assert.deepEqual(site.reached('/api/orders'), [], 'nothing before the turn');
  await gate.configure(EVERYBODY);
  assert.equal((await comes(sent)).status, 200);
  const [order, ...more] = site.reached('/api/orders');
  assert.ok(more.length === 0 && order.method === 'POST' && order.headers['x-gatekeeper-user'] === 'alice');

  const other = http.createServer((request, response) => response.end(JSON.stringify(request.headers)));
  other.listen(0, '127.0.0.1');
  await once(other, 'listening');
  atEnd(t, () => other.close());
  const seen = await (await fetch(`http://127.0.0.1:${other.address().port}/`)).json();
  assert.equal(seen.jwt, undefined);
});

test('fetch: what cannot be sent twice is refused with a word, and other 503s are not touched', async (t) => {
  const { gate, site } = await busy(t, {
    protect: ['/api/**', '/checkout/**'],
    pages: {
      '/free': (_, response) => response.writeHead(503, { 'content-type': 'application/json' }).end('{"maintenance":true}'),
      '/moved': (_, response) => response.writeHead(307, { location: '/api/orders' }).end(),
    },
  });
  const fetch = gatedFetch({ gate: gate.url, key: BROWSER_KEY });
  const body = new Blob(['seat 4']).stream();
  await assert.rejects(fetch(`${gate.url}/api/orders`, { method: 'POST', body, duplex: 'half' }), {
    code: 'not_repeatable',
    message: /stream/,
  });
  await assert.rejects(fetch(`${gate.url}/moved`, { method: 'POST', body: 'seat 4' }), {
    code: 'not_repeatable',
    message: /redirected/,
  });
  assert.deepEqual([site.reached('/moved').length, site.reached('/api/orders')], [1, []]);
  const free = await fetch(`${gate.url}/free`);
  assert.deepEqual([free.status, await free.json()], [503, { maintenance: true }]);

  const leaving = new AbortController();
  const sent = fetch(`${gate.url}/api/orders`, { signal: leaving.signal });
  await until('a token', () => fetch.gate.token);
  leaving.abort();
  await assert.rejects(sent, { name: 'AbortError' });
  await gate.configure(EVERYBODY);
  assert.equal((await comes(fetch(`${gate.url}/api/orders`))).status, 200, 'the next one waits anew');
});
