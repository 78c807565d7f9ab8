// Compiled, never run: each line that is said to be a mistake has to be one.
import { Gatekeeper, GatekeeperError, type Status } from '../../gatekeeper.js';
import { gatedFetch } from '../../gatekeeper-fetch.js';

const gate = new Gatekeeper({ gate: 'https://shop.example', key: 'pk_shop', storage: 'local' });
const off: () => void = gate.on('position', ({ position }) => console.log(position));
gate.on('error', (error) => error.code.length + error.retryAfterMs);
gate.on('closed', (status) => status?.message);
off();

// @ts-expect-error: no such event
gate.on('positions', () => {});
// @ts-expect-error: a status has no token
gate.on('ready', (status) => status.token);
// @ts-expect-error: a closed room may have given no place
gate.on('closed', (status) => status.message);
// @ts-expect-error: no such storage
new Gatekeeper({ storage: 'cookie' });

export async function enter(signal: AbortSignal): Promise<number | null> {
  const { position, isNew } = await gate.enqueue('alice', { signal });
  const status: Status = await gate.waitUntilReady({ user: 'alice', signal });
  const isWaiting: boolean = status.state === 'waiting';
  // @ts-expect-error: no such state
  const isGone: boolean = status.state === 'gone';
  return isNew && !isWaiting && !isGone ? position : (status.etaSeconds?.high ?? null);
}

const fetch = gatedFetch({ words: { cancel: 'Abbrechen', lang: 'de' } });
fetch('/api/orders', { method: 'POST', body: 'x' }).catch((error: unknown) => {
  if (error instanceof GatekeeperError && error.isTemporary) console.log(error.message);
});
fetch.gate.on('paused', (status) => status.waiting);
// @ts-expect-error: no such words
gatedFetch({ words: { abort: 'Abbrechen' } });
