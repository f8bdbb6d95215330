// @ts-check
/** The first part: one sentence, its label and probabilities, and the same request in all languages. */
import { setUpCrossing } from './crossing.js';
import { byId, debounced, h, oneAtATime } from './dom.js';
import { nameOf, readable, textAttributes } from './languages.js';
import { announce } from './status.js';
import { percent } from './statistics.js';

/** @typedef {import('./types.js').ClassPrediction} ClassPrediction */
/** @typedef {import('./types.js').TokenPrediction} TokenPrediction */
/** @typedef {import('./types.js').ModelInfo} ModelInfo */
/** @typedef {import('./types.js').LabelsPrediction} LabelsPrediction */
/** @typedef {import('./types.js').ScoresPrediction} ScoresPrediction */

/** As many probabilities are shown before the visitor asks for all. */
const SHOWN = 5;
const EXAMPLES = [
  { language: 'en', text: 'pause the timer' },
  { language: 'de', text: 'mach das Licht in der Küche aus' },
  { language: 'ar', text: 'ما هي درجة الحرارة في المطبخ' },
  { language: 'zh-CN', text: '打开卧室的灯' },
  { language: 'hi', text: '10 मिनट का टाइमर लगाओ' },
];

/** @param {number} share */
const bar = (share) => h('span', { class: 'bar', 'aria-hidden': 'true' }, h('span', { '--share': share }));

/** @param {ClassPrediction} prediction @param {ModelInfo} info @param {string} text */
function classification({ label, probability, probabilities }, info, text) {
  const order = probabilities.map((p, i) => ({ p, label: info.labels[i] })).sort((a, b) => b.p - a.p);
  const row = (/** @type {{p: number, label: string}} */ { p, label: name }) => h('tr', { 'data-label': name },
    h('th', { scope: 'row', title: name }, readable(name, info.labels)),
    h('td', { class: 'wide' }, bar(p)),
    h('td', { class: 'figures' }, `${percent(p)} %`));
  const table = (/** @type {typeof order} */ rows, /** @type {string} */ caption) =>
    h('table', { class: 'probabilities' }, h('caption', { class: 'hidden' }, caption), h('tbody', {}, rows.map(row)));
  return [
    h('p', { class: 'answer', 'data-text': text, 'data-label': label, 'data-probability': probability },
      h('strong', {}, readable(label, info.labels)), ' ', h('span', { class: 'figures' }, `${percent(probability)} %`)),
    table(order.slice(0, SHOWN), 'The most probable labels'),
    order.length > SHOWN && h('details', {}, h('summary', {}, `All ${order.length} labels`), table(order.slice(SHOWN), 'The other labels')),
  ];
}

/** Whether a multi-label model gives the label. @param {{probability: number}} label */
const isGiven = ({ probability }) => probability >= 0.5;

/** @param {LabelsPrediction} prediction @param {ModelInfo} info @param {string} text */
function multiLabel({ labels }, info, text) {
  const given = labels.filter(isGiven);
  const shown = given.map(({ label }) => h('strong', {}, readable(label, info.labels), ' '));
  const none = h('span', { class: 'placeholder' }, 'No label has a probability of one half or more.');
  const row = (/** @type {{label: string, probability: number}} */ { label, probability }) => h('tr', { 'data-label': label },
    h('th', { scope: 'row', title: label }, readable(label, info.labels)),
    h('td', { class: 'wide' }, bar(probability)),
    h('td', { class: 'figures' }, `${percent(probability)} %`));
  return [
    h('p', { class: 'answer', 'data-text': text, 'data-labels': given.map(({ label }) => label).join(' ') },
      ...(shown.length > 0 ? shown : [none])),
    h('table', { class: 'probabilities' }, h('caption', { class: 'hidden' }, 'All labels'), h('tbody', {}, labels.map(row))),
  ];
}

/** @param {ScoresPrediction} prediction @param {ModelInfo} info @param {string} text */
function regression({ scores }, info, text) {
  const row = (/** @type {{label: string, score: number}} */ { label, score }) => h('tr', { 'data-label': label },
    h('th', { scope: 'row' }, readable(label, info.labels)), h('td', { class: 'figures' }, score.toFixed(3)));
  return [h('table', { class: 'probabilities', 'data-text': text }, h('caption', { class: 'hidden' }, 'Scores of the model'),
    h('tbody', {}, scores.map(row)))];
}

/** @param {TokenPrediction[]} tokens @param {string} text */
function tagging(tokens, text) {
  const characters = Array.from(text);
  const parts = [];
  let at = 0;
  for (const { start, end, tag, probability } of tokens) {
    parts.push(characters.slice(at, start).join(''));
    const word = characters.slice(start, end).join('');
    parts.push(tag === 'O' ? word : h('mark', { title: `${percent(probability)} %` }, word, h('sub', {}, tag)));
    at = end;
  }
  parts.push(characters.slice(at).join(''));
  return [h('p', { class: 'tagged', dir: 'auto' }, parts)];
}

/** @param {import('./app.js').App} app */
export function setUpPredict(app) {
  const input = byId('sentence');
  const output = byId('prediction');
  const language = byId('sentence-language');
  const second = byId('sentence-pair');
  const crossing = setUpCrossing(app);
  /** @type {ModelInfo | undefined} */
  let info;

  const run = oneAtATime(async (isStale) => {
    const first = input.value.trim();
    if (!info) return;
    const pair = info.reads_pairs ? second.value.trim() : '';
    // One tab separates the texts of a pair.
    const spaced = (/** @type {string} */ part) => part.replaceAll('\t', ' ');
    const text = info.reads_pairs ? `${spaced(first)}\t${spaced(pair)}` : first;
    if (info.reads_pairs && first !== '' && pair === '') {
      output.removeAttribute('aria-busy');
      return output.replaceChildren(h('p', { class: 'placeholder' }, 'This model was trained on pairs of texts: type the second text, too.'));
    }
    if (first === '') return output.replaceChildren(h('p', { class: 'placeholder' }, 'Type something above.'));
    if (info.task === 'none') {
      output.removeAttribute('aria-busy');
      return output.replaceChildren(h('p', { class: 'placeholder' }, 'This model has no labels to predict. Its vectors can be compared below.'));
    }
    output.setAttribute('aria-busy', 'true');
    try {
      const [prediction] = await app.engine.predict(app.models.active, [text], language.value === '' ? undefined : [language.value]);
      if (isStale()) return;
      const cut = [
        prediction.truncated && h('p', { class: 'note' }, 'The text is too long for the model and was cut off.'),
        prediction.without_tokens && h('p', { class: 'note' }, 'The text has no token: the model read special tokens only.'),
      ].filter((note) => note !== false);
      if ('tokens' in prediction) {
        output.replaceChildren(...tagging(prediction.tokens, text), ...cut);
      } else if ('labels' in prediction) {
        output.replaceChildren(...multiLabel(prediction, info, text), ...cut);
        announce(prediction.labels.filter(isGiven).map(({ label }) => label).join(', ') || 'no label');
      } else if ('scores' in prediction) {
        output.replaceChildren(...regression(prediction, info, text), ...cut);
        announce(prediction.scores.map(({ label, score }) => `${label} ${score.toFixed(3)}`).join(', '));
      } else {
        output.replaceChildren(...classification(prediction, info, text).filter((e) => e !== false), ...cut);
        announce(`${readable(prediction.label, info.labels)}, ${percent(prediction.probability)} per cent`);
        crossing.follow(prediction.label);
      }
    } catch (error) {
      if (!isStale()) app.fail(error);
    }
    if (!isStale()) output.removeAttribute('aria-busy');
  });

  /** Languages whose vectors the model moves; the field is shown if there are any. */
  const offerLanguages = (/** @type {string[]} */ tags) => {
    byId('sentence-language-field').hidden = tags.length === 0;
    language.replaceChildren(h('option', { value: '' }, 'not given'), ...tags.map((tag) => h('option', { value: tag }, nameOf(tag))));
  };
  language.addEventListener('change', run);
  const soon = debounced(250, run);
  input.addEventListener('input', () => { input.removeAttribute('lang'); soon(); });
  second.addEventListener('input', soon);
  byId('predict-form').addEventListener('submit', (/** @type {Event} */ event) => { event.preventDefault(); run(); });
  byId('examples').append(...EXAMPLES.map(({ language: tag, text }) => h('button', {
    type: 'button', class: 'chip', title: nameOf(tag), ...textAttributes(tag),
    onclick: () => {
      input.value = text;
      input.lang = tag;
      language.value = info?.centring.includes(tag) ? tag : '';
      run();
    },
  }, text)));

  return {
    /** @param {ModelInfo} loaded */
    show(loaded) {
      info = loaded;
      offerLanguages(loaded.centring);
      byId('sentence-pair-field').hidden = !loaded.reads_pairs;
      crossing.show(loaded);
      run();
    },
  };
}
