// The npm package: it installs, predicts in Node, and its types hold.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DIST, folderOf } from './site.mjs';

const predicting = `
import { readFile } from 'node:fs/promises';
import init, { counts_in_words, Model } from 'isogloss';

await init({ module_or_path: await readFile(new URL(import.meta.resolve('isogloss/isogloss_bg.wasm'))) });
const [folder] = process.argv.slice(2);
const files = {};
for (const name of ['config.json', 'tokenizer.json', 'model.safetensors']) files[name] = new Uint8Array(await readFile(folder + '/' + name));
const model = await Model.load(files, 'cpu');
const encoder = await Model.load({ ...files, 'config.json': bare(files['config.json']), 'model.safetensors': headless(files['model.safetensors']) }, 'cpu');

function bare(config) {
  const { id2label, label2id, isogloss, ...rest } = JSON.parse(new TextDecoder().decode(config));
  return new TextEncoder().encode(JSON.stringify({ ...rest, architectures: ['BertModel'] }));
}

function headless(weights) {
  const length = Number(new DataView(weights.buffer).getBigUint64(0, true));
  const tensors = Object.entries(JSON.parse(new TextDecoder().decode(weights.subarray(8, 8 + length))));
  const kept = {}, parts = [];
  let end = 0;
  for (const [name, tensor] of tensors) {
    if (name === '__metadata__' || name.startsWith('classifier.')) continue;
    const values = weights.subarray(...tensor.data_offsets.map((offset) => 8 + length + offset));
    parts.push(values);
    kept[name] = { ...tensor, data_offsets: [end, end += values.length] };
  }
  let header = JSON.stringify(kept);
  header = header.padEnd(8 * Math.ceil(header.length / 8));
  const size = new Uint8Array(new BigUint64Array([BigInt(header.length)]).buffer);
  return new Uint8Array(Buffer.concat([size, Buffer.from(header), ...parts]));
}

const texts = ['turn off the lamp in the kitchen', 'pause the timer'];
const long = 'pause the timer '.repeat(200);
const example = (text, label) => JSON.stringify({ text, label }) + '\\n';
const lines = new TextEncoder().encode(example(texts[1], 'HassPauseTimer') + example(long, 'HassPauseTimer') + example('?', 'zzz'));
const evaluation = model.evaluation(lines, 'en.jsonl', 2, 'skip');
while (await evaluation.step());
const { data } = evaluation.result();
let refused;
try { model.evaluation(lines, 'en.jsonl', 2, 'error'); } catch (error) { refused = String(error); }
console.log(JSON.stringify({
  predictions: await model.predict([...texts, long]),
  data, counts: counts_in_words([data, data]), refused, n_truncated: model.n_truncated,
  blank: await model.predict([' ', texts[0]]), n_without_tokens: model.n_without_tokens,
  vectors: [...await model.embed(texts)],
  bare: { info: encoder.info(), vectors: [...await encoder.embed(texts)], fault: await encoder.predict(texts).catch(String) },
}));
`;

const typed = `
import init, { counts_in_words, Model, version, type CountInWords, type ModelInfo, type Prediction, type Scores } from 'isogloss';

export async function use(files: Record<string, Uint8Array>, wasm: Uint8Array<ArrayBuffer>): Promise<number> {
  await init({ module_or_path: wasm });
  const model = await Model.load(files, 'cpu');
  const info: ModelInfo = model.info();
  const predictions: Prediction[] = await model.predict(['pause the timer']);
  const first = predictions[0];
  const label: string = first && 'label' in first ? first.label : version();
  const vectors: Float32Array = await model.embed([label]);
  const evaluation = model.evaluation(new Uint8Array(), 'en.jsonl', 32);
  model.evaluation(new Uint8Array(), 'en.jsonl', 32, 'skip');
  // @ts-expect-error Only parsers keep such examples, and are not scored here.
  model.evaluation(new Uint8Array(), 'en.jsonl', 32, 'keep');
  while (await evaluation.step());
  const scores: Scores = evaluation.result();
  const counts: CountInWords[] = counts_in_words([scores.data]);
  // @ts-expect-error There is no such device.
  await Model.load(files, 'tpu');
  return counts.length + vectors.length + (scores.accuracy ?? 0) + info.labels.length;
}
`;

const web = fileURLToPath(new URL('..', import.meta.url));
const tsc = path.join(path.dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
/** The types of the engine lie where the page that is tested has them. */
const page = JSON.stringify({ extends: path.join(web, 'jsconfig.json'), compilerOptions: { rootDirs: [web, path.resolve(DIST)] } });

let folder;
const run = (...command) => execFileSync(command[0], command.slice(1), { cwd: folder, encoding: 'utf8' });

before(() => {
  folder = folderOf({ 'package.json': '{"type": "module"}', 'predict.js': predicting, 'use.ts': typed, 'page.json': page });
  run('npm', 'pack', '--silent', path.join(DIST, 'pkg'));
  const [packed] = fs.readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  run('npm', 'install', '--silent', '--offline', '--no-audit', '--no-fund', `./${packed}`);
});

test('installed from its archive, the package predicts in Node', () => {
  const answers = JSON.parse(run('node', 'predict.js', path.join(DIST, 'models/plain')));
  assert.deepEqual(answers.predictions.map(({ label }) => label), ['HassTurnOff', 'HassPauseTimer', 'HassPauseTimer']);
  assert.deepEqual(answers.predictions.map(({ truncated }) => truncated), [false, false, true]);
  assert.equal(answers.n_truncated, 1, 'those of an evaluation are in its counts');
  assert.deepEqual(answers.blank.map(({ without_tokens }) => without_tokens), [true, false]);
  assert.equal(answers.n_without_tokens, 1);
  const { n, n_truncated, n_words_lost, left_out } = answers.data;
  assert.deepEqual([n, n_truncated, n_words_lost, left_out], [2, 1, 0, { zzz: 1 }]);
  assert.deepEqual(answers.counts, [
    { fate: 'cut', text: '2 texts were too long and are cut off' },
    { fate: 'left out', text: '2 examples with labels that are not learned: zzz (2)' },
  ]);
  assert.match(answers.refused, /en\.jsonl:3: unknown label "zzz"/);
  assert.equal(answers.vectors.length, 2 * answers.bare.info.hidden_size);
  assert.deepEqual(answers.bare.vectors, answers.vectors, 'the encoder alone gives the same vectors');
  assert.deepEqual([answers.bare.info.task, answers.bare.info.labels], ['none', []]);
  assert.match(answers.bare.fault, /this model has no head; fine-tune it first/);
});

test('its types are those of what it does', () => {
  run(process.execPath, tsc, '--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--lib', 'esnext,dom', '--types', '', 'use.ts');
});

test('the types in the comments of the page hold', () => {
  run(process.execPath, tsc, '-p', 'page.json');
});
