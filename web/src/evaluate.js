// @ts-check
/** The third part: runs evaluations of one or two models over labelled sets, with progress and cancellation. */
import { setUpConfusion } from './confusion.js';
import { byId, download, h, messageOf } from './dom.js';
import { Interrupted } from './engine.js';
import { nameOf } from './languages.js';
import { Scores } from './scores.js';
import { announce, message } from './status.js';
import { csv, whole } from './statistics.js';

/** @typedef {import('./types.js').LabelledSet} LabelledSet */
/** @typedef {import('./types.js').ModelSpec} ModelSpec */

const BATCH_SIZE = 16;
const NOTHING = '';
/** How often progress is drawn at most. */
const DRAW_MS = 100;

/** @param {File} file @returns {Promise<LabelledSet>} */
async function setOf(file) {
  const lines = (await file.text()).split('\n').filter((line) => line.trim() !== '').length;
  return { id: `file ${file.name}`, title: file.name, file: file.name, count: lines, bytes: async () => new Uint8Array(await file.arrayBuffer()) };
}

/** @param {import('./app.js').App} app */
export function setUpEvaluate({ engine, models, dataset }) {
  const [selectA, selectB, unseen, chips, bar, progress, start, cancel] =
    ['evaluate-a', 'evaluate-b', 'evaluate-unseen', 'evaluate-sets', 'evaluate-bar', 'evaluate-progress', 'evaluate-run', 'evaluate-cancel'].map(byId);
  /** @type {LabelledSet[]} */
  let sets = dataset.sets();
  let stopped = false;
  let running = false;
  const confusion = setUpConfusion(byId('confusion'));
  /** Why a model is not scored here, by its id. @type {Map<string, string>} */
  const reasons = new Map();
  /** @type {Scores | undefined} */
  let scores;

  function fillModels() {
    models.fill(selectA);
    models.fill(selectB, [[NOTHING, 'none']]);
  }
  fillModels();
  selectB.value = models.specs[1]?.id ?? NOTHING;
  models.addEventListener('list', fillModels);
  models.addEventListener('active', () => { if (!models.active.base) selectA.value = models.active.id; });

  /** Why the chosen models are not scored; empty if they are. */
  function reason() {
    const id = [selectA.value, selectB.value].find((one) => reasons.has(one));
    return id === undefined ? '' : `${models.find(id).title} is not scored here: ${reasons.get(id)}`;
  }
  /** Refuses models that are not scored before a file is given. */
  function check() {
    const why = reason();
    if (running) return;
    if (why !== '' || start.disabled) progress.textContent = why;
    start.disabled = why !== '';
  }
  for (const select of [selectA, selectB]) select.addEventListener('change', check);

  const chip = (/** @type {LabelledSet} */ set, checked = true) => h('label', { class: 'chip-box' },
    h('input', { type: 'checkbox', value: set.id, ...(checked ? { checked: true } : {}) }), h('span', {}, set.language ? nameOf(set.language) : set.title));
  chips.append(...sets.map((set) => chip(set)));
  const checkAll = (/** @type {boolean} */ on) => { for (const box of chips.querySelectorAll('input')) box.checked = on; };
  byId('sets-all').addEventListener('click', () => checkAll(true));
  byId('sets-none').addEventListener('click', () => checkAll(false));

  /** @param {ModelSpec[]} chosen @param {LabelledSet[]} todo @param {Scores} table */
  async function run(chosen, todo, table) {
    let done = 0;
    let total = chosen.length * todo.reduce((sum, set) => sum + set.count, 0);
    const began = performance.now();
    let drawn = 0;
    const draw = (/** @type {boolean} */ always) => {
      if (!always && performance.now() - drawn < DRAW_MS) return;
      drawn = performance.now();
      const seconds = (drawn - began) / 1000;
      bar.max = Math.max(total, 1);
      bar.value = done;
      const rest = done > 0 && done < total ? `, about ${Math.ceil((seconds * (total - done)) / done)} s left` : '';
      progress.textContent = `${whole(done)} of ${whole(total)} sentences, ${whole(done / Math.max(seconds, 0.001))}/s${rest}`;
      table.draw();
      confusion.draw();
    };
    for (const set of todo) {
      const bytes = await set.bytes();
      for (const [column, spec] of chosen.entries()) {
        let before = 0;
        let known = set.count;
        for await (const report of engine.evaluate(spec, bytes, set.file, BATCH_SIZE, unseen.value || undefined)) {
          total += report.total - known;
          known = report.total;
          done += report.done - before;
          before = report.done;
          table.update(set.id, column, report);
          draw(false);
          if (stopped) break;
        }
        draw(true);
        if (stopped) return message(`Cancelled after ${whole(done)} of ${whole(total)} sentences. The table shows what was scored until then.`, { kind: 'note' });
      }
    }
    announce(`The evaluation is done: ${whole(done)} sentences`);
  }

  /** Tells what was cut, lost and left out, as the command line does. @param {Scores} table */
  async function tell(table) {
    const lists = await Promise.all(table.models.map(async (model, column) => {
      const { data, nOtherSplits, numbered, withoutSplits } = table.counts(column);
      const counts = await engine.counts(data);
      if (nOtherSplits > 0) counts.push({ fate: 'other splits', text: `${whole(nOtherSplits)} examples are of other splits than the test split, and not scored` });
      for (const set of numbered) counts.push({ fate: 'numbers', text: `${set}: classes are numbers; their names are those of the model, in its order` });
      for (const { set, column: name } of withoutSplits) counts.push({ fate: 'no splits', text: `${set}: no column "${name}" of splits; all rows are scored` });
      if (counts.length === 0) return [];
      return [table.two && h('p', {}, h('span', { class: `swatch ${column ? 'b' : 'a'}`, 'aria-hidden': 'true' }), model.title), h('dl', { 'data-model': model.id },
        counts.flatMap(({ fate, text }) => [h('dt', {}, fate), h('dd', {}, text)]))];
    }));
    // Another run may have begun meanwhile.
    if (scores === table) byId('counts').replaceChildren(...lists.flat().filter((e) => e !== false));
  }

  async function evaluate() {
    const ids = new Set([...chips.querySelectorAll('input:checked')].map((box) => box.value));
    const todo = sets.filter((set) => ids.has(set.id));
    if (todo.length === 0) return message('No set is chosen.');
    if (reason() !== '') return message(`${reason()}.`);
    const chosen = [selectA.value, selectB.value].filter((id, i, both) => id !== NOTHING && both.indexOf(id) === i).map((id) => models.find(id));
    const table = new Scores(chosen, todo, dataset.source);
    scores = table;
    byId('scores').replaceChildren(table.element, h('p', { class: 'controls' },
      h('button', { type: 'button', id: 'csv', onclick: save }, 'Download the table (CSV)'),
      h('button', { type: 'button', id: 'json', onclick: saveResults }, 'Download the results (JSON)')));
    byId('counts').replaceChildren();
    confusion.reset(chosen, todo, (set, column) => table.report(set, column)?.score);
    [running, stopped] = [true, false];
    [start.disabled, cancel.disabled] = [true, false];
    progress.textContent = 'Preparing…';
    bar.removeAttribute('value');
    try {
      await run(chosen, todo, table);
    } catch (error) {
      message(error instanceof Interrupted ? 'The evaluation was interrupted, because the engine was replaced. It can be started again.' : messageOf(error));
      progress.textContent = 'Stopped.';
    } finally {
      if (!bar.hasAttribute('value')) bar.value = 0;
      running = false;
      [start.disabled, cancel.disabled] = [reason() !== '', true];
      table.finish();
      await tell(table).catch((error) => message(messageOf(error)));
      confusion.draw(true);
    }
  }

  function save() {
    if (scores) download('isogloss.csv', csv(scores.rows()), 'text/csv');
  }

  function saveResults() {
    if (scores) download('isogloss.json', `${JSON.stringify(scores.results(), null, 2)}\n`, 'application/json');
  }

  byId('evaluate-form').addEventListener('submit', (/** @type {Event} */ event) => { event.preventDefault(); if (!running) evaluate(); });
  cancel.addEventListener('click', () => { stopped = true; progress.textContent = 'Cancelling…'; });

  return {
    /** Keeps in mind whether the active model is scored. @param {import('./types.js').ModelInfo} info */
    show(info) {
      if (info.not_scored === null) reasons.delete(models.active.id);
      else reasons.set(models.active.id, info.not_scored);
      check();
    },
    /** Takes labelled files of the visitor and chooses them alone. @param {File[]} files */
    async give(files) {
      try {
        const given = await Promise.all(files.map(setOf));
        const ids = given.map((set) => set.id);
        sets = [...sets.filter((set) => !ids.includes(set.id)), ...given];
        for (const box of chips.querySelectorAll('input')) if (ids.includes(box.value)) box.parentElement.remove();
        checkAll(false);
        chips.append(...given.map((set) => chip(set)));
        if (reason() !== '') return message(`${given.map((set) => set.title).join(', ')}: ${reason()}.`);
        message(`${given.map((set) => set.title).join(', ')}: chosen for the evaluation.`, { kind: 'note', action: { label: 'Evaluate now', run: () => { byId('evaluate').scrollIntoView(); if (!running) evaluate(); } } });
      } catch (error) {
        message(`The file could not be read: ${messageOf(error)}`);
      }
    },
  };
}
