// @ts-check
/** The confusion matrix of one model over one set or all, and its most frequent errors in words. */
import { h } from './dom.js';
import { grid } from './grid.js';
import { nameOf, readable } from './languages.js';
import { confusions, sumMatrices } from './statistics.js';

/** @typedef {import('./types.js').Scores} Scores */

const ALL = '';
/** While an evaluation runs, the matrix is drawn this often at most. */
const DRAW_MS = 1000;
const MOST = 8;

/** @param {string[]} labels @param {Uint32Array} counts */
function matrix(labels, counts) {
  const k = labels.length;
  // Labels that neither occur nor are predicted say nothing.
  const used = labels.map((_, i) => i).filter((i) => labels.some((__, j) => counts[i * k + j] > 0 || counts[j * k + i] > 0));
  const of = used.map((g) => used.reduce((sum, p) => sum + counts[g * k + p], 0));
  const name = (/** @type {number} */ i) => readable(labels[used[i]], labels);
  const sides = used.map((_, i) => ({ short: '', long: name(i) }));
  const n = (/** @type {number} */ r, /** @type {number} */ c) => counts[used[r] * k + used[c]];
  return grid({
    name: 'Confusion matrix: true labels in rows, predicted labels in columns', rows: sides, columns: sides, columnLabels: false,
    share: (r, c) => (n(r, c) === 0 ? 0 : 0.12 + (0.88 * n(r, c)) / of[r]),
    describe: (r, c) => [h('b', { class: 'figures' }, `${n(r, c)} of ${of[r]}`), r === c ? ` of “${name(r)}” rightly predicted` : ` of “${name(r)}” predicted as “${name(c)}”`],
  });
}

/** @param {HTMLElement} box */
export function setUpConfusion(box) {
  const model = h('select', { id: 'confusion-model' });
  const set = h('select', { id: 'confusion-set' });
  const body = h('div');
  const whole = h('div', { hidden: true }, h('h3', {}, 'What is taken for what'),
    h('div', { class: 'controls' }, h('label', { class: 'field' }, 'Model ', model), h('label', { class: 'field' }, 'Set ', set)), body);
  box.append(whole);
  /** @type {(set: string, column: number) => Scores | undefined} */
  let scoreOf = () => undefined;
  /** @type {string[]} */
  let sets = [];
  let drawn = 0;

  function draw(always = false) {
    if (!always && performance.now() - drawn < DRAW_MS) return;
    drawn = performance.now();
    const chosen = (set.value === ALL ? sets : [set.value]).map((id) => scoreOf(id, model.selectedIndex));
    const labels = chosen.find((score) => score?.confusion)?.labels;
    const counts = sumMatrices(chosen.map((score) => score?.confusion));
    whole.hidden = !labels && set.value === ALL;
    if (!labels || !counts) return body.replaceChildren(h('p', { class: 'placeholder' }, 'Not scored yet.'));
    const words = (/** @type {string} */ label) => readable(label, labels);
    const worst = confusions(labels, counts, MOST);
    body.replaceChildren(
      h('p', { class: 'note' }, 'Rows are what was asked for, columns what the model answered; a row is darker where more of it went. On the diagonal it was right.'),
      matrix(labels, counts),
      ...(worst.length > 0 ? [h('h4', {}, 'Most frequent errors'), h('ol', { class: 'worst' }, worst.map(({ gold, predicted, n, of }) =>
          h('li', {}, h('span', {}, words(gold), h('span', { class: 'arrow', 'aria-hidden': 'true' }, ' → '), h('span', { class: 'hidden' }, ' taken for '), words(predicted)), h('span', { class: 'figures' }, `${n} of ${of}`))))] : []));
  }
  model.addEventListener('change', () => draw(true));
  set.addEventListener('change', () => draw(true));

  return {
    draw,
    /** @param {import('./types.js').ModelSpec[]} models @param {import('./types.js').LabelledSet[]} todo @param {typeof scoreOf} source */
    reset(models, todo, source) {
      scoreOf = source;
      sets = todo.map(({ id }) => id);
      model.replaceChildren(...models.map(({ id, title }) => h('option', { value: id }, title)));
      set.replaceChildren(h('option', { value: ALL }, 'all that were scored'), ...todo.map(({ id, title, language }) => h('option', { value: id }, language ? nameOf(language) : title)));
      whole.hidden = true;
      drawn = 0;
    },
  };
}
