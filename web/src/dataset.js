// @ts-check
/** The embedded sentences: fetched once, read here for display, and handed to the worker as bytes for an evaluation. */
import { fetchFolder } from './fetching.js';

/** @typedef {import('./types.js').Sentence} Sentence */

/** @param {Uint8Array} bytes @returns {Sentence[]} */
function parse(bytes) {
  return new TextDecoder().decode(bytes).split('\n').filter(Boolean).map((line) => JSON.parse(line));
}

export class Dataset {
  /** @param {string} source @param {Record<string, Uint8Array>} files language to bytes */
  constructor(source, files) {
    this.source = source;
    this.files = files;
    /** @type {string[]} the source first */
    this.languages = [source, ...Object.keys(files).filter((l) => l !== source)];
    /** @type {Map<string, Sentence[]>} */
    this.sentences = new Map(this.languages.map((l) => [l, parse(files[l])]));
  }

  /**
   * @param {import('./types.js').Manifest} manifest
   * @param {(progress: import('./types.js').Progress) => void} onProgress
   */
  static async fetch(manifest, onProgress) {
    const sizes = manifest.languages.map((language) => ({ name: `${language}.jsonl`, bytes: 0 }));
    const base = new URL('../data/commands/', import.meta.url).href;
    const files = await fetchFolder(base, sizes, (loaded) => onProgress({ what: 'sentences', loaded, total: loaded }));
    return new Dataset(manifest.source, Object.fromEntries(manifest.languages.map((l) => [l, files[`${l}.jsonl`]])));
  }

  /** @param {string} language @returns {Sentence[]} what nobody has trained on */
  test(language) {
    return (this.sentences.get(language) ?? []).filter((s) => s.split === 'test');
  }

  /** The labels of the test sentences, those that most languages share first. @returns {{label: string, languages: number}[]} */
  requests() {
    /** @type {Map<string, Set<string>>} */
    const seen = new Map();
    for (const language of this.languages) {
      for (const { label } of this.test(language)) seen.set(label, (seen.get(label) ?? new Set()).add(language));
    }
    return [...seen].map(([label, languages]) => ({ label, languages: languages.size }))
      .sort((a, b) => b.languages - a.languages || a.label.localeCompare(b.label));
  }

  /**
   * The n-th test sentence of a request, counted round.
   * @param {string} language @param {string} label @param {number} n
   * @returns {string | undefined}
   */
  sentence(language, label, n) {
    const found = this.test(language).filter((s) => s.label === label);
    return found.length > 0 ? found[n % found.length].text : undefined;
  }

  /** @returns {import('./types.js').LabelledSet[]} */
  sets() {
    return this.languages.map((language) => ({
      id: language, title: language, file: `${language}.jsonl`, language,
      count: this.test(language).length, bytes: async () => this.files[language].slice(),
    }));
  }
}
