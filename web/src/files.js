// @ts-check
/** What a visitor drops on the page or picks: model folders and labelled files. */
import { byId, messageOf } from './dom.js';
import { message } from './status.js';

const DATA = /\.(jsonl|tsv|csv|conll|conllu|conllup|iob2|bio)$/i;
/** What a model folder may hold that the module reads; anything else in it is left alone. */
const MODEL = /\.(json|safetensors|toml|txt|model)$/i;

/** @typedef {import('./types.js').GivenFile} GivenFile */
/**
 * @typedef {object} Handlers
 * @property {(files: GivenFile[], title: string) => void} onModel
 * @property {(files: File[]) => void} onData
 */

/** @param {GivenFile[]} given @param {string} folder @param {Handlers} handlers */
function receive(given, folder, { onModel, onData }) {
  // Folders in it are the modules of a sentence-transformers model; data files lie at the top.
  const files = given.filter(({ path }) => !path.includes('/')).map(({ file }) => file);
  const data = files.filter((file) => DATA.test(file.name));
  const weights = files.some((file) => file.name.endsWith('.safetensors'));
  const looksLikeModel = weights || files.some((file) => file.name === 'config.json');
  if (looksLikeModel) onModel(given.filter(({ path }) => MODEL.test(path)), folder || 'your model');
  else if (data.length > 0) onData(data);
  else if (files.length === 0) message('Nothing was in there: a model is a folder with config.json, model.safetensors and tokenizer.json.');
  else {
    const names = files.slice(0, 3).map((file) => file.name).join(', ');
    message(`${names}: neither a model folder (config.json, model.safetensors, tokenizer.json) nor a labelled file (.jsonl, .tsv, .csv, .conll, .bio, .iob2, .conllup, .conllu).`);
  }
}

/** Folders of a model's folder are read, and none below them. */
const MAX_DEPTH = 2;

/** @param {any} entry FileSystemEntry @param {string} [above] the path of the folders around it @param {number} [depth] @returns {Promise<GivenFile[]>} */
async function filesOf(entry, above = '', depth = 0) {
  if (entry.isFile) return [{ path: above + entry.name, file: await new Promise((ok, no) => entry.file(ok, no)) }];
  if (depth >= MAX_DEPTH) return [];
  const reader = entry.createReader();
  const entries = [];
  for (;;) {
    const batch = await new Promise((ok, no) => reader.readEntries(ok, no));
    if (batch.length === 0) break;
    entries.push(...batch);
  }
  const inside = depth === 0 ? '' : `${above}${entry.name}/`;
  return (await Promise.all(entries.map((e) => filesOf(e, inside, depth + 1)))).flat();
}

/** @param {DataTransfer} transfer */
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry !== null && entry !== undefined);
  if (entries.length === 0) return { files: [...transfer.files].map((file) => ({ path: file.name, file })), folder: '' };
  const folder = entries.find((entry) => entry.isDirectory)?.name ?? '';
  return { files: (await Promise.all(entries.map((entry) => filesOf(entry)))).flat(), folder };
}

/** Makes the whole page a place to drop files, and joins the two file inputs to it. @param {Handlers} handlers */
export function acceptFiles(handlers) {
  let depth = 0;
  const show = (/** @type {boolean} */ on) => { byId('drop-veil').hidden = !on; };
  const carriesFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes('Files');
  document.addEventListener('dragenter', (event) => { if (carriesFiles(event)) { depth++; show(true); } });
  document.addEventListener('dragleave', (event) => { if (carriesFiles(event) && --depth <= 0) { depth = 0; show(false); } });
  document.addEventListener('dragover', (event) => { if (carriesFiles(event)) event.preventDefault(); });
  document.addEventListener('drop', async (event) => {
    if (!event.dataTransfer || !carriesFiles(event)) return;
    event.preventDefault();
    depth = 0;
    show(false);
    try {
      const { files, folder } = await dropped(event.dataTransfer);
      receive(files, folder, handlers);
    } catch (error) {
      message(`The files could not be read: ${messageOf(error)}`);
    }
  });

  const join = (/** @type {string} */ inputId) => {
    const input = byId(inputId);
    input.addEventListener('change', () => {
      const files = [...input.files];
      const parts = files.map((file) => ({ file, parts: (file.webkitRelativePath || file.name).split('/') }));
      // A chosen folder gives all below it, with its own name before each path.
      const given = parts.map(({ file, parts }) => ({ file, path: parts.length > 1 ? parts.slice(1).join('/') : parts[0] }));
      const near = given.filter(({ path }) => path.split('/').length <= MAX_DEPTH);
      const folder = parts[0]?.parts.length > 1 ? parts[0].parts[0] : '';
      if (files.length > 0) receive(near, folder, handlers);
      input.value = '';
    });
  };
  join('model-input');
  join('data-input');
}
