// @ts-check
/**
 * The page's side of the worker: which device is in use, which models are loaded there, and one promise for each call.
 * A device that is lost, or a module that stops, is replaced by a fresh worker on the CPU, and the page is told why.
 */

/** @typedef {import('./types.js').DeviceName} DeviceName */
/** @typedef {import('./types.js').ModelSpec} ModelSpec */
/** @typedef {import('./types.js').ModelInfo} ModelInfo */
/** @typedef {import('./types.js').Progress} Progress */
/** @typedef {(progress: Progress) => void} OnProgress */

/** A call that did not fail by its own fault: its worker was replaced. */
export class Interrupted extends Error {}

/** Fewer sentences than these say nothing about the speed. */
const SENTENCES_FOR_SPEED = 8;

/** One worker and its open calls. */
class Connection {
  /** @type {Map<number, {resolve: (v: any) => void, reject: (e: Error) => void, onProgress?: OnProgress}>} */
  #open = new Map();
  #next = 1;
  /** @type {Map<string, Promise<ModelInfo>>} */
  models = new Map();

  /** @param {DeviceName} kind @param {(reason: string) => void} onBroken */
  constructor(kind, onBroken) {
    this.kind = kind;
    this.name = '';
    this.worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: `isogloss ${kind}` });
    this.worker.onerror = (event) => {
      event.preventDefault();
      onBroken(event.message || 'the worker could not be started');
    };
    this.worker.onmessage = ({ data }) => {
      if (data.lost) return onBroken(`the graphics device was lost (${data.lost})`);
      const call = this.#open.get(data.id);
      if (!call) return;
      if (data.progress) return call.onProgress?.(data.progress);
      this.#open.delete(data.id);
      if (data.error === undefined) call.resolve(data);
      else if (data.fatal) {
        call.reject(new Interrupted(data.error));
        onBroken(`the engine stopped (${data.error})`);
      } else call.reject(new Error(data.error));
    };
  }

  /** @param {string} method @param {object} args @param {OnProgress} [onProgress] @returns {Promise<{value: any, ms: number, cut: number}>} */
  call(method, args, onProgress) {
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      this.#open.set(id, { resolve, reject, onProgress });
      this.worker.postMessage({ id, method, args });
    });
  }

  /** @param {string} reason */
  close(reason) {
    this.worker.terminate();
    for (const call of this.#open.values()) call.reject(new Interrupted(reason));
    this.#open.clear();
  }
}

/** Events: `speed` (detail: sentences per second), `cut` (detail: how many texts were too long, other than those to predict), `fallback` (detail: reason), `device`, `failed` (detail: reason). */
export class Engine extends EventTarget {
  /** @type {Promise<Connection>} */
  #connection = Promise.reject(new Error('the engine is not started'));
  /** @type {Connection | undefined} */
  #current;
  #modules;

  /** @param {import('./types.js').Manifest['modules']} modules @param {OnProgress} onProgress */
  constructor(modules, onProgress) {
    super();
    this.#connection.catch(() => {});
    this.#modules = modules;
    this.onProgress = onProgress;
  }

  /** @returns {DeviceName} */
  get device() { return this.#current?.kind ?? 'cpu'; }
  get deviceName() { return this.#current?.name ?? ''; }

  /** @param {DeviceName} kind @returns {Promise<Connection>} */
  async #open(kind) {
    /** @type {(reason: string) => void} */
    let breakOpening = () => {};
    const broken = new Promise((_, reject) => { breakOpening = (reason) => reject(new Error(reason)); });
    broken.catch(() => {});
    const connection = new Connection(kind, (reason) => {
      breakOpening(reason);
      if (this.#current === connection) this.#recover(reason);
    });
    const folder = new URL(`../pkg/${kind === 'cpu' ? 'cpu' : 'gpu'}/`, import.meta.url).href;
    const { bytes } = this.#modules[kind === 'cpu' ? 'cpu' : 'gpu'];
    try {
      const opened = await Promise.race([connection.call('open', { kind, folder, bytes }, this.onProgress), broken]);
      connection.name = opened.value.name;
      return connection;
    } catch (error) {
      connection.close('not opened');
      throw error;
    }
  }

  /** @param {string} reason */
  #recover(reason) {
    const wasGpu = this.device === 'webgpu';
    this.#current?.close(reason);
    this.#current = undefined;
    this.#connection = this.#open('cpu').then((connection) => {
      this.#current = connection;
      this.dispatchEvent(new CustomEvent('device'));
      return connection;
    });
    this.#connection.catch((error) => this.dispatchEvent(new CustomEvent('failed', { detail: error.message })));
    this.dispatchEvent(new CustomEvent('fallback', {
      detail: wasGpu ? `WebGPU: ${reason}. The CPU takes over.` : `${reason}. It was started again.`,
    }));
  }

  /**
   * Opens a device; when it cannot be opened, the one in use stays.
   * @param {DeviceName} kind
   */
  async use(kind) {
    if (this.#current?.kind === kind) return;
    if (kind === 'webgpu') await checkAdapter();
    const previous = this.#current;
    const opening = this.#open(kind);
    if (!previous) this.#connection = opening;
    const connection = await opening;
    this.#current = connection;
    this.#connection = Promise.resolve(connection);
    previous?.close('another device was chosen');
    this.dispatchEvent(new CustomEvent('device'));
  }

  /** @param {ModelSpec} spec @returns {Promise<ModelInfo>} */
  async model(spec) {
    return this.#loaded(await this.#connection, spec);
  }

  /** @param {Connection} connection @param {ModelSpec} spec */
  #loaded(connection, spec) {
    let info = connection.models.get(spec.id);
    if (!info) {
      const sized = spec.base ? { ...spec, base: new URL(spec.base, document.baseURI).href } : spec;
      const what = `model ${spec.title}`;
      const ended = () => this.onProgress({ what, loaded: 0, total: 0, ended: true });
      info = connection.call('load', { spec: sized }, this.onProgress).then(({ value }) => value);
      info.then(ended, () => { connection.models.delete(spec.id); ended(); });
      connection.models.set(spec.id, info);
    }
    return info;
  }

  /** Frees the memory of a model that is no longer offered. @param {ModelSpec} spec */
  async unload(spec) {
    const connection = await this.#connection;
    if (connection.models.delete(spec.id)) await connection.call('unload', { model: spec.id });
  }

  /** @param {string} method @param {ModelSpec} spec @param {object} args @param {number} [sentences] */
  async #ask(method, spec, args, sentences = 0) {
    const connection = await this.#connection;
    await this.#loaded(connection, spec);
    const { value, ms, cut } = await connection.call(method, { model: spec.id, ...args });
    this.#measured(sentences, ms);
    // A prediction says by itself whether its text was cut off.
    if (cut > 0 && method !== 'predict') this.dispatchEvent(new CustomEvent('cut', { detail: cut }));
    return value;
  }

  /** @param {number} sentences @param {number} ms */
  #measured(sentences, ms) {
    if (sentences >= SENTENCES_FOR_SPEED && ms > 0) {
      this.dispatchEvent(new CustomEvent('speed', { detail: (1000 * sentences) / ms }));
    }
  }

  /** @param {ModelSpec} spec @param {string[]} texts @param {string[]} [languages] the language of each text @returns {Promise<import('./types.js').Prediction[]>} */
  predict(spec, texts, languages) { return this.#ask('predict', spec, { texts, languages }, texts.length); }

  /** @param {ModelSpec} spec @param {string[]} texts @returns {Promise<Float32Array>} */
  similarity(spec, texts) { return this.#ask('similarity', spec, { texts }, texts.length); }

  /** @param {ModelSpec} spec @param {string} left @param {string} right @returns {Promise<import('./types.js').WordAlignment>} */
  align(spec, left, right) { return this.#ask('align', spec, { left, right }); }

  /** Counts of labelled sets, added up, in the words of the command line. @param {import('./types.js').DataReport[]} reports @returns {Promise<import('./types.js').CountInWords[]>} */
  async counts(reports) {
    const connection = await this.#connection;
    return (await connection.call('counts', { reports })).value;
  }

  /**
   * Scores a labelled set batch by batch; other calls may come between two batches.
   * @param {ModelSpec} spec @param {Uint8Array} bytes @param {string} name @param {number} batchSize
   * @param {import('./types.js').UnseenLabels} [unseen] in place of what is saved with the model
   * @returns {AsyncGenerator<import('./types.js').StepReport>}
   */
  async *evaluate(spec, bytes, name, batchSize, unseen) {
    const connection = await this.#connection;
    await this.#loaded(connection, spec);
    const opened = await connection.call('evaluation', { model: spec.id, bytes, name, batchSize, unseen });
    const { evaluation } = opened.value;
    let before = 0;
    try {
      for (;;) {
        const { value, ms } = await connection.call('step', { evaluation });
        this.#measured(value.done - before, ms);
        before = value.done;
        yield value;
        if (!value.more || value.done >= value.total) return;
      }
    } finally {
      connection.call('end', { evaluation }).catch(() => {});
    }
  }
}

/** Says early, before megabytes are loaded, that there is nothing to compute on. */
async function checkAdapter() {
  const gpu = /** @type {any} */ (navigator).gpu;
  if (!gpu) throw new Error(isSecureContext ? 'this browser has no WebGPU' : 'WebGPU needs a page served over https, or from this machine');
  if (!(await gpu.requestAdapter())) throw new Error('this browser has WebGPU, but found no graphics device that it may use');
}
