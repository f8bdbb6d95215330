// @ts-check
/** What the page says about itself: loading with bytes, speed, and messages. */
import { byId, h } from './dom.js';
import { megabytes, whole } from './statistics.js';

/** @typedef {import('./types.js').Progress} Progress */

/** How often a screen reader hears of the progress of loading. */
const ANNOUNCE_MS = 5000;

/** @type {Map<string, Progress>} */
const parts = new Map();
let announced = 0;
/** What to go back to when a later loading has ended. */
let settled = { text: '', state: 'busy' };

/** @param {string} text @param {'ready' | 'failed'} state */
function settle(text, state) {
  settled = { text, state };
  parts.clear();
  byId('loading-bar').hidden = true;
  byId('status-text').textContent = text;
  byId('status').dataset.state = state;
}

/** Shows how far loading is; parts that are loaded together add up. @param {Progress} progress */
export function showLoading(progress) {
  if (progress.ended) {
    // The first loading ends when the page says that it is ready.
    if (parts.delete(progress.what) && parts.size === 0 && settled.state !== 'busy') settle(settled.text, /** @type {any} */ (settled.state));
    return;
  }
  parts.set(progress.what, progress);
  const all = [...parts.values()];
  const loaded = all.reduce((sum, p) => sum + p.loaded, 0);
  const total = all.reduce((sum, p) => sum + Math.max(p.total, p.loaded), 0);
  const bar = byId('loading-bar');
  bar.max = Math.max(total, 1);
  bar.value = loaded;
  bar.hidden = false;
  const unfinished = all.filter((p) => p.loaded < p.total).map((p) => p.what);
  const text = unfinished.length > 0
    ? `Loading ${unfinished.join(' and ')}: ${megabytes(loaded)} of ${megabytes(total)}`
    : `Loaded ${megabytes(loaded)}, preparing…`;
  byId('status-text').textContent = text;
  byId('status').dataset.state = 'busy';
  if (performance.now() - announced > ANNOUNCE_MS) {
    announced = performance.now();
    announce(text);
  }
}

/** @param {string} text what the page is doing */
export function showBusy(text) {
  settled = { text, state: 'busy' };
  byId('status-text').textContent = text;
  byId('status').dataset.state = 'busy';
}

/** @param {string} text */
export function showReady(text) { settle(text, 'ready'); }

/** @param {string} text */
export function showFailed(text) { settle(text, 'failed'); }

/** @type {Map<string, number>} */
const speeds = new Map();

/** Shows the speed of the device in use, and of the other one where it was used too. @param {string} device @param {number} perSecond sentences */
export function showSpeed(device, perSecond) {
  speeds.set(device, perSecond);
  const figure = (/** @type {number} */ n) => (n < 10 ? n.toFixed(1) : whole(n));
  byId('speed').textContent = speeds.size === 1 ? `${figure(perSecond)} sentences/s`
    : `${[...speeds].map(([name, n]) => `${name} ${figure(n)}`).join(', ')} sentences/s`;
}

/** Says something to screen readers alone. @param {string} text */
export function announce(text) {
  const log = byId('announcer');
  const said = document.createElement('p');
  said.textContent = text;
  log.append(said);
  while (log.childElementCount > 3) log.firstElementChild?.remove();
}

/**
 * Shows a message until it is dismissed; the same message is not shown twice.
 * @param {string} text @param {{kind?: 'error' | 'note', action?: {label: string, run: () => void}}} [options]
 */
export function message(text, { kind = 'error', action } = {}) {
  const list = byId('messages');
  for (const old of list.querySelectorAll('.message')) if (old.dataset.text === text) old.remove();
  const item = h('div', { class: `message ${kind}`, 'data-text': text },
    h('p', {}, text),
    action && h('button', { type: 'button', onclick: action.run }, action.label),
    h('button', { type: 'button', class: 'dismiss', 'aria-label': 'Dismiss this message', onclick: () => item.remove() }, '×'));
  list.append(item);
  while (list.children.length > 3) list.firstElementChild?.remove();
}
