// A visitor's place in the line, for pages that show a line of their own: take a place, ask, wait for the turn.
//
//   const gate = new Gatekeeper({ key: 'pk_shop' });
//   gate.on('position', ({ position }) => show(position));
//   await gate.waitUntilReady({ user: 'alice' });
//   location.assign('/checkout?jwt=' + encodeURIComponent(gate.token));
//
// Promises: it asks as often as the gate says, never sooner than a Retry-After, and at once when the tab wakes or the
// network returns; no failure on the way costs the place; a token is never logged, and stands in no event, status or error.
// One file to copy, without dependencies, for browsers of 2022 and later and for Node 20. The types beside it are made of
// its comments (`npm run types`); a test compares them.

/** Where every gate serves its calls, whatever its configuration. */
const PREFIX = '/.gatekeeper';
/** How long one call may take. A connection that froze with the tab is given up after it. */
const TIMEOUT_MS = 10_000;
/** Between two calls, whatever the gate says: never sooner, never later. */
const SOONEST_MS = 1_000;
const LATEST_MS = 60_000;
/** Between two attempts after failures: doubled from one to the next, up to this. */
const BACK_OFF_MS = 30_000;
/** So many new places are taken in a row before the gate is believed that it keeps none. */
const NEW_PLACES = 3;

/**
 * Where the visitor stands.
 *
 * @typedef {object} Status
 * @property {'waiting' | 'ready' | 'paused' | 'closed' | 'unknown'} state `unknown`: not in the line, enqueue again
 * @property {boolean} isReady The turn has come.
 * @property {number | null} position 1 is the head of the line; null where the visitor isn't in it.
 * @property {number} waiting People in the line.
 * @property {{ low: number, high: number } | null} etaSeconds The estimate, a range; null: not known.
 * @property {Date | null} expiresAt The end of the turn, once it has come.
 * @property {string | null} message The operator's words.
 * @property {number} pollAfterMs When to ask again.
 * @property {boolean} isStoreAway Nothing moves at the moment, and no place is lost.
 */

/**
 * A place that was taken. `position` null: the turn has come already. Not `isNew`: there was a place already; it is kept.
 *
 * @typedef {{ position: number | null, isNew: boolean }} Entered
 */

/**
 * What the listeners of each event are given. `position`, `paused` and `closed` come with every answer that says so.
 *
 * @typedef {object} Events
 * @property {Status} position The visitor waits.
 * @property {Status} ready The turn has come; the last event of a wait.
 * @property {Status} paused Nobody is let in at the moment; the place is kept.
 * @property {Status | null} closed The room takes nobody at the moment; null: and gave no place.
 * @property {GatekeeperError} error The wait ended without a turn.
 * @property {Reconnecting} reconnecting There was no answer, or nothing moves; the place is kept, and it is tried again.
 */

/**
 * @typedef {object} Reconnecting
 * @property {GatekeeperError | null} error Why; null: the gate answers, its store doesn't.
 * @property {number} retryInMs
 */

/**
 * @typedef {object} Options
 * @property {string} [gate] The gate's origin, as in `https://shop.example.com`; by default the page's own.
 * @property {string} [key] An API key of scope `browser`. Without it the place is kept in the gate's cookie, by its own
 *   origin's pages alone.
 * @property {'session' | 'local' | 'none' | Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>} [storage] What keeps the
 *   token over reloads: of this tab (the default), of all tabs, nothing, or something of yours.
 * @property {typeof globalThis.fetch} [fetch] What calls are made with.
 */

/** What went wrong. `message` holds no token and no key. */
export class GatekeeperError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{ status?: number, retryAfterMs?: number, isTemporary?: boolean, cause?: unknown }} [more]
   */
  constructor(code, message, { status = 0, retryAfterMs = 0, isTemporary = false, cause } = {}) {
    super(message);
    this.name = 'GatekeeperError';
    /**
     * The gate's own (`unknown_key`, `rate_limited`, `room_closed` …), or one of these: `no_answer`, `not_understood`,
     * `no_place`, `token_elsewhere`, `place_not_kept`, `cookies_off`, `key_needed`, `not_repeatable`.
     */
    this.code = code;
    /** Of HTTP; 0: there was no answer. */
    this.status = status;
    /** Not to be asked again before. */
    this.retryAfterMs = retryAfterMs;
    /** Whether the same call may succeed later. */
    this.isTemporary = isTemporary;
    /** @type {unknown} */
    this.cause = cause;
  }
}

/** One visitor's place in one room. */
export class Gatekeeper {
  #base;
  #key;
  #fetch;
  #memory;
  /** @type {Map<string, Set<(detail: any) => void>>} */
  #listeners = new Map();
  /** @type {Map<string, Promise<Entered>>} */
  #entering = new Map();

  /** @param {Options} [options] */
  constructor({ gate = '', key, storage = 'session', fetch = (...call) => globalThis.fetch(...call) } = {}) {
    if (!gate && !globalThis.location) {
      throw new TypeError('Outside a page, say where the gate is: { gate: "https://…" }.');
    }
    this.#base = gate.replace(/\/+$/, '') + PREFIX;
    this.#key = key;
    this.#fetch = fetch;
    this.#memory = new Memory(storage, `gatekeeper:${gate}:${key ?? ''}`);
  }

  /** The newest token, to go in with: `?jwt=`, or a header `jwt`. Empty before there is a place, and with the cookie. */
  get token() {
    return this.#memory.read().token ?? '';
  }

  /**
   * Calls the listener at each such event. One that throws stops nothing; its error is reported as uncaught.
   *
   * @template {keyof Events} T
   * @param {T} type
   * @param {(detail: Events[T]) => void} listener
   * @returns {() => void} removes the listener
   */
  on(type, listener) {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /**
   * Takes a place. Calls for the same user at the same time are one.
   *
   * @param {string} [user] Whom the place is for, 1 to 128 visible ASCII characters. The gate hands a user's token out once:
   *   by default a random name, which only this browser knows. Left out with the cookie.
   * @param {{ signal?: AbortSignal | null }} [options]
   * @returns {Promise<Entered>}
   */
  async enqueue(user, { signal } = {}) {
    const kept = this.#memory.read();
    const name = this.#key ? (user ?? kept.user ?? randomName()) : '';
    if (this.#key && !/^[!-~]{1,128}$/.test(name)) {
      throw new GatekeeperError('invalid_field', 'A user id is 1 to 128 visible ASCII characters.');
    }
    const isGiven = user !== undefined || kept.isGiven === true;
    const enter = () => this.#enter(name, isGiven, signal).finally(() => this.#entering.delete(name));
    const entering = this.#entering.get(name) ?? enter();
    this.#entering.set(name, entering);
    return entering;
  }

  /**
   * @param {string} user
   * @param {boolean} isGiven
   * @param {AbortSignal | null} [signal]
   * @returns {Promise<Entered>}
   */
  async #enter(user, isGiven, signal) {
    const { body } = await this.#call('POST', '/queue/enqueue', this.#key ? { 'user-id': user } : {}, signal);
    const kept = this.#memory.read();
    if (body.jwt) {
      this.#memory.write({ token: body.jwt, user, isGiven });
    } else if (this.#key && !(kept.token && kept.user === user)) {
      const message =
        'This user has a place already, and its token was handed out once: to somebody else, or to a page that did not ' +
        'keep it. Take another user id, or wait until that place has ended.';
      throw new GatekeeperError('token_elsewhere', message);
    }
    return { position: body.position ?? null, isNew: body.message === 'User enqueued successfully.' };
  }

  /**
   * Asks once where the visitor stands.
   *
   * @param {{ signal?: AbortSignal | null }} [options]
   * @returns {Promise<Status>}
   */
  async status({ signal } = {}) {
    const { token, ...place } = this.#memory.read();
    if (this.#key && !token) throw new GatekeeperError('no_place', 'There is no token here: enqueue first.');
    const { body, response } = await this.#call('GET', '/queue/status', this.#key ? { jwt: token ?? '' } : {}, signal);
    // Another tab may have taken a new place meanwhile, whose token must stay.
    if (body.jwt_token && this.#memory.read().token === token) this.#memory.write({ token: body.jwt_token, ...place });
    return statusOf(body, response.headers.get('gatekeeper-store') === 'away');
  }

  /**
   * Waits for the turn, through everything that passes: takes a place where none is kept, asks as often as the gate says,
   * goes on after failures, and wakes with the tab and the network.
   *
   * @param {{ user?: string, signal?: AbortSignal | null }} [options] `user`: see `enqueue`
   * @returns {Promise<Status>} of the turn
   * @throws {GatekeeperError} what waiting can't mend: a wrong key, a token that is elsewhere, cookies that are off
   */
  async waitUntilReady({ user, signal } = {}) {
    try {
      return await this.#wait(user, signal);
    } catch (error) {
      if (!signal?.aborted && error instanceof GatekeeperError) this.#emit('error', error);
      throw error;
    }
  }

  /**
   * @param {string | undefined} user
   * @param {AbortSignal | null} [signal]
   */
  async #wait(user, signal) {
    let failures = 0;
    let newPlaces = 0;
    let mustEnter = false;
    for (;;) {
      let pauseMs = 0;
      let leastMs = SOONEST_MS;
      try {
        if (mustEnter || this.#lacksPlaceOf(user)) {
          await this.enqueue(user, { signal });
          mustEnter = false;
          newPlaces += 1;
        }
        const status = await this.status({ signal });
        if (status.state === 'unknown') throw new GatekeeperError('place_not_kept', 'The place has ended.');
        failures = 0;
        newPlaces = 0;
        if (status.isReady) {
          this.#emit('ready', status);
          return status;
        }
        pauseMs = later(Math.min(LATEST_MS, Math.max(SOONEST_MS, status.pollAfterMs)));
        this.#tell(status, pauseMs);
      } catch (error) {
        if (!(error instanceof GatekeeperError) || signal?.aborted) throw error;
        if (isPlaceless(error)) {
          const isRefused = error.code === 'missing_token';
          if (newPlaces >= (isRefused ? 1 : NEW_PLACES)) throw isRefused ? cookiesOff(error) : error;
          this.#memory.forgetToken();
          mustEnter = true;
          continue;
        }
        if (!error.isTemporary) throw error;
        failures += 1;
        leastMs = error.retryAfterMs;
        pauseMs = Math.max(leastMs, spread(Math.min(BACK_OFF_MS, SOONEST_MS * 2 ** Math.min(failures, 5))));
        if (error.code === 'room_closed') this.#emit('closed', null);
        else this.#emit('reconnecting', { error, retryInMs: Math.round(pauseMs) });
      }
      await rest(pauseMs, leastMs, signal);
    }
  }

  /** @param {string | undefined} user */
  #lacksPlaceOf(user) {
    const kept = this.#memory.read();
    return Boolean(this.#key) && (!kept.token || (user !== undefined && user !== kept.user));
  }

  /**
   * @param {Status} status
   * @param {number} pauseMs
   */
  #tell(status, pauseMs) {
    const { state } = status;
    this.#emit(state === 'paused' || state === 'closed' ? state : 'position', status);
    if (status.isStoreAway) this.#emit('reconnecting', { error: null, retryInMs: Math.round(pauseMs) });
  }

  /**
   * @template {keyof Events} T
   * @param {T} type
   * @param {Events[T]} detail
   */
  #emit(type, detail) {
    for (const listener of this.#listeners.get(type) ?? []) {
      try {
        listener(detail);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {Record<string, string>} headers
   * @param {AbortSignal | null} [signal]
   * @returns {Promise<{ body: any, response: Response }>}
   */
  async #call(method, path, headers, signal) {
    signal?.throwIfAborted();
    const call = new AbortController();
    const leave = () => call.abort(signal?.reason);
    signal?.addEventListener('abort', leave);
    const limit = setTimeout(() => call.abort(), TIMEOUT_MS);
    try {
      const response = await this.#fetch(this.#base + path, {
        method,
        // Hyphens: common proxies drop names with underscores.
        headers: { accept: 'application/json', ...(this.#key && { 'business-id': this.#key }), ...headers },
        credentials: this.#key ? 'omit' : 'same-origin',
        cache: 'no-store',
        redirect: 'error',
        signal: call.signal,
      });
      const body = await response.json().catch(() => null);
      signal?.throwIfAborted();
      if (response.ok && body && typeof body === 'object') return { body, response };
      throw refusalOf(response, body);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof GatekeeperError) throw error;
      throw new GatekeeperError('no_answer', 'The gate did not answer.', { isTemporary: true, cause: error });
    } finally {
      clearTimeout(limit);
      signal?.removeEventListener('abort', leave);
    }
  }
}

/**
 * What outlives a reload. `isGiven`: the user's name is the page's, and not one that was made up for a place.
 *
 * @typedef {{ token?: string, user?: string, isGiven?: boolean }} Kept
 */

/** Keeps it, in a storage if there is one that takes it. */
class Memory {
  /** @type {Kept} */
  #own = {};
  #storage;
  #name;

  /**
   * @param {NonNullable<Options['storage']>} storage
   * @param {string} name
   */
  constructor(storage, name) {
    this.#storage = storageOf(storage);
    this.#name = name;
  }

  /** Read anew each time: another tab may have written. */
  read() {
    try {
      const text = this.#storage?.getItem(this.#name);
      if (text) this.#own = JSON.parse(text) ?? {};
    } catch {
      // Blocked, or not ours: what is known here counts.
    }
    return this.#own;
  }

  /** @param {Kept} place */
  write(place) {
    this.#own = place;
    try {
      this.#storage?.setItem(this.#name, JSON.stringify(place));
    } catch {
      // Full or blocked: the place lasts as long as this page.
    }
  }

  forgetToken() {
    const { user, isGiven } = this.read();
    this.write(isGiven ? { user, isGiven } : {});
  }
}

/** @param {NonNullable<Options['storage']>} storage */
function storageOf(storage) {
  if (typeof storage !== 'string') return storage;
  try {
    // Merely looking throws where a browser blocks it.
    return { session: globalThis.sessionStorage, local: globalThis.localStorage, none: undefined }[storage];
  } catch {
    return undefined;
  }
}

/**
 * @param {any} body
 * @param {boolean} isStoreAway
 * @returns {Status}
 */
function statusOf(body, isStoreAway) {
  return {
    state: body.ready ? 'ready' : (body.state ?? 'unknown'),
    isReady: body.ready === true,
    position: body.position ?? null,
    waiting: Number(body.waiting) || 0,
    etaSeconds: body.eta_seconds ?? null,
    expiresAt: body.expires_at ? new Date(body.expires_at) : null,
    message: body.message ?? null,
    pollAfterMs: Number(body.poll_after_ms) || SOONEST_MS,
    isStoreAway,
  };
}

/**
 * @param {Response} response
 * @param {any} body
 */
function refusalOf(response, body) {
  const { status } = response;
  // A balancer's 502, or a hotel's page with 200, is no word of the gate's: it will be back.
  const isTemporary = response.ok || status === 429 || status === 408 || status >= 500;
  const code = typeof body?.code === 'string' ? body.code : 'not_understood';
  const message = typeof body?.detail === 'string' ? body.detail : `The answer (${status}) is not the gate's.`;
  return new GatekeeperError(code, message, { status, isTemporary, retryAfterMs: retryAfterOf(response) });
}

/** @param {Response} response */
function retryAfterOf(response) {
  const value = response.headers.get('retry-after');
  if (value === null) return 0;
  const ms = Number.isNaN(Number(value)) ? Date.parse(value) - Date.now() : Number(value) * 1000;
  return Math.min(10 * LATEST_MS, Math.max(0, ms || 0));
}

/**
 * Whether there is no place behind what was shown: with a cookie that means none yet, or one of another life.
 *
 * @param {GatekeeperError} error
 */
function isPlaceless({ code }) {
  return ['place_not_kept', 'missing_token', 'invalid_token', 'expired_token', 'wrong_room'].includes(code);
}

/** @param {unknown} cause */
function cookiesOff(cause) {
  const message = "The place is kept in a cookie, and this browser doesn't send it back.";
  return new GatekeeperError('cookies_off', message, { cause });
}

/** A little later, never sooner: the gate spreads the crowd itself. @param {number} ms */
const later = (ms) => ms * (1 + Math.random() * 0.1);

/** A fifth either way, so that not all come back at once. @param {number} ms */
const spread = (ms) => ms * (0.8 + Math.random() * 0.4);

function randomName() {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * Rests for so long, or until the tab wakes or the network returns, but at least for `leastMs`.
 *
 * @param {number} ms
 * @param {number} leastMs
 * @param {AbortSignal | null} [signal]
 * @returns {Promise<void>}
 */
function rest(ms, leastMs, signal) {
  const { document } = globalThis;
  /** @type {[EventTarget | undefined, string][]} */
  const wakers = [
    [globalThis, 'online'],
    [globalThis, 'pageshow'],
    [document, 'visibilitychange'],
    [document, 'resume'],
  ];
  const start = Date.now();
  return new Promise((rested, left) => {
    let timer = setTimeout(end, ms);
    const wake = () => {
      if (document?.visibilityState === 'hidden') return;
      clearTimeout(timer);
      timer = setTimeout(end, Math.max(0, start + Math.min(leastMs, ms) - Date.now()));
    };
    for (const [target, type] of wakers) target?.addEventListener?.(type, wake);
    signal?.addEventListener('abort', end);
    if (signal?.aborted) end();
    function end() {
      clearTimeout(timer);
      for (const [target, type] of wakers) target?.removeEventListener?.(type, wake);
      signal?.removeEventListener('abort', end);
      if (signal?.aborted) left(signal.reason);
      else rested();
    }
  });
}
