// @ts-check
/** The models that can be chosen, and the one in use. */
import { byId, h } from './dom.js';

/** @typedef {import('./types.js').ModelSpec} ModelSpec */

/** Events: `list` when a model comes or goes, `active` when another one is in use. */
export class Models extends EventTarget {
  /** @param {import('./types.js').Manifest} manifest */
  constructor(manifest) {
    super();
    /** @type {ModelSpec[]} */
    this.specs = manifest.models.map(({ name, title, files }) => ({ id: name, title, base: `models/${name}/`, sizes: files }));
    this.active = this.specs[0];
    this.given = 0;
    this.fill(byId('model'));
    byId('model').addEventListener('change', (/** @type {any} */ event) => this.activate(this.find(event.target.value)));
  }

  /** @param {string} id @returns {ModelSpec} */
  find(id) {
    return this.specs.find((spec) => spec.id === id) ?? this.specs[0];
  }

  /** @param {ModelSpec} spec */
  activate(spec) {
    this.active = spec;
    byId('model').value = spec.id;
    this.dispatchEvent(new Event('active'));
  }

  /** Describes a model from files of the visitor. @param {import('./types.js').GivenFile[]} files @param {string} title @returns {ModelSpec} */
  give(files, title) {
    return { id: `given-${++this.given}`, title, files };
  }

  /** Offers a model of the visitor in place of an earlier one. @param {ModelSpec} spec @returns {ModelSpec | undefined} the earlier one */
  add(spec) {
    const earlier = this.specs.find((s) => !s.base);
    this.specs = [...this.specs.filter((s) => s.base), spec];
    this.fill(byId('model'));
    this.dispatchEvent(new Event('list'));
    return earlier;
  }

  /** Fills a choice of models, keeping what is chosen. @param {HTMLSelectElement} select @param {[string, string][]} [extra] */
  fill(select, extra = []) {
    const chosen = select.value;
    select.replaceChildren(...[...extra, ...this.specs.map((s) => [s.id, s.title])].map(([value, title]) => h('option', { value }, title)));
    if ([...select.options].some((option) => option.value === chosen)) select.value = chosen;
  }
}
