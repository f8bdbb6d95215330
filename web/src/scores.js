// @ts-check
/** The table of scores: a row for each set, bars that grow in it, and what all rows say together. */
import { h } from './dom.js';
import { nameOf } from './languages.js';
import { mainScore, mean, percent, rootOfSquares, standardError } from './statistics.js';

/** @typedef {import('./types.js').StepReport} StepReport */
/** @typedef {import('./types.js').ModelSpec} ModelSpec */
/** @typedef {import('./types.js').LabelledSet} LabelledSet */
/** @typedef {{set: LabelledSet, reports: (StepReport | undefined)[], element: HTMLElement, cells: any[], bars: any[], difference: any, count: any}} Row */

/** @param {number} share @param {number} error */
const withError = (share, error) => (!Number.isFinite(share) ? ['–'] : Number.isFinite(error) ? [percent(share), h('small', {}, ` ± ${percent(error)}`)] : [percent(share)]);

/** The standard error of an accuracy of texts; that of words or spans cannot be told from the number of texts. @param {StepReport | undefined} report */
const errorOf = (report) => (report?.score.confusion === undefined ? Number.NaN : standardError(mainScore(report.score), report.score.n));

export class Scores {
  /** @param {ModelSpec[]} models one or two @param {LabelledSet[]} sets @param {string} source language of training */
  constructor(models, sets, source) {
    this.models = models;
    this.source = source;
    /** @type {Set<Row>} */
    this.changed = new Set();
    this.two = models.length > 1;
    this.list = sets.map((set) => this.#row(set));
    this.foot = h('tbody', { class: 'summary' });
    this.caption = h('caption', {}, 'Share of sentences with the right label, in per cent, ± one standard error');
    this.element = h('div', { class: 'table-box', tabindex: 0, role: 'region', 'aria-label': 'Scores' }, h('table', { class: `scores${this.two ? ' two-models' : ''}` }, this.caption,
      h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Language'),
        models.map((model, i) => h('th', { scope: 'col', class: 'figures' }, h('span', { class: `swatch ${i ? 'b' : 'a'}`, 'aria-hidden': 'true' }), model.title)),
        this.two && h('th', { scope: 'col', class: 'figures' }, 'difference'),
        h('th', { scope: 'col', class: 'figures' }, 'sentences'))),
      h('tbody', {}, this.list.map((row) => row.element)), this.foot));
  }

  /** @param {LabelledSet} set @returns {Row} */
  #row(set) {
    const bars = this.models.map((_, i) => h('span', { class: `score ${i ? 'b' : 'a'}` }, h('span', { class: 'fill' }), h('span', { class: 'whisker' })));
    const cells = this.models.map((_, i) => h('td', { class: 'figures', 'data-model': this.models[i].id }, '–'));
    const difference = this.two ? h('td', { class: 'figures' }) : null;
    const count = h('td', { class: 'figures count' });
    const name = set.language ? nameOf(set.language) : set.title;
    const element = h('tr', { 'data-set': set.id },
      h('th', { scope: 'row' }, h('span', { class: 'set' },
        h('span', {}, name, set.language === this.source && h('small', {}, ' source')),
        h('span', { class: 'score-box', 'aria-hidden': 'true' }, bars))), cells, difference, count);
    return { set, reports: [], element, cells, bars, difference, count };
  }

  /** @param {string} id @param {number} column @param {StepReport} report */
  update(id, column, report) {
    const row = this.list.find((one) => one.set.id === id);
    if (!row) return;
    row.reports[column] = report;
    this.changed.add(row);
  }

  /** @param {string} id @param {number} column */
  report(id, column) {
    return this.list.find((row) => row.set.id === id)?.reports[column];
  }

  draw() {
    for (const row of this.changed) {
      row.element.classList.add('reached');
      row.reports.forEach((report, i) => {
        if (!report) return;
        const share = mainScore(report.score);
        const error = errorOf(report);
        row.cells[i].replaceChildren(...withError(share, error));
        row.cells[i].dataset.score = share;
        row.bars[i].style.setProperty('--share', Number.isFinite(share) ? share : 0);
        row.bars[i].style.setProperty('--error', Number.isFinite(error) ? error : 0);
        row.bars[i].classList.toggle('whole', report.done >= report.total);
      });
      const [a, b] = row.reports.map((report) => (report ? mainScore(report.score) : Number.NaN));
      if (row.difference) row.difference.textContent = Number.isFinite(b) && Number.isFinite(a) ? signed(b - a) : '';
      const last = row.reports.findLast((report) => report !== undefined);
      if (last) row.count.textContent = `${last.score.n}${last.done < last.total ? ` of ${last.total}` : ''}${last.skipped > 0 ? `, ${last.skipped} left out` : ''}`;
    }
    this.changed.clear();
  }

  /** Adds what the rows say together; only rows that are whole count. */
  finish() {
    this.draw();
    if (this.list.some((row) => row.reports.some((r) => r?.score.span_f1 !== undefined && r.score.accuracy === undefined))) {
      this.caption.textContent = 'Span F1, in per cent';
    }
    const whole = this.list.filter((row) => this.models.every((_, i) => row.reports[i] && row.reports[i].done >= row.reports[i].total));
    const others = whole.filter((row) => row.set.language && row.set.language !== this.source);
    const sourceRow = whole.find((row) => row.set.language === this.source);
    const of = (/** @type {Row} */ row, /** @type {number} */ i) => mainScore(/** @type {StepReport} */ (row.reports[i]).score);
    const means = this.models.map((_, i) => mean(others.map((row) => of(row, i))));
    const errors = this.models.map((_, i) => rootOfSquares(others.map((row) => errorOf(row.reports[i]))) / others.length);
    const gapErrors = this.models.map((_, i) => rootOfSquares([errorOf(sourceRow?.reports[i]), errors[i]]));
    const line = (/** @type {string} */ name, /** @type {number[]} */ values, /** @type {number[]} */ e) => h('tr', {}, h('th', { scope: 'row' }, name),
      values.map((value, i) => h('td', { class: 'figures' }, withError(value, e[i]))), this.two && h('td', { class: 'figures' }, signed(values[1] - values[0])), h('td'));
    this.foot.replaceChildren(...(others.length > 1 ? [line(`mean of ${others.length} other languages`, means, errors)] : []),
      ...(others.length > 1 && sourceRow ? [line('transfer gap: source less that mean', means.map((m, i) => of(sourceRow, i) - m), gapErrors)] : []));
  }

  /** @returns {(string | number)[][]} the table to save */
  rows() {
    const head = ['set', 'model', 'n', 'left_out', 'n_truncated', 'n_without_tokens', 'n_words_lost', 'n_words_cut', 'accuracy', 'standard_error', 'macro_f1', 'span_f1', 'precision', 'recall', 'complete'];
    const digits = (/** @type {number | undefined} */ x) => (x === undefined || Number.isNaN(x) ? '' : x.toFixed(6));
    return [head, ...this.list.flatMap(({ set, reports }) => this.models.flatMap((model, i) => {
      const report = reports[i];
      if (!report) return [];
      const { n, data, accuracy, macro_f1, span_f1, precision, recall } = report.score;
      return [[set.id, model.title, n, report.skipped, data.n_truncated, data.n_without_tokens, data.n_words_lost, data.n_words_cut, digits(accuracy), digits(errorOf(report)),
        digits(macro_f1), digits(span_f1), digits(precision), digits(recall), report.done >= report.total ? 'yes' : 'no']];
    }))];
  }

  /** Scores and counts of each set and model, with all digits; the counts are the entry `data` of `isogloss evaluate --json`. */
  results() {
    return this.list.flatMap(({ set, reports }) => this.models.flatMap((model, i) => {
      const report = reports[i];
      if (!report) return [];
      const { confusion, labels, ...scores } = report.score;
      return [{ set: set.id, model: model.title, complete: report.done >= report.total, ...scores }];
    }));
  }

  /** Counts of a model over all sets that were begun. @param {number} column */
  counts(column) {
    const scores = this.list.flatMap(({ set, reports }) => {
      const report = reports[column];
      return report ? [{ set, score: report.score }] : [];
    });
    // The page says of its own sets that only their test sentences are scored.
    const given = scores.filter(({ set }) => set.language === undefined);
    return {
      data: scores.map(({ score }) => score.data),
      nOtherSplits: given.reduce((sum, { score }) => sum + score.n_other_splits, 0),
      numbered: given.filter(({ score }) => score.numbered_classes).map(({ set }) => set.id),
      withoutSplits: given.filter(({ score }) => score.missing_split_column !== undefined).map(({ set, score }) => ({ set: set.id, column: score.missing_split_column })),
    };
  }
}

/** @param {number} share @returns {string} with its sign */
function signed(share) {
  return Number.isFinite(share) ? `${share < 0 ? '−' : '+'}${percent(Math.abs(share))}` : '';
}
