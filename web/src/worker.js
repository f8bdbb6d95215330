// @ts-check
/**
 * The worker that runs the model: one call at a time, in the order in which they arrive.
 * It loads the module of its device, reads models, and answers `{id, method, args}` with `{id, value}` or `{id, error}`.
 */
import { fetchCounted, fetchFolder } from './fetching.js';

/** @typedef {import('./types.js').Model} Model */
/** @typedef {import('./types.js').ModelSpec} ModelSpec */

/** @type {import('./types.js').EngineModule} */
let wasm;
/** @type {import('./types.js').DeviceName} */
let device = 'cpu';
/** @type {Map<string, Model>} */
const models = new Map();
/** @type {Map<number, import('./types.js').Evaluation>} */
const evaluations = new Map();
let nextEvaluation = 1;

/** Tells the page when the graphics device is gone; the module itself asks for the device, so the asking is watched. */
function watchForLostDevice() {
  const adapter = /** @type {any} */ (globalThis).GPUAdapter;
  if (!adapter) return;
  const original = adapter.prototype.requestDevice;
  adapter.prototype.requestDevice = async function (/** @type {any[]} */ ...args) {
    const gpu = await original.apply(this, args);
    // Kept where a test can reach it, to destroy it.
    /** @type {any} */ (globalThis).gpuDevice = gpu;
    gpu.lost.then((/** @type {{message: string, reason: string}} */ info) =>
      self.postMessage({ lost: info.message || info.reason || 'no reason given' }));
    return gpu;
  };
}

/** @param {string} id */
function modelOf(id) {
  const model = models.get(id);
  if (!model) throw new Error('the model is no longer loaded');
  return model;
}

/** Texts that a model has cut off so far. @param {string | undefined} id */
function cutOf(id) {
  return (id === undefined ? undefined : models.get(id)?.n_truncated) ?? 0;
}

/** @param {ModelSpec} spec @param {(p: import('./types.js').Progress) => void} report @returns {Promise<Record<string, Uint8Array>>} */
async function filesOf(spec, report) {
  if (spec.base && spec.sizes) {
    return fetchFolder(spec.base, spec.sizes, (loaded, total) => report({ what: `model ${spec.title}`, loaded, total }));
  }
  const files = spec.files ?? [];
  const total = files.reduce((sum, { file }) => sum + file.size, 0);
  /** @type {Record<string, Uint8Array>} */
  const bytes = {};
  let loaded = 0;
  for (const { path, file } of files) {
    bytes[path] = new Uint8Array(await file.arrayBuffer());
    loaded += file.size;
    report({ what: `model ${spec.title}`, loaded, total });
  }
  return bytes;
}

/** @type {Record<string, (args: any, report: (p: import('./types.js').Progress) => void) => Promise<any>>} */
const methods = {
  /** Loads the module and opens the device. */
  async open({ kind, folder, bytes }, report) {
    device = kind;
    const what = kind === 'cpu' ? 'engine' : 'WebGPU engine';
    report({ what, loaded: 0, total: bytes });
    if (kind === 'webgpu') watchForLostDevice();
    wasm = await import(`${folder}isogloss.js`).catch(() => { throw new Error(`the ${what} could not be fetched`); });
    const response = await fetchCounted(`${folder}isogloss_bg.wasm`, (loaded) => report({ what, loaded, total: bytes }));
    await wasm.default({ module_or_path: response });
    const name = kind === 'webgpu' ? await wasm.start_webgpu() : 'CPU';
    return { name, version: wasm.version() };
  },

  async load({ spec }, report) {
    const files = await filesOf(spec, report);
    const model = await wasm.Model.load(files, device);
    models.set(spec.id, model);
    return model.info();
  },

  async unload({ model }) {
    models.get(model)?.free();
    models.delete(model);
  },

  predict: ({ model, texts, languages }) => modelOf(model).predict(texts, languages),
  similarity: ({ model, texts }) => modelOf(model).similarity(texts),
  align: ({ model, left, right }) => modelOf(model).align(left, right),

  async evaluation({ model, bytes, name, batchSize, unseen }) {
    const evaluation = modelOf(model).evaluation(bytes, name, batchSize, unseen);
    evaluations.set(nextEvaluation, evaluation);
    return { evaluation: nextEvaluation++, total: evaluation.total };
  },

  async step({ evaluation: key }) {
    const evaluation = evaluations.get(key);
    if (!evaluation) throw new Error('the evaluation has ended');
    const more = await evaluation.step();
    const { done, total, skipped } = evaluation;
    return { more, done, total, skipped, score: evaluation.result() };
  },

  async counts({ reports }) { return wasm.counts_in_words(reports); },

  async end({ evaluation: key }) {
    evaluations.get(key)?.free();
    evaluations.delete(key);
  },
};

let queue = Promise.resolve();
self.onmessage = ({ data: { id, method, args } }) => {
  queue = queue.then(async () => {
    try {
      const start = performance.now();
      const cutBefore = cutOf(args.model);
      const value = await methods[method](args, (progress) => self.postMessage({ id, progress }));
      self.postMessage({ id, value, ms: performance.now() - start, cut: cutOf(args.model) - cutBefore });
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      // After a trap or a panic the memory of the module is not to be trusted.
      const fatal = error instanceof WebAssembly.RuntimeError || text.startsWith('panicked at');
      self.postMessage({ id, error: text, fatal });
    }
  });
};
