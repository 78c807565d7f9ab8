// The story for which the API was made, with three parties: a page that enqueues and polls by itself, a backend that
// verifies and finishes, and the gate between them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, BROWSER_KEY, FULL_KEY, html, openBrowser, openTab, scene, shown, until } from './support.mjs';

/** The page of the site's developer: the calls of the API, and nothing of the gate's own page. */
const CLIENT = `
<h1>Big sale</h1>
<p id="state">joining</p>
<script>
  const business_id = '${BROWSER_KEY}';
  const say = (text) => { document.getElementById('state').textContent = text; };
  async function join() {
    const entered = await fetch('/queue/enqueue', { method: 'POST', headers: { business_id, user_id: 'shopper-1' } });
    const { jwt, position, message } = await entered.json();
    window.entered = { status: entered.status, position, message };
    wait(jwt);
  }
  async function wait(jwt) {
    const answer = await (await fetch('/queue/status', { headers: { business_id, jwt } })).json();
    const token = answer.jwt_token;
    if (answer.ready) return location.assign('/checkout?jwt=' + encodeURIComponent(token));
    say('position ' + answer.position);
    setTimeout(() => wait(token), 300);
  }
  join().catch((error) => say(String(error)));
</script>`;

/** The site: the page above on a free path, a checkout and a payment that ask the gate with the full key. */
function backend() {
  const calls = { verify: [], finish: [] };
  let gate;
  const withToken = (jwt) => ({ business_id: FULL_KEY, jwt });
  const verify = async (jwt) => calls.verify.push((await gate.call('GET', '/queue/verify', withToken(jwt))).json());
  const finish = async (jwt) => calls.finish.push((await gate.call('DELETE', '/queue/finish', withToken(jwt))).json());
  let paid;
  const payment = new Promise((done) => (paid = done));
  const pages = {
    '/client.html': (_, response) => html(response, CLIENT),
    '/checkout': async (_, response, url) => {
      await verify(url.searchParams.get('jwt'));
      if (!calls.verify.at(-1).ready) return response.writeHead(403).end();
      html(response, '<h1>Checkout</h1><form method="post" action="/checkout/pay"><button>Pay</button></form>');
    },
    '/checkout/pay': (request, response) => {
      html(response, '<h1>Thank you</h1>');
      response.once('finish', () => finish(request.headers.jwt).then(() => paid(request.headers.jwt), paid));
    },
  };
  return { pages, calls, finish, payment, meet: (theGate) => (gate = theGate) };
}

test('a page that enqueues, a backend that verifies and finishes', async (t) => {
  const shop = backend();
  const settings = { admission_limit: 1, admission_frequency: 2 };
  const { gate, site } = await scene(t, { settings, protect: ['/checkout/**'], pages: shop.pages });
  shop.meet(gate);
  for (const user_id of ['other-1', 'other-2', 'other-3']) {
    assert.equal((await gate.call('POST', '/queue/enqueue', { user_id })).status, 200);
  }

  const tab = await openTab(t, await openBrowser(t));
  assert.equal((await tab.goto(`${gate.url}/client.html`)).status(), 200, 'the page itself is not guarded');
  await shown(tab, /position \d/);
  const entered = await tab.evaluate(() => window.entered);
  assert.equal(entered.status, 200);
  assert.equal(entered.message, 'User enqueued successfully.');
  assert.ok(entered.position >= 1 && entered.position <= 4, `position at entry: ${entered.position}`);

  await tab.getByRole('heading', { name: 'Checkout' }).waitFor({ timeout: 60_000 });
  const jwt = new URL(tab.url()).searchParams.get('jwt');
  assert.ok(jwt, 'the token is where the page put it');
  assert.deepEqual(shop.calls.verify, [{ message: 'User is ready', ready: true }]);
  const [request] = site.reached('/checkout');
  assert.equal(new URL(request.url, gate.url).searchParams.get('jwt'), jwt, 'untouched on its way to the backend');
  assert.ok(request.headers.jwt, 'and in the header');

  // From here nobody else is admitted, so that what passes can only have passed by the shopper's token.
  await gate.configure({ mode: 'pause' });
  await tab.getByRole('button', { name: 'Pay' }).click();
  await tab.getByRole('heading', { name: 'Thank you' }).waitFor();
  const last = await shop.payment;
  const finished = Date.now();
  assert.deepEqual(shop.calls.finish, [{ status: 'ready_cleared', message: 'User removed from ready state' }]);

  const before = site.reached('/checkout').length;
  const open = (token) =>
    ask(`${gate.url}/checkout?jwt=${token}`, { headers: { accept: 'text/html', 'sec-fetch-mode': 'navigate' } });
  await until('the token opens nothing', async () => (await open(jwt)).status === 503, 1000);
  assert.ok(Date.now() - finished < 1000, 'within a second');
  assert.equal((await open(last)).status, 503, 'nor does the one it was renewed to');
  assert.ok(site.reached('/checkout').length <= before + 1, 'the site is not asked again');

  await shop.finish(last);
  assert.deepEqual(shop.calls.finish[1], { status: 'not_ready', message: 'User was not in ready state' });
  const verified = await gate.call('GET', '/queue/verify', { jwt });
  assert.deepEqual(verified.json(), { message: 'User is not ready', ready: false });
});
