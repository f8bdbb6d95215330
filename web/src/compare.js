// @ts-check
/** The heat map: cosines of all pairs of sentences, of two requests across all languages or of the visitor's own. */
import { byId, h, oneAtATime, whenSeen } from './dom.js';
import { grid } from './grid.js';
import { nameOf, readable, textAttributes } from './languages.js';
import { message } from './status.js';
import { mean } from './statistics.js';

/** @typedef {import('./types.js').ModelInfo} ModelInfo */
/** @typedef {{text: string, language?: string, request?: string}} Item */

const MOST = 64;

/** @param {Item[]} items @param {Float32Array} cosines */
function draw(items, cosines) {
  const n = items.length;
  const at = (/** @type {number} */ r, /** @type {number} */ c) => cosines[r * n + c];
  let [low, high] = [1, -1];
  for (let r = 0; r < n; r++) for (let c = 0; c < n; c++) if (r !== c) [low, high] = [Math.min(low, at(r, c)), Math.max(high, at(r, c))];
  if (n < 2) [low, high] = [0, 1];
  const sides = items.map((item, i) => ({
    short: item.language?.split('-')[0] ?? String(i + 1), long: item.text, attributes: textAttributes(item.language),
    first: i > 0 && item.request !== items[i - 1].request,
  }));
  const sentence = (/** @type {Item} */ item) => h('span', { class: 'quoted' }, h('q', textAttributes(item.language), item.text), item.language && h('small', {}, ` ${nameOf(item.language)}`));
  const box = grid({
    name: 'Cosine similarity of every pair of sentences', rows: sides, columns: sides,
    share: (r, c) => Math.max(0, Math.min(1, (at(r, c) - low) / (high - low || 1))),
    describe: (r, c) => [h('b', { class: 'figures' }, at(r, c).toFixed(3)), ' ', sentence(items[r]), sentence(items[c])],
  });
  box.append(h('p', { class: 'legend' }, h('span', { class: 'figures' }, low.toFixed(2)), h('span', { class: 'ramp', 'aria-hidden': 'true' }), h('span', { class: 'figures' }, high.toFixed(2)), ' cosine'));
  return box;
}

/** Mean cosines within a request across languages, and between the two requests. @param {Item[]} items @param {Float32Array} cosines @returns {string} */
function summary(items, cosines) {
  const n = items.length;
  const [within, between] = [/** @type {number[]} */ ([]), /** @type {number[]} */ ([])];
  for (let r = 0; r < n; r++) for (let c = 0; c < r; c++) (items[r].request === items[c].request ? within : between).push(cosines[r * n + c]);
  if (within.length === 0 || between.length === 0) return '';
  return `Sentences of the same request have a mean cosine of ${mean(within).toFixed(2)} across languages; of different requests, ${mean(between).toFixed(2)}.`;
}

/** @param {import('./app.js').App} app */
export function setUpCompare({ engine, models, dataset, fail }) {
  const [first, second] = [byId('heat-a'), byId('heat-b')];
  const text = byId('heat-text');
  const box = byId('heat');
  /** @type {Item[]} */
  let items = [];
  /** @type {ModelInfo | undefined} */
  let info;
  let seen = false;

  const run = oneAtATime(async (isStale) => {
    if (!info || !seen) return;
    box.setAttribute('aria-busy', 'true');
    try {
      const shown = items;
      const cosines = await engine.similarity(models.active, shown.map((item) => item.text));
      if (isStale()) return;
      const said = summary(shown, cosines);
      box.replaceChildren(draw(shown, cosines), ...(said ? [h('p', { class: 'finding' }, said)] : []));
    } catch (error) {
      if (!isStale()) fail(error);
    }
    if (!isStale()) box.removeAttribute('aria-busy');
  });

  function fromRequests() {
    items = [first.value, second.value].flatMap((label, i, both) => (i === 1 && label === both[0] ? [] : dataset.languages.flatMap((language) => {
      const sentence = dataset.sentence(language, label, 0);
      return sentence ? [{ text: sentence, language, request: label }] : [];
    })));
    text.value = items.map((item) => item.text).join('\n');
    run();
  }

  function fromText() {
    const known = new Map(items.map((item) => [item.text, item]));
    const lines = text.value.split('\n').map((/** @type {string} */ line) => line.trim()).filter(Boolean);
    if (lines.length < 2) return message('Two sentences at least are needed for a comparison.');
    if (lines.length > MOST) message(`Only the first ${MOST} sentences are compared.`, { kind: 'note' });
    items = lines.slice(0, MOST).map((/** @type {string} */ line) => known.get(line) ?? { text: line });
    run();
  }

  first.addEventListener('change', fromRequests);
  second.addEventListener('change', fromRequests);
  byId('heat-run').addEventListener('click', fromText);
  whenSeen(box, () => { seen = true; run(); });

  const requests = dataset.requests();
  return {
    /** @param {ModelInfo} loaded */
    show(loaded) {
      info = loaded;
      const names = requests.map(({ label }) => label);
      for (const [select, i] of /** @type {[any, number][]} */ ([[first, 0], [second, 1]])) {
        const chosen = select.value || names[i];
        select.replaceChildren(...requests.map(({ label, languages }) => h('option', { value: label }, `${readable(label, names)} (${languages})`)));
        select.value = chosen;
      }
      if (items.length === 0) fromRequests();
      else run();
    },
  };
}

