/*
 * Sentences a second and memory of isogloss and transformers.js, with the same weights in f32, in one Chromium.
 *
 *   cargo xtask web --cpu
 *   cd web && npm ci && cd bench && npm ci --ignore-scripts
 *   python3 export.py ../../target/quickstart/plain/best tiny
 *   node speed.mjs tiny [OTHER_FOLDER_OF_EXPORT ...] [--rounds 15] [--ort asyncify]
 *
 * Both run in a worker of one page, on one thread, and take turns, round by round; a round is 128 test sentences of
 * `examples/data/commands`, eight of each language, from text to vectors or probabilities. Seconds are those that the
 * worker's thread had the processor (/proc, Linux), so that other work on the machine counts less. Speeds are medians over
 * the rounds, the ratio is the median of the ratios of the rounds, with the quartiles. Their numbers are compared first.
 *
 * Memory is that of a fresh Chromium with one engine and one model, after loading it and a round of batches of 16:
 * the memory of WebAssembly, which never shrinks, and the largest resident size (VmHWM) of the page's process, less
 * that of the same page with nothing loaded.
 *
 * `--ort asyncify` takes the build of onnxruntime that transformers.js chooses by itself, with WebGPU in it, in place of
 * the smaller one for the CPU alone.
 */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { DIST, launch } from '../tests/site.mjs';
import { serveFolders } from './server.mjs';

const { values: options, positionals: models } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '15' }, ort: { type: 'string', default: 'wasm' } },
});
const ENGINES = ['isogloss', 'transformers'];
const BATCHES = [1, 16];
const OF_EACH_LANGUAGE = 8;
/** What is compared is rounded differently by different orders of summation. */
const TOLERANCE = 1e-4;

const here = fileURLToPath(new URL('.', import.meta.url));
const packages = createRequire(import.meta.url);
const transformersJs = path.join(here, 'node_modules/@huggingface/transformers/dist');
const ort = path.dirname(packages.resolve('onnxruntime-web/ort-wasm-simd-threaded.mjs'));
const common = path.join(here, 'node_modules/onnxruntime-common/dist/esm');
const ortScript = { wasm: 'ort.wasm.min.mjs', asyncify: 'ort.webgpu.min.mjs' }[options.ort];

const folders = { bench: here, dist: DIST, transformers: transformersJs, ort, common };
const names = models.map((folder) => path.basename(path.resolve(folder)));
models.forEach((folder, i) => { folders[names[i]] = path.resolve(folder); });
const site = await serveFolders(folders, (text) => text
  .replaceAll(/from\s*"onnxruntime-web\/webgpu"/g, `from "/ort/${ortScript}"`)
  .replaceAll(/from\s*"onnxruntime-common"/g, 'from "/common/index.js"'));

/** The same request in sixteen languages stands in a row, as on the page. */
function sentences() {
  const commands = path.join(DIST, 'data/commands');
  const columns = fs.readdirSync(commands).sort().map((file) => {
    const lines = fs.readFileSync(path.join(commands, file), 'utf8').trim().split('\n').map((line) => JSON.parse(line));
    const texts = lines.filter(({ split }) => split === 'test').map(({ text }) => text);
    const step = Math.floor(texts.length / OF_EACH_LANGUAGE);
    return Array.from({ length: OF_EACH_LANGUAGE }, (_, i) => texts[i * step]);
  });
  return Array.from({ length: OF_EACH_LANGUAGE }, (_, i) => columns.map((texts) => texts[i])).flat();
}

const texts = sentences();
const inBatches = (size) => Array.from({ length: Math.ceil(texts.length / size) }, (_, i) => texts.slice(i * size, (i + 1) * size));
const quantile = (numbers, share) => [...numbers].sort((a, b) => a - b)[Math.round(share * (numbers.length - 1))];
const median = (numbers) => quantile(numbers, 0.5);
const difference = (a, b) => a.length !== b.length ? NaN : a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);

/** The threads of workers in all pages, and the milliseconds that each had the processor. */
async function workerThreads(browser) {
  const devtools = await browser.newBrowserCDPSession();
  const { processInfo } = await devtools.send('SystemInfo.getProcessInfo');
  await devtools.detach();
  return processInfo.filter(({ type }) => type === 'renderer').flatMap(({ id }) => {
    const tasks = `/proc/${id}/task`;
    return fs.readdirSync(tasks).filter((task) => fs.readFileSync(`${tasks}/${task}/comm`, 'utf8').startsWith('DedicatedWorker')).map((task) => `${tasks}/${task}`);
  });
}

const processorMs = (thread) => Number(fs.readFileSync(`${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e6;

async function openPage(browser) {
  const page = await browser.newPage();
  page.on('pageerror', (error) => { throw error; });
  await page.goto(`${site.url}bench/page.html`);
  await page.waitForFunction(() => globalThis.call);
  return {
    open: (engine) => page.evaluate((name) => globalThis.open(name), engine),
    call: (engine, method, args) => page.evaluate((all) => globalThis.call(...all), [engine, method, args]),
  };
}

/** Prints the speed of both engines over one model. */
async function measureSpeed(page, threads, name, classifier) {
  const time = async (engine, batches) => {
    const before = processorMs(threads[engine]);
    await page.call(engine, 'time', { batches });
    return processorMs(threads[engine]) - before;
  };
  for (const engine of ENGINES) await page.call(engine, 'load', { name, classifier });
  const [ours, theirs] = [await page.call('isogloss', 'answers', { batches: inBatches(16) }), await page.call('transformers', 'answers', { batches: inBatches(16) })];
  const largest = difference(ours, theirs);
  if (!(largest <= TOLERANCE)) throw new Error(`${name}: ${ours.length} numbers differ from ${theirs.length} by up to ${largest}`);
  for (const size of BATCHES) {
    const batches = inBatches(size);
    const ms = { isogloss: [], transformers: [] };
    for (const engine of ENGINES) await time(engine, batches);
    for (let round = 0; round < Number(options.rounds); round++) {
      for (const engine of round % 2 ? ENGINES : ENGINES.toReversed()) ms[engine].push(await time(engine, batches));
    }
    const speed = ENGINES.map((engine) => (1000 * texts.length) / median(ms[engine]));
    const ratios = ms.isogloss.map((ours, i) => ms.transformers[i] / ours);
    const [low, middle, high] = [0.25, 0.5, 0.75].map((share) => quantile(ratios, share).toFixed(2));
    console.log(`| ${name}, ${classifier ? 'probabilities' : 'vectors'} | ${size} | ${speed.map((s) => s.toFixed(s < 100 ? 1 : 0)).join(' | ')} | ${middle}× (${low} to ${high}) | ${largest.toExponential(0)} |`);
  }
}

/** The largest resident size of any page's process of a browser, in MB. */
async function peak(browser) {
  const devtools = await browser.newBrowserCDPSession();
  const { processInfo } = await devtools.send('SystemInfo.getProcessInfo');
  const sizes = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => {
    const [, kilobytes] = fs.readFileSync(`/proc/${id}/status`, 'utf8').match(/VmHWM:\s+(\d+) kB/);
    return Number(kilobytes) / 1000;
  });
  return Math.max(...sizes);
}

async function measureMemory(engine, name) {
  const browser = await launch();
  try {
    const page = await openPage(browser);
    const empty = await peak(browser);
    await page.open(engine);
    await page.call(engine, 'load', { name });
    await page.call(engine, 'time', { batches: inBatches(16) });
    return { wasm: (await page.call(engine, 'memory')) / 1e6, process: (await peak(browser)) - empty };
  } finally {
    await browser.close();
  }
}

const isClassifier = (name) => fs.existsSync(path.join(folders[name], 'onnx/classifier.onnx'));
const version = (name) => JSON.parse(fs.readFileSync(path.join(here, 'node_modules', name, 'package.json'), 'utf8')).version;
try {
  const browser = await launch();
  console.log(`Chromium ${browser.version()}, transformers.js ${version('@huggingface/transformers')}, onnxruntime-web ${version('onnxruntime-web')} (${ortScript})\n`);
  console.log('| model | batch | isogloss, sentences/s | transformers.js, sentences/s | speed | largest difference |\n|---|---:|---:|---:|---:|---:|');
  const page = await openPage(browser);
  const threads = {};
  for (const engine of ENGINES) {
    await page.open(engine);
    threads[engine] = (await workerThreads(browser)).find((thread) => !Object.values(threads).includes(thread));
  }
  for (const name of names) {
    await measureSpeed(page, threads, name, false);
    if (isClassifier(name)) await measureSpeed(page, threads, name, true);
  }
  await browser.close();

  console.log('\n| model | WebAssembly, MB: isogloss | transformers.js | process, MB: isogloss | transformers.js |\n|---|---:|---:|---:|---:|');
  for (const name of names) {
    const [ours, theirs] = [await measureMemory('isogloss', name), await measureMemory('transformers', name)];
    console.log(`| ${name} | ${[ours.wasm, theirs.wasm, ours.process, theirs.process].map((mb) => mb.toFixed(0)).join(' | ')} |`);
  }
} finally {
  await site.close();
}
