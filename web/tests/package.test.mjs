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
import init, { Model } from 'isogloss';

await init({ module_or_path: await readFile(new URL(import.meta.resolve('isogloss/isogloss_bg.wasm'))) });
const [folder] = process.argv.slice(2);
const files = {};
for (const name of ['config.json', 'tokenizer.json', 'model.safetensors']) files[name] = new Uint8Array(await readFile(folder + '/' + name));
const model = await Model.load(files, 'cpu');
const encoder = await Model.load({ ...files, 'config.json': bare(files['config.json']) }, 'cpu');

function bare(config) {
  const { id2label, label2id, isogloss, ...rest } = JSON.parse(new TextDecoder().decode(config));
  return new TextEncoder().encode(JSON.stringify({ ...rest, architectures: ['BertModel'] }));
}

const texts = ['turn off the lamp in the kitchen', 'pause the timer'];
console.log(JSON.stringify({
  predictions: await model.predict(texts),
  vectors: [...await model.embed(texts)],
  bare: { info: encoder.info(), vectors: [...await encoder.embed(texts)], fault: await encoder.predict(texts).catch(String) },
}));
`;

const typed = `
import init, { Model, version, type ModelInfo, type Prediction, type Scores } from 'isogloss';

export async function use(files: Record<string, Uint8Array>, wasm: Uint8Array<ArrayBuffer>): Promise<number> {
  await init({ module_or_path: wasm });
  const model = await Model.load(files, 'cpu');
  const info: ModelInfo = model.info();
  const predictions: Prediction[] = await model.predict(['pause the timer']);
  const first = predictions[0];
  const label: string = first && 'label' in first ? first.label : version();
  const vectors: Float32Array = await model.embed([label]);
  const evaluation = model.evaluation(new Uint8Array(), 'en.jsonl', 32);
  while (await evaluation.step());
  const scores: Scores = evaluation.result();
  // @ts-expect-error There is no such device.
  await Model.load(files, 'tpu');
  return vectors.length + (scores.accuracy ?? 0) + info.labels.length;
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
  assert.deepEqual(answers.predictions.map(({ label }) => label), ['HassTurnOff', 'HassPauseTimer']);
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
