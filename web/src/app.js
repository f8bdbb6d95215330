// @ts-check
/** Starts the page: manifest, engine, model and sentences, then the three parts; keeps it usable whatever fails. */
import { setUpAlignment } from './alignment.js';
import { setUpCompare } from './compare.js';
import { Dataset } from './dataset.js';
import { byId, messageOf } from './dom.js';
import { Engine, Interrupted } from './engine.js';
import { setUpEvaluate } from './evaluate.js';
import { acceptFiles } from './files.js';
import { Models } from './models.js';
import { setUpPredict } from './predict.js';
import { announce, message, showBusy, showFailed, showLoading, showReady, showSpeed } from './status.js';
import { whole } from './statistics.js';
import { keepForOffline } from './offline.js';

/**
 * What the parts of the page share.
 * @typedef {object} App
 * @property {Engine} engine
 * @property {Models} models
 * @property {Dataset} dataset
 * @property {(error: unknown) => void} fail shows what went wrong, unless another message says it already
 */

/** @param {unknown} error */
function fail(error) {
  if (!(error instanceof Interrupted)) message(messageOf(error));
}

/** What is to be known of a model whose run used parts of it for some languages. @param {import('./types.js').ModelInfo} info */
function partsOf({ subnetworks, centring }) {
  const parts = subnetworks.length === 0 ? ''
    : ` In its run ${subnetworks.join(', ')} used parts of it: an evaluation uses them, by the name of the file; predictions use the whole model.`;
  const moved = centring.length === 0 ? ''
    : ` It moves the vectors of ${centring.join(', ')} onto those of its source languages: an evaluation by the name of the file, a prediction where the language is given.`;
  return parts + moved;
}

async function start() {
  const response = await fetch('manifest.json');
  if (!response.ok) throw new Error(`manifest.json could not be fetched: the server says ${response.status}`);
  /** @type {import('./types.js').Manifest} */
  const manifest = await response.json();
  byId('version').textContent = manifest.version;

  const engine = new Engine(manifest.modules, showLoading);
  const models = new Models(manifest);
  // What will be loaded is known from the start, so that progress never goes back.
  showLoading({ what: 'engine', loaded: 0, total: manifest.modules.cpu.bytes });
  showLoading({ what: `model ${models.active.title}`, loaded: 0, total: models.active.sizes?.reduce((sum, file) => sum + file.bytes, 0) ?? 0 });
  const opening = engine.use('cpu');
  const [dataset] = await Promise.all([Dataset.fetch(manifest, showLoading), opening]);
  /** @type {App} */
  const app = { engine, models, dataset, fail };

  const evaluation = setUpEvaluate(app);
  const parts = [setUpPredict(app), setUpCompare(app), setUpAlignment(app), evaluation];

  /** Loads the chosen model and lets all parts show it. */
  let turn = 0;
  async function show() {
    const mine = ++turn;
    const spec = models.active;
    showBusy(`Preparing ${spec.title}…`);
    try {
      const info = await engine.model(spec);
      if (mine !== turn) return;
      const n = info.n_parameters;
      const size = `${n < 1e6 ? whole(n) : `${(n / 1e6).toFixed(1)} M`} parameters`;
      showReady(`${size}, on ${engine.device === 'cpu' ? 'the CPU' : `WebGPU (${engine.deviceName})`}`);
      announce(`${spec.title} is ready`);
      for (const count of document.querySelectorAll('.label-count')) count.textContent = info.task === 'none' ? '' : String(info.labels.length);
      for (const part of parts) part.show(info);
    } catch (error) {
      if (mine !== turn || error instanceof Interrupted) return;
      showFailed(`${spec.title} could not be loaded`);
      fail(error);
    }
  }

  models.addEventListener('active', show);
  engine.addEventListener('device', () => { checkDevice(); show(); });
  engine.addEventListener('speed', (event) => showSpeed(engine.device === 'cpu' ? 'CPU' : 'WebGPU', /** @type {CustomEvent} */ (event).detail));
  engine.addEventListener('cut', (event) => {
    const { detail } = /** @type {CustomEvent} */ (event);
    message(`${detail === 1 ? 'A text was' : `${whole(detail)} texts were`} too long for the model and cut off.`, { kind: 'note' });
  });
  engine.addEventListener('fallback', (event) => { message(/** @type {CustomEvent} */ (event).detail); });
  engine.addEventListener('failed', (event) => { const { detail } = /** @type {CustomEvent} */ (event); showFailed('The engine could not be started'); message(detail); });

  function checkDevice() {
    byId('device').querySelector(`[value=${engine.device}]`).checked = true;
  }
  byId('device').addEventListener('change', async (/** @type {any} */ event) => {
    const kind = event.target.value;
    byId('device').disabled = true;
    showBusy(kind === 'webgpu' ? 'Opening WebGPU…' : 'Going back to the CPU…');
    try {
      await engine.use(kind);
    } catch (error) {
      message(`${kind === 'webgpu' ? 'WebGPU cannot be used' : 'The CPU engine cannot be used'}: ${messageOf(error)}.${kind === 'webgpu' ? ' The CPU stays in use.' : ''}`);
      checkDevice();
      show();
    } finally {
      byId('device').disabled = false;
    }
  });

  acceptFiles({
    async onModel(files, title) {
      const spec = models.give(files, title);
      showBusy(`Reading ${title}…`);
      try {
        const info = await engine.model(spec);
        const earlier = models.add(spec);
        models.activate(spec);
        if (earlier) await engine.unload(earlier);
        const refused = info.not_scored === null ? '' : ` It is not scored here: ${info.not_scored}.`;
        message(`${title} is loaded and in use.${partsOf(info)}${refused}`, { kind: 'note' });
      } catch (error) {
        fail(`${title} cannot be used: ${messageOf(error)}`);
        show();
      }
    },
    onData: evaluation.give,
  });

  await show();
  keepForOffline();
}

start().catch((error) => {
  showFailed('The page could not be started');
  message(`${messageOf(error)}.`, { action: { label: 'Try again', run: () => location.reload() } });
});
