// @ts-check
/**
 * The same request in all languages, on the two sides of a line: where the label crossed over, and where it did not.
 * The sentences are the test sentences of one label; the first of each language, or the next ones when they are asked for.
 */
import { byId, h, oneAtATime, svg } from './dom.js';
import { nameOf, nativeNameOf, readable, textAttributes } from './languages.js';
import { announce } from './status.js';
import { percent } from './statistics.js';

/** @typedef {import('./types.js').ModelInfo} ModelInfo */
/** @typedef {import('./types.js').ClassPrediction} ClassPrediction */
/** @typedef {{language: string, text: string, label: string, probability: number, right: boolean}} Row */

const AS_PREDICTED = '';

/** The isogloss: a wave as wide as its box. */
const line = () => svg('svg', { class: 'isogloss', viewBox: '0 0 400 12', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
  svg('path', { d: 'M0 6C30 -2 60 14 100 6S170 0 200 6 265 13 300 6 370 0 400 6' }));

/** @param {Row} row @param {string[]} labels @param {string} source */
function item(row, labels, source) {
  return h('li', { class: row.right ? 'right' : 'wrong', 'data-language': row.language, 'data-label': row.label, 'data-probability': row.probability },
    h('span', { class: 'language' }, nameOf(row.language), row.language === source ? h('small', {}, 'source') : h('small', { lang: row.language }, nativeNameOf(row.language))),
    h('span', { class: 'sentence', ...textAttributes(row.language) }, row.text),
    h('span', { class: 'verdict' },
      h('span', { class: 'sign', 'aria-hidden': 'true' }, row.right ? '✓' : '✗'),
      h('span', { class: 'hidden' }, row.right ? 'right: ' : 'wrong: '),
      h('span', { title: row.label }, readable(row.label, labels)), ' ',
      h('span', { class: 'figures' }, `${percent(row.probability)} %`)));
}

/** @param {import('./app.js').App} app */
export function setUpCrossing({ engine, models, dataset, fail }) {
  const select = byId('request');
  const box = byId('crossing');
  /** @type {ModelInfo | undefined} */
  let info;
  let predicted = '';
  let round = 0;

  const run = oneAtATime(async (isStale) => {
    const label = select.value || predicted;
    if (!info || !label || info.task !== 'classification') return;
    if (info.reads_pairs) {
      box.removeAttribute('aria-busy');
      return box.replaceChildren(h('p', { class: 'placeholder' }, 'This model reads pairs of texts; the embedded test sentences are single texts.'));
    }
    const { labels } = info;
    const asked = dataset.languages.map((language) => ({ language, text: dataset.sentence(language, label, round) }));
    const present = asked.filter((one) => one.text !== undefined);
    const absent = asked.filter((one) => one.text === undefined).map(({ language }) => nameOf(language));
    if (present.length === 0) {
      box.replaceChildren(h('p', { class: 'placeholder' }, `The embedded test sentences hold no request to ${readable(label, labels)}. Choose another one above.`));
      return box.removeAttribute('aria-busy');
    }
    box.setAttribute('aria-busy', 'true');
    try {
      const texts = present.map(({ text }) => /** @type {string} */ (text));
      const predictions = await engine.predict(models.active, texts, present.map(({ language }) => language));
      if (isStale()) return;
      if (!predictions.every((prediction) => 'label' in prediction)) {
        box.replaceChildren(h('p', { class: 'placeholder' }, 'This model does not give one label a sentence, so there is nothing to check.'));
        return box.removeAttribute('aria-busy');
      }
      const rows = present.map(({ language, text }, i) => {
        const prediction = /** @type {ClassPrediction} */ (predictions[i]);
        return { language, text: text ?? '', label: prediction.label, probability: prediction.probability, right: prediction.label === label };
      });
      draw(rows, label, labels, absent, predictions.filter(({ truncated }) => truncated).length);
    } catch (error) {
      if (!isStale()) fail(error);
    }
    if (!isStale()) box.removeAttribute('aria-busy');
  });

  /** @param {Row[]} rows @param {string} label @param {string[]} labels @param {string[]} absent @param {number} nCut sentences that were too long */
  function draw(rows, label, labels, absent, nCut) {
    const right = rows.filter((row) => row.right);
    const wrong = rows.filter((row) => !row.right);
    const list = (/** @type {Row[]} */ some, /** @type {string} */ name) =>
      some.length > 0 && h('ul', { class: 'languages-list', 'aria-label': name }, some.map((row) => item(row, labels, dataset.source)));
    const text = `“${readable(label, labels)}” is recognised in ${right.length} of ${rows.length} languages`;
    box.replaceChildren(...[
      h('p', { class: 'crossing-summary' }, text),
      list(right, 'Recognised'),
      h('div', { class: 'line-row' }, line()),
      list(wrong, 'Not recognised'),
      absent.length > 0 && h('p', { class: 'note' }, `The test set has no such sentence in ${new Intl.ListFormat('en').format(absent)}.`),
      nCut > 0 && h('p', { class: 'note' }, `${nCut} of these sentences are too long for the model and were cut off.`),
    ].filter((e) => e !== false));
    announce(text);
  }

  select.addEventListener('change', () => { round = 0; run(); });
  byId('other-sentences').addEventListener('click', () => { round++; run(); });

  return {
    /** The request that the visitor's sentence is taken for; it is shown unless another one is chosen. @param {string} label */
    follow(label) {
      if (label === predicted && box.childElementCount > 0) return;
      predicted = label;
      if (select.value === AS_PREDICTED) { round = 0; run(); }
    },
    /** @param {ModelInfo} loaded */
    show(loaded) {
      info = loaded;
      predicted = '';
      const known = dataset.requests().filter(({ label }) => loaded.labels.includes(label));
      const chosen = select.value;
      select.replaceChildren(h('option', { value: AS_PREDICTED }, 'as predicted above'),
        ...known.map(({ label, languages }) => h('option', { value: label }, `${readable(label, loaded.labels)} (${languages})`)));
      select.value = known.some(({ label }) => label === chosen) ? chosen : AS_PREDICTED;
      if (known.length === 0) {
        box.replaceChildren(h('p', { class: 'placeholder' }, 'This model has other labels than the embedded sentences, so there is nothing to check them against.'));
        box.removeAttribute('aria-busy');
      } else if (select.value !== AS_PREDICTED) run();
    },
  };
}
