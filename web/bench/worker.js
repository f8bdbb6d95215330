// One engine in a worker, as a page would run it: `open`, then `load`, then `run` over batches of texts.

/** Every memory of WebAssembly that this worker makes, or that a module brings along. */
const memories = new Set();
WebAssembly.Memory = new Proxy(WebAssembly.Memory, {
  construct(target, args) {
    const memory = new target(...args);
    memories.add(memory);
    return memory;
  },
});
for (const name of ['instantiate', 'instantiateStreaming']) {
  const original = WebAssembly[name];
  WebAssembly[name] = async (...args) => {
    const result = await original.apply(WebAssembly, args);
    for (const value of Object.values((result.instance ?? result).exports)) if (value instanceof WebAssembly.Memory) memories.add(value);
    return result;
  };
}

const isogloss = {
  async open() {
    this.module = await import('/dist/pkg/cpu/isogloss.js');
    await this.module.default({ module_or_path: '/dist/pkg/cpu/isogloss_bg.wasm' });
  },
  async load({ name, classifier }) {
    const files = {};
    for (const file of ['config.json', 'tokenizer.json', 'model.safetensors']) {
      files[file] = new Uint8Array(await (await fetch(`/${name}/${file}`)).arrayBuffer());
    }
    this.model?.free();
    this.model = await this.module.Model.load(files, 'cpu');
    this.run = classifier
      ? async (texts) => (await this.model.predict(texts)).map(({ probabilities }) => probabilities)
      : (texts) => this.model.embed(texts);
  },
};

const transformers = {
  async open() {
    const { env, pipeline } = await import('/transformers/transformers.web.js');
    Object.assign(env, { allowLocalModels: true, allowRemoteModels: false, localModelPath: '/', useBrowserCache: false, useWasmCache: false });
    Object.assign(env.backends.onnx.wasm, { wasmPaths: `${self.location.origin}/ort/`, numThreads: 1, proxy: false });
    this.pipeline = pipeline;
  },
  async load({ name, classifier }) {
    await this.loaded?.dispose();
    const options = { dtype: 'fp32', device: 'wasm' };
    if (classifier) {
      this.loaded = await this.pipeline('text-classification', name, { ...options, model_file_name: 'classifier' });
      const ids = this.loaded.model.config.label2id;
      const inOrder = (scores) => scores.reduce((row, { label, score }) => { row[ids[label]] = score; return row; }, []);
      this.run = async (texts) => (await this.loaded(texts, { top_k: null })).map(inOrder);
    } else {
      this.loaded = await this.pipeline('feature-extraction', name, options);
      this.run = async (texts) => (await this.loaded(texts, { pooling: 'mean' })).data;
    }
  },
};

const engines = { isogloss, transformers };
let engine;

const methods = {
  open({ engine: name }) {
    engine = engines[name];
    return engine.open();
  },
  load: (args) => engine.load(args),
  /** All batches, one after the other. */
  async time({ batches }) {
    for (const texts of batches) await engine.run(texts);
  },
  /** The numbers of all batches. */
  async answers({ batches }) {
    const all = [];
    for (const texts of batches) all.push(...(await engine.run(texts)));
    return all.flatMap((row) => (typeof row === 'number' ? row : [...row]));
  },
  memory: () => [...memories].reduce((sum, { buffer }) => sum + buffer.byteLength, 0),
};

self.onmessage = async ({ data: { method, args } }) => {
  try {
    self.postMessage({ value: await methods[method](args) });
  } catch (error) {
    self.postMessage({ error: `${method}: ${error?.stack ?? error}` });
  }
};
