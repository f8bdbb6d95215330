/*
 * How long a visitor waits for the first prediction, and what is seen meanwhile.
 *
 *   cargo xtask web
 *   cd web && npm ci && node bench/load.mjs [--rounds 5] [--screenshots FOLDER]
 *
 * The time runs from the navigation to the moment when the answer of the model stands in the page. The server is on this
 * machine and sends what a static server with brotli would. Cold is a browser with nothing stored; cached is the second
 * visit, from what the service worker stored, in the same browser; both are medians.
 *
 * Then once under Chromium's own throttling: the network as DevTools' "Slow 4G" and "Fast 4G" have it, for the page and
 * its workers, and the page's thread four times slower. From the first paint on, each frame notes what the page says of
 * its progress: the longest time without a change is how long nothing seems to happen. An evaluation follows.
 */
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { brotliCompressSync, constants } from 'node:zlib';
import { DIST, launch, ready } from '../tests/site.mjs';

const { values: options } = parseArgs({ options: { rounds: { type: 'string', default: '5' }, screenshots: { type: 'string' } } });
/** As in DevTools: bytes a second, and milliseconds. */
const NETWORKS = [
  { name: 'Slow 4G', downloadThroughput: 180_000, uploadThroughput: 84_375, latency: 562.5 },
  { name: 'Fast 4G', downloadThroughput: 1_012_500, uploadThroughput: 168_750, latency: 165 },
];
const SLOWER = 4;
/** A screenshot at these shares of the way. */
const PICTURES = [0, 0.25, 0.5, 0.75];

const TYPES = {
  '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.json': 'application/json',
  '.wasm': 'application/wasm', '.webmanifest': 'application/manifest+json',
};

/** Serves the page as a static server does that compresses once. */
async function serveCompressed() {
  const bodies = new Map();
  const files = fs.readdirSync(DIST, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  for (const entry of files) {
    const file = path.join(entry.parentPath ?? entry.path, entry.name);
    const bytes = fs.readFileSync(file);
    const quality = bytes.length > 1e6 ? 9 : constants.BROTLI_MAX_QUALITY;
    bodies.set(`/${path.relative(DIST, file)}`, brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: quality } }));
  }
  const server = http.createServer((request, response) => {
    const wanted = new URL(request.url, 'http://x').pathname.replace(/\/$/, '/index.html');
    const body = bodies.get(wanted);
    if (!body) return response.writeHead(404).end();
    const type = TYPES[path.extname(wanted)] ?? 'application/octet-stream';
    response.writeHead(200, { 'content-type': type, 'content-encoding': 'br', 'content-length': body.length, 'cache-control': 'no-cache' }).end(body);
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => { server.close(); server.closeAllConnections(); } };
}

/** In the page: notes when the first answer stands there, and, frame by frame, when what is said of the progress changes. */
function watch() {
  const noted = { changes: [], longestFrame: 0 };
  globalThis.noted = noted;
  let last = '';
  let before;
  const look = (now) => {
    if (before !== undefined) noted.longestFrame = Math.max(noted.longestFrame, now - before);
    before = now;
    const bar = document.getElementById('loading-bar');
    const evaluation = document.getElementById('evaluate-bar');
    const share = bar && !bar.hidden ? bar.value / bar.max : undefined;
    const seen = [document.getElementById('status-text')?.textContent, share, evaluation?.value, document.getElementById('evaluate-progress')?.textContent].join('|');
    if (seen !== last && document.body) noted.changes.push({ at: performance.now(), seen, share });
    last = seen;
    if (noted.answered === undefined && document.querySelector('#prediction .answer')) noted.answered = performance.now();
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
const seconds = (ms) => (ms / 1000).toFixed(2);

/** The longest time between two changes, and what stood there. */
function stillest(changes, end) {
  const times = changes.map(({ at, seen }, i) => ({ ms: (changes[i + 1]?.at ?? end) - at, seen }));
  return times.reduce((most, time) => (time.ms > most.ms ? time : most), { ms: 0, seen: '' });
}

async function firstAnswer(page, url) {
  await page.goto(url);
  await ready(page);
  await page.waitForFunction(() => globalThis.noted.answered !== undefined);
  return page.evaluate(() => globalThis.noted.answered);
}

/** Throttles a page and all workers that it will start. */
async function throttle(context, page, network) {
  const conditions = { offline: false, ...network, name: undefined };
  const devtools = await context.newCDPSession(page);
  await devtools.send('Network.enable');
  await devtools.send('Network.emulateNetworkConditions', conditions);
  await devtools.send('Emulation.setCPUThrottlingRate', { rate: SLOWER });
  // Playwright's sessions do not reach the sessions of workers, but for messages that are passed on by hand.
  let id = 0;
  devtools.on('Target.attachedToTarget', async ({ sessionId }) => {
    const send = (method, params) => devtools.send('Target.sendMessageToTarget', { sessionId, message: JSON.stringify({ id: ++id, method, params }) });
    await send('Network.enable');
    await send('Network.emulateNetworkConditions', conditions);
    await send('Runtime.runIfWaitingForDebugger');
  });
  await devtools.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: true, flatten: false });
}

async function photograph(page, name) {
  if (!options.screenshots) return;
  fs.mkdirSync(options.screenshots, { recursive: true });
  await page.screenshot({ path: path.join(options.screenshots, `${name}.png`) });
}

async function throttled(browser, url, network) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(600_000);
    await page.addInitScript(watch);
    await throttle(context, page, network);
    const loading = firstAnswer(page, url);
    for (const share of PICTURES) {
      await page.waitForFunction((least) => globalThis.noted?.answered || globalThis.noted?.changes.some((change) => change.share >= least), share);
      await photograph(page, `${network.name}-${share}`);
    }
    const answered = await loading;
    await photograph(page, `${network.name}-1`);
    const { changes, longestFrame } = await page.evaluate(() => globalThis.noted);
    const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0].startTime);
    const whileLoading = changes.filter(({ at }) => at <= answered);
    const { ms, seen } = stillest(whileLoading, answered);
    console.log(`${network.name}, ${SLOWER} times slower: first paint ${seconds(paint)} s, first answer ${seconds(answered)} s; ${whileLoading.length} changes, the longest time without one ${seconds(ms)} s, at "${seen.split('|')[0]}"; longest frame ${seconds(longestFrame)} s`);

    await page.evaluate(() => { globalThis.noted.changes = []; globalThis.noted.longestFrame = 0; });
    const start = await page.evaluate(() => performance.now());
    await page.locator('#evaluate-run').click();
    await page.waitForFunction(() => {
      const bar = document.getElementById('evaluate-bar');
      return bar.value / bar.max > 0.4;
    });
    await page.locator('#evaluate').scrollIntoViewIfNeeded();
    await photograph(page, `${network.name}-evaluation`);
    await page.locator('#evaluate-run:enabled').waitFor();
    const end = await page.evaluate(() => performance.now());
    const evaluation = await page.evaluate(() => globalThis.noted);
    const still = stillest([{ at: start, seen: '' }, ...evaluation.changes.filter(({ at }) => at > start && at < end)], end);
    console.log(`  evaluation of two models ${seconds(end - start)} s; ${evaluation.changes.length} changes, the longest time without one ${seconds(still.ms)} s, at "${still.seen}"; longest frame ${seconds(evaluation.longestFrame)} s`);
  } finally {
    await context.close();
  }
}

const site = await serveCompressed();
try {
  const [cold, cached] = [[], []];
  for (let round = 0; round < Number(options.rounds); round++) {
    const browser = await launch();
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.addInitScript(watch);
    cold.push(await firstAnswer(page, site.url));
    await page.waitForFunction(() => document.documentElement.dataset.offline === 'ready');
    cached.push(await firstAnswer(page, site.url));
    await browser.close();
  }
  console.log(`first answer, s: cold ${seconds(median(cold))} (${seconds(Math.min(...cold))} to ${seconds(Math.max(...cold))}), cached ${seconds(median(cached))} (${seconds(Math.min(...cached))} to ${seconds(Math.max(...cached))})`);
  const browser = await launch();
  for (const network of NETWORKS) await throttled(browser, site.url, network);
  await browser.close();
} finally {
  site.close();
}
