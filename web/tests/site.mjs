// What every test of the page needs: a server over web/dist, a browser, and a page whose errors are collected.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const DIST = process.env.ISOGLOSS_DIST ?? fileURLToPath(new URL('../dist', import.meta.url));
export const NO_WEBGPU = process.env.ISOGLOSS_NO_WEBGPU === '1';
/** A software device takes its time; nothing here waits longer than for what it names. */
export const PATIENCE_MS = Number(process.env.ISOGLOSS_PATIENCE_MS ?? 120_000);

const TYPES = {
  '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.json': 'application/json',
  '.wasm': 'application/wasm', '.webmanifest': 'application/manifest+json',
};
const FLAGS = ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const GPU_FLAGS = ['--enable-unsafe-webgpu', '--enable-features=Vulkan,WebGPU', '--use-webgpu-adapter=swiftshader', '--use-vulkan=swiftshader', '--disable-vulkan-surface'];

/** Sends a body at a limited speed, a little at a time. */
async function trickle(response, body, bytesPerSecond) {
  const piece = Math.max(1024, Math.floor(bytesPerSecond / 20));
  for (let at = 0; at < body.length && !response.destroyed; at += piece) {
    response.write(body.subarray(at, at + piece));
    await new Promise((next) => setTimeout(next, 50));
  }
  response.end();
}

/**
 * Serves a folder on 127.0.0.1, as any static server does.
 * `replace` gives other answers for some paths; `bytesPerSecond` makes each answer slow, for workers as for pages,
 * which the emulation of a slow network in the browser does not.
 */
export async function serve({ folder = DIST, replace = {}, bytesPerSecond } = {}) {
  assert.ok(fs.existsSync(path.join(folder, 'index.html')), `${folder} has no index.html: run cargo xtask web first`);
  const server = http.createServer((request, response) => {
    const wanted = decodeURIComponent(new URL(request.url, 'http://x').pathname).replace(/\/$/, '/index.html').slice(1);
    const file = path.join(folder, path.normalize(wanted));
    const body = replace[wanted] ?? (file.startsWith(folder) && fs.existsSync(file) ? fs.readFileSync(file) : undefined);
    if (body === undefined) return response.writeHead(404).end();
    response.writeHead(200, { 'content-type': TYPES[path.extname(wanted)] ?? 'application/octet-stream', 'content-length': body.length });
    if (bytesPerSecond) trickle(response, body, bytesPerSecond);
    else response.end(body);
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    close: () => new Promise((closed) => { server.close(closed); server.closeAllConnections(); }),
  };
}

export function launch({ webgpu = false } = {}) {
  return chromium.launch({ executablePath: process.env.ISOGLOSS_CHROMIUM ?? '/usr/bin/chromium', headless: true, args: [...FLAGS, ...(webgpu ? GPU_FLAGS : [])] });
}

/**
 * Opens a page, runs a test in it, and asserts that nothing was reported on the console as an error.
 * `expected` are patterns of errors that the test causes by itself, such as a failed request.
 */
export async function withPage(browser, url, test, { context: options = {}, expected = [], open = true } = {}) {
  const context = await browser.newContext({ acceptDownloads: true, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const errors = [];
  page.on('console', (entry) => { if (entry.type() === 'error') errors.push(entry.text()); });
  page.on('pageerror', (error) => errors.push(String(error)));
  try {
    if (open) {
      await page.goto(url);
      await ready(page);
    }
    await test(page, context);
    const unexpected = errors.filter((text) => !expected.some((pattern) => pattern.test(text)));
    assert.deepEqual(unexpected, [], 'errors on the console');
  } finally {
    await context.close();
  }
}

/** Waits until a model is at work and has given its first answer. */
export async function ready(page) {
  await page.locator('#status[data-state=ready]').waitFor();
  await page.locator('#prediction .answer').waitFor();
}

/** Types a sentence and waits for the answer to it. */
export async function predict(page, text) {
  await page.locator('#sentence').fill(text);
  await page.locator('#predict-form button[type=submit]').click();
  const answer = page.locator(`#prediction .answer[data-text=${JSON.stringify(text)}]`);
  await answer.waitFor();
  return answer.evaluate((element) => ({ label: element.dataset.label, probability: Number(element.dataset.probability) }));
}

/** The last message that the page shows. */
export function messageWith(page, pattern) {
  return page.locator('#messages .message').filter({ hasText: pattern });
}

/** A temporary folder with these files. */
export function folderOf(files, name = 'model') {
  const folder = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'isogloss-')), name);
  fs.mkdirSync(folder);
  for (const [file, bytes] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    fs.writeFileSync(path.join(folder, file), bytes);
  }
  return folder;
}

/** Waits until a check no longer fails. */
export async function eventually(check, ms = PATIENCE_MS) {
  const end = Date.now() + ms;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((next) => setTimeout(next, 50));
    }
  }
}
