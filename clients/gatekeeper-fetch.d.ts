import { Gatekeeper } from './gatekeeper.js';
export type Words = {
    /**
     * Their language, as in `de-AT`; numbers are written in it.
     */
    lang: string;
    label: string;
    joining: string;
    waiting: string;
    waitingOne: string;
    next: string;
    paused: string;
    closed: string;
    reconnecting: string;
    cancel: string;
};
export type FetchOptions = {
    /**
     * Whom the place is for, where a key is used.
     */
    user?: string;
    /**
     * false: none is shown; `gate.on(…)` says what to show.
     */
    bar?: boolean;
    words?: Partial<Words>;
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
export declare function gatedFetch({ user, bar, words, ...options }?: import('./gatekeeper.js').Options & FetchOptions): typeof globalThis.fetch & {
    gate: Gatekeeper;
};
