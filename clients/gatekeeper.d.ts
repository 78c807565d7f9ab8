export type Status = {
    /**
     * `unknown`: not in the line, enqueue again
     */
    state: 'waiting' | 'ready' | 'paused' | 'closed' | 'unknown';
    /**
     * The turn has come.
     */
    isReady: boolean;
    /**
     * 1 is the head of the line; null where the visitor isn't in it.
     */
    position: number | null;
    /**
     * People in the line.
     */
    waiting: number;
    /**
     * The estimate, a range; null: not known.
     */
    etaSeconds: {
        low: number;
        high: number;
    } | null;
    /**
     * The end of the turn, once it has come.
     */
    expiresAt: Date | null;
    /**
     * The operator's words.
     */
    message: string | null;
    /**
     * When to ask again.
     */
    pollAfterMs: number;
    /**
     * Nothing moves at the moment, and no place is lost.
     */
    isStoreAway: boolean;
};
export type Entered = {
    position: number | null;
    isNew: boolean;
};
export type Events = {
    /**
     * The visitor waits.
     */
    position: Status;
    /**
     * The turn has come; the last event of a wait.
     */
    ready: Status;
    /**
     * Nobody is let in at the moment; the place is kept.
     */
    paused: Status;
    /**
     * The room takes nobody at the moment; null: and gave no place.
     */
    closed: Status | null;
    /**
     * The wait ended without a turn.
     */
    error: GatekeeperError;
    /**
     * There was no answer, or nothing moves; the place is kept, and it is tried again.
     */
    reconnecting: Reconnecting;
};
export type Reconnecting = {
    /**
     * Why; null: the gate answers, its store doesn't.
     */
    error: GatekeeperError | null;
    retryInMs: number;
};
export type Options = {
    /**
     * The gate's origin, as in `https://shop.example.com`; by default the page's own.
     */
    gate?: string;
    /**
     * An API key of scope `browser`. Without it the place is kept in the gate's cookie, by its own
     * origin's pages alone.
     */
    key?: string;
    /**
     * What keeps the
     * token over reloads: of this tab (the default), of all tabs, nothing, or something of yours.
     */
    storage?: 'session' | 'local' | 'none' | Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;
    /**
     * What calls are made with.
     */
    fetch?: typeof globalThis.fetch;
};
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
export declare class GatekeeperError extends Error {
    /**
     * The gate's own (`unknown_key`, `rate_limited`, `room_closed` …), or one of these: `no_answer`, `not_understood`,
     * `no_place`, `token_elsewhere`, `place_not_kept`, `cookies_off`, `key_needed`, `not_repeatable`.
     */
    code: string;
    /** Of HTTP; 0: there was no answer. */
    status: number;
    /** Not to be asked again before. */
    retryAfterMs: number;
    /** Whether the same call may succeed later. */
    isTemporary: boolean;
    /** @type {unknown} */
    cause: unknown;
    /**
     * @param {string} code
     * @param {string} message
     * @param {{ status?: number, retryAfterMs?: number, isTemporary?: boolean, cause?: unknown }} [more]
     */
    constructor(code: string, message: string, { status, retryAfterMs, isTemporary, cause }?: {
        status?: number;
        retryAfterMs?: number;
        isTemporary?: boolean;
        cause?: unknown;
    });
}
/** One visitor's place in one room. */
export declare class Gatekeeper {
    #private;
    /** @param {Options} [options] */
    constructor({ gate, key, storage, fetch }?: Options);
    /** The newest token, to go in with: `?jwt=`, or a header `jwt`. Empty before there is a place, and with the cookie. */
    get token(): string;
    /**
     * Calls the listener at each such event. One that throws stops nothing; its error is reported as uncaught.
     *
     * @template {keyof Events} T
     * @param {T} type
     * @param {(detail: Events[T]) => void} listener
     * @returns {() => void} removes the listener
     */
    on<T extends keyof Events>(type: T, listener: (detail: Events[T]) => void): () => void;
    /**
     * Takes a place. Calls for the same user at the same time are one.
     *
     * @param {string} [user] Whom the place is for, 1 to 128 visible ASCII characters. The gate hands a user's token out once:
     *   by default a random name, which only this browser knows. Left out with the cookie.
     * @param {{ signal?: AbortSignal | null }} [options]
     * @returns {Promise<Entered>}
     */
    enqueue(user?: string, { signal }?: {
        signal?: AbortSignal | null;
    }): Promise<Entered>;
    /**
     * Asks once where the visitor stands.
     *
     * @param {{ signal?: AbortSignal | null }} [options]
     * @returns {Promise<Status>}
     */
    status({ signal }?: {
        signal?: AbortSignal | null;
    }): Promise<Status>;
    /**
     * Waits for the turn, through everything that passes: takes a place where none is kept, asks as often as the gate says,
     * goes on after failures, and wakes with the tab and the network.
     *
     * @param {{ user?: string, signal?: AbortSignal | null }} [options] `user`: see `enqueue`
     * @returns {Promise<Status>} of the turn
     * @throws {GatekeeperError} what waiting can't mend: a wrong key, a token that is elsewhere, cookies that are off
     */
    waitUntilReady({ user, signal }?: {
        user?: string;
        signal?: AbortSignal | null;
    }): Promise<Status>;
}
export type Kept = {
    token?: string;
    user?: string;
    isGiven?: boolean;
};
