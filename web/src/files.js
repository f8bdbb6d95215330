// @ts-check
/** What a visitor drops on the page or picks: model folders and labelled files. */
import { byId, messageOf } from './dom.js';
import { message } from './status.js';

const DATA = /\.(jsonl|tsv|csv|conll|conllu)$/i;
/** What a model folder may hold that the module reads; anything else in it is left alone. */
const MODEL = /\.(json|safetensors|txt|model)$/i;

/**
 * @typedef {object} Handlers
 * @property {(files: File[], title: string) => void} onModel
 * @property {(files: File[]) => void} onData
 */

/** @param {File[]} files @param {string} folder @param {Handlers} handlers */
function receive(files, folder, { onModel, onData }) {
  const data = files.filter((file) => DATA.test(file.name));
  const weights = files.some((file) => file.name.endsWith('.safetensors'));
  const looksLikeModel = weights || files.some((file) => file.name === 'config.json');
  if (looksLikeModel) onModel(files.filter((file) => MODEL.test(file.name)), folder || 'your model');
  else if (data.length > 0) onData(data);
  else if (files.length === 0) message('Nothing was in there: a model is a folder with config.json, model.safetensors and tokenizer.json.');
  else {
    const names = files.slice(0, 3).map((file) => file.name).join(', ');
    message(`${names}: neither a model folder (config.json, model.safetensors, tokenizer.json) nor a labelled file (.jsonl, .tsv, .csv, .conll).`);
  }
}

/** @param {any} entry FileSystemEntry @returns {Promise<File[]>} the files of a folder, not of the folders in it */
async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((ok, no) => entry.file(ok, no))];
  const reader = entry.createReader();
  const entries = [];
  for (;;) {
    const batch = await new Promise((ok, no) => reader.readEntries(ok, no));
    if (batch.length === 0) break;
    entries.push(...batch);
  }
  return Promise.all(entries.filter((e) => e.isFile).map((e) => new Promise((ok, no) => e.file(ok, no))));
}

/** @param {DataTransfer} transfer */
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry !== null && entry !== undefined);
  if (entries.length === 0) return { files: [...transfer.files], folder: '' };
  const folder = entries.find((entry) => entry.isDirectory)?.name ?? '';
  return { files: (await Promise.all(entries.map(filesOf))).flat(), folder };
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
      // A chosen folder gives all below it; only its own files are the model's.
      const own = files.filter((file) => file.webkitRelativePath.split('/').length <= 2);
      if (files.length > 0) receive(own, own[0]?.webkitRelativePath.split('/')[0] ?? '', handlers);
      input.value = '';
    });
  };
  join('model-input');
  join('data-input');
}
