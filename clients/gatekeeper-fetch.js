// `fetch` for single-page apps: where the gate answers a request because the room is busy, it shows a small bar, waits for
// the turn and sends the request again.
//
//   const fetch = gatedFetch();
//   const response = await fetch('/api/basket', { method: 'POST', body });
//
// Promises: a request is repeated only where the gate answered it, so that the site never saw it; every other answer is
// given on untouched. Requests that meet the line together wait together, behind one bar. The bar lives in a shadow root of
// its own, asks no host for anything, needs no leave of a Content-Security-Policy, moves no focus, and speaks at most every
// 30 seconds. Beside gatekeeper.js it has no dependency.

import { Gatekeeper, GatekeeperError } from './gatekeeper.js';

/** A turn that ends at once, so many times in a row, is no turn: the gate's answer is given on. */
const REPEATS = 3;
/** What a screen reader hears, at most. */
const SPEAK_EVERY_MS = 30_000;

const STREAM =
  'The gate asked to wait, and nothing was sent to the site. A stream can be sent only once: send a Blob, or wait for the ' +
  'turn first (fetch.gate.waitUntilReady).';
const REDIRECTED =
  'The site redirected this request to a path that waits behind the gate. It saw the request, so it is not sent again.';

/**
 * What the bar says; `{ahead}` is the number of people. Words of yours replace these one by one.
 *
 * @typedef {object} Words
 * @property {string} lang Their language, as in `de-AT`; numbers are written in it.
 * @property {string} label
 * @property {string} joining
 * @property {string} waiting
 * @property {string} waitingOne
 * @property {string} next
 * @property {string} paused
 * @property {string} closed
 * @property {string} reconnecting
 * @property {string} cancel
 */

/** @type {Words} */
const WORDS = {
  lang: 'en',
  label: 'Waiting line',
  joining: 'Many people are here. Taking a place in line …',
  waiting: 'You are in line: {ahead} people ahead. This goes on by itself at your turn.',
  waitingOne: 'You are in line: 1 person ahead. This goes on by itself at your turn.',
  next: 'You are next. This goes on by itself at your turn.',
  paused: 'The line is paused. Your place is kept.',
  closed: 'Closed at the moment. This keeps checking.',
  reconnecting: 'Reconnecting … Your place is kept.',
  cancel: 'Cancel',
};

/**
 * Beside what `Gatekeeper` takes:
 *
 * @typedef {object} FetchOptions
 * @property {string} [user] Whom the place is for, where a key is used.
 * @property {boolean} [bar] false: none is shown; `gate.on(…)` says what to show.
 * @property {Partial<Words>} [words]
 */

/**
 * Makes a `fetch`. Without a key it works for the gate that serves the page itself, by its cookie. With a key it works for a
 * gate anywhere: what is repeated has the token in a header `jwt`.
 *
 * @param {import('./gatekeeper.js').Options & FetchOptions} [options]
 * @returns {typeof globalThis.fetch & { gate: Gatekeeper }} `gate`: to listen to
 */
export function gatedFetch({ user, bar = true, words = {}, ...options } = {}) {
  /** @type {typeof globalThis.fetch} */
  const send = options.fetch ?? ((...call) => globalThis.fetch(...call));
  const gate = new Gatekeeper(options);
  const turn = new Turn(gate, user, bar && globalThis.document ? new Bar({ ...WORDS, ...words }) : null);
  const own = new URL(options.gate || '/', globalThis.location?.href).origin;

  /** @type {typeof globalThis.fetch} */
  const gated = async (input, init) => {
    for (let repeats = 0; ; repeats += 1) {
      // A request's body is used up by sending it; a copy of it isn't.
      const isRequest = typeof input === 'object' && 'clone' in input;
      const response = await send(isRequest ? input.clone() : input, withToken(input, init, own, gate.token));
      if (repeats === REPEATS || !(await isGates(response))) return response;
      if (new URL(response.url || own).origin !== own) {
        if (options.key || !globalThis.location) return response;
        const message = 'The gate of another origin asked to wait: give gatedFetch that gate and a browser key.';
        throw new GatekeeperError('key_needed', message, { status: 503 });
      }
      refuseUnrepeatable(response, input, init);
      await turn.wait(init?.signal ?? (isRequest ? input.signal : null));
    }
  };
  return Object.assign(gated, { gate });
}

/** Whether the gate answered in place of the site. @param {Response} response */
async function isGates(response) {
  const type = response.headers.get('content-type') ?? '';
  if (response.status !== 503 || !type.startsWith('application/json')) return false;
  const body = await response.clone().json().catch(() => null);
  return body?.waiting_room === true;
}

/**
 * The token is the gate's own business: no other origin is shown it.
 *
 * @param {RequestInfo | URL} input
 * @param {RequestInit | undefined} init
 * @param {string} own
 * @param {string} token
 */
function withToken(input, init, own, token) {
  const address = typeof input === 'object' && 'url' in input ? input.url : input;
  if (!token || new URL(address, globalThis.location?.href).origin !== own) return init;
  const given = init?.headers ?? (typeof input === 'object' && 'headers' in input ? input.headers : undefined);
  const headers = new Headers(given);
  headers.set('jwt', token);
  return { ...init, headers };
}

/**
 * @param {Response} response
 * @param {RequestInfo | URL} input
 * @param {RequestInit} [init]
 */
function refuseUnrepeatable(response, input, init) {
  const body = init?.body;
  const isStream = typeof body === 'object' && body !== null && ('getReader' in body || Symbol.asyncIterator in body);
  if (isStream) {
    throw new GatekeeperError('not_repeatable', STREAM, { status: 503 });
  }
  const method = (init?.method ?? (typeof input === 'object' && 'method' in input ? input.method : 'GET')).toUpperCase();
  if (response.redirected && method !== 'GET' && method !== 'HEAD') {
    throw new GatekeeperError('not_repeatable', REDIRECTED, { status: 503 });
  }
}

/** The wait that all requests share, and its bar. It ends when nobody waits any more. */
class Turn {
  #gate;
  #user;
  #bar;
  #waiting = 0;
  /** @type {Promise<unknown> | null} */
  #coming = null;
  #leaving = new AbortController();

  /**
   * @param {Gatekeeper} gate
   * @param {string | undefined} user
   * @param {Bar | null} bar
   */
  constructor(gate, user, bar) {
    this.#gate = gate;
    this.#user = user;
    this.#bar = bar;
    gate.on('position', ({ position }) => bar?.say(position));
    gate.on('paused', () => bar?.tell('paused'));
    gate.on('closed', () => bar?.tell('closed'));
    gate.on('reconnecting', () => bar?.tell('reconnecting'));
  }

  /** @param {AbortSignal | null} [signal] of one request */
  async wait(signal) {
    signal?.throwIfAborted();
    const coming = (this.#coming ??= this.#come());
    this.#waiting += 1;
    let leave = () => {};
    const left = new Promise((_, fail) => {
      leave = () => fail(signal?.reason);
      signal?.addEventListener('abort', leave);
    });
    try {
      await Promise.race([coming, left]);
    } finally {
      signal?.removeEventListener('abort', leave);
      this.#waiting -= 1;
      if (this.#waiting === 0) {
        this.#leaving.abort();
        this.#coming = null;
      }
    }
  }

  async #come() {
    const leaving = (this.#leaving = new AbortController());
    this.#bar?.show(() => leaving.abort());
    try {
      await this.#gate.waitUntilReady({ user: this.#user, signal: leaving.signal });
    } finally {
      // Unless the next one has come by already.
      if (this.#leaving === leaving) {
        this.#bar?.hide();
        this.#coming = null;
      }
    }
  }
}

const STYLE = `
:host { all: initial; position: fixed; inset-block-end: 0; inset-inline: 0; z-index: 2147483647; color-scheme: light dark; }
section {
  box-sizing: border-box; display: flex; flex-wrap: wrap; align-items: center; justify-content: center; gap: .5rem 1rem;
  padding: .75rem 1rem calc(.75rem + env(safe-area-inset-bottom)); font: 1rem/1.4 system-ui, sans-serif; overflow-wrap: anywhere;
  background: #12212b; color: #fff; border-block-start: 1px solid #66cbd3;
}
p { margin: 0; }
button {
  font: inherit; color: inherit; background: none; border: 1px solid currentcolor; border-radius: 1.5rem;
  min-block-size: 2.75rem; padding: .25rem 1.25rem; cursor: pointer;
}
button:focus-visible { outline: 3px solid #66cbd3; outline-offset: 2px; }
.unseen { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media print { :host { display: none; } }
`;

/** What the visitor sees meanwhile: a line of text at the lower edge, and a way out. */
class Bar {
  #words;
  #host = document.createElement('div');
  #text = document.createElement('p');
  #voice = document.createElement('p');
  #button = document.createElement('button');
  #heardAt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #hearing;

  /** @param {Words} words */
  constructor(words) {
    this.#words = words;
    this.#host.dataset.gatekeeper = 'bar';
    const root = this.#host.attachShadow({ mode: 'open' });
    if ('adoptedStyleSheets' in root && typeof CSSStyleSheet === 'function') {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      root.adoptedStyleSheets = [sheet];
    }
    const section = document.createElement('section');
    section.lang = words.lang;
    section.setAttribute('aria-label', words.label);
    this.#voice.className = 'unseen';
    this.#voice.setAttribute('role', 'status');
    this.#button.type = 'button';
    this.#button.textContent = words.cancel;
    section.append(this.#text, this.#voice, this.#button);
    root.append(section);
  }

  /** @param {() => void} cancel */
  show(cancel) {
    this.#button.onclick = cancel;
    (document.body ?? document.documentElement).append(this.#host);
    this.#heardAt = 0;
    this.tell('joining');
  }

  hide() {
    clearTimeout(this.#hearing);
    this.#host.remove();
    this.#voice.textContent = '';
  }

  /** Says how many are ahead. @param {number | null} position */
  say(position) {
    if (position === null) return this.tell('joining');
    if (position <= 2) return this.tell(position === 2 ? 'waitingOne' : 'next');
    return this.tell('waiting', numeral(position - 1, this.#words.lang));
  }

  /**
   * @param {keyof Words} what
   * @param {string} [ahead]
   */
  tell(what, ahead = '') {
    const text = this.#words[what].replace('{ahead}', ahead);
    if (this.#text.textContent !== text) this.#text.textContent = text;
    clearTimeout(this.#hearing);
    // The region has to be there before what it says, or nothing is read.
    const pause = Math.max(100, this.#heardAt + SPEAK_EVERY_MS - Date.now());
    this.#hearing = setTimeout(() => {
      this.#heardAt = Date.now();
      this.#voice.textContent = text;
    }, pause);
  }
}

/**
 * @param {number} count
 * @param {string} lang
 */
function numeral(count, lang) {
  try {
    return new Intl.NumberFormat(lang).format(count);
  } catch {
    return String(count); // no language tag
  }
}
