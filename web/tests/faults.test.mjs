// Broken models, wrong files, cancelled runs and lost devices: a message, and a page that goes on working.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { smallModel } from './models.mjs';
import { DIST, eventually, folderOf, launch, messageWith, NO_WEBGPU, predict, ready, serve, withPage } from './site.mjs';

const plain = (file) => fs.readFileSync(path.join(DIST, 'models/plain', file));

let site, browser;
before(async () => { [site, browser] = [await serve(), await launch({ webgpu: !NO_WEBGPU })]; });
after(async () => { await browser.close(); await site.close(); });

const stillWorks = async (page) => assert.ok((await predict(page, `pause the timer ${Math.random()}`)).label);

test('a truncated model', async () => {
  const weights = plain('model.safetensors');
  const folder = folderOf({
    'config.json': plain('config.json'), 'tokenizer.json': plain('tokenizer.json'),
    'model.safetensors': weights.subarray(0, Math.floor(weights.length / 2)),
  }, 'truncated');
  await withPage(browser, site.url, async (page) => {
    await page.locator('#model-input').setInputFiles(folder);
    await messageWith(page, /truncated cannot be used: .*model\.safetensors/).waitFor();
    await ready(page);
    await stillWorks(page);
  });
});

test('a model without its tokenizer', async () => {
  const folder = folderOf({ 'config.json': plain('config.json'), 'model.safetensors': plain('model.safetensors') }, 'incomplete');
  await withPage(browser, site.url, async (page) => {
    await page.locator('#model-input').setInputFiles(folder);
    await messageWith(page, /incomplete cannot be used: .*tokenizer\.json/).waitFor();
    await stillWorks(page);
  });
});

test('adapters without their base model', async () => {
  const fixture = new URL('../../tests/fixtures/adapters/lora-head/', import.meta.url);
  const files = Object.fromEntries(fs.readdirSync(fixture).map((name) => [name, fs.readFileSync(new URL(name, fixture))]));
  await withPage(browser, site.url, async (page) => {
    await page.locator('#model-input').setInputFiles(folderOf(files, 'adapters'));
    await messageWith(page, /adapters cannot be used: adapter_config\.json: these are adapters without their base model; `isogloss merge`/).waitFor();
    await stillWorks(page);
  });
});

test('a file that is not what its name says', async () => {
  await withPage(browser, site.url, async (page) => {
    await page.locator('#data-input').setInputFiles({ name: 'wrong.jsonl', mimeType: 'text/plain', buffer: Buffer.from('this is no JSON\n') });
    await page.getByRole('button', { name: 'Evaluate now' }).click();
    await messageWith(page, /wrong\.jsonl:1/).waitFor();
    await page.locator('#evaluate-run:enabled').waitFor();
    await stillWorks(page);
  });
});

test('a file of no known kind', async () => {
  await withPage(browser, site.url, async (page) => {
    await page.locator('#data-input').setInputFiles({ name: 'photo.png', mimeType: 'image/png', buffer: Buffer.from([137, 80, 78, 71]) });
    await messageWith(page, /photo\.png: neither a model folder/).waitFor();
    await stillWorks(page);
  });
});

test('a labelled file dropped on the page is scored', async () => {
  await withPage(browser, site.url, async (page) => {
    await page.evaluate(() => {
      const transfer = new DataTransfer();
      transfer.items.add(new File(['{"text": "turn on the light", "label": "HassTurnOn"}\n'], 'mine.jsonl'));
      for (const type of ['dragenter', 'dragover', 'drop']) document.body.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
    });
    await page.getByRole('button', { name: 'Evaluate now' }).click();
    await page.locator('tr[data-set="file mine.jsonl"] [data-score]').first().waitFor();
    await page.locator('#evaluate-run:enabled').waitFor();
  });
});

test('a cancelled run keeps what was scored, and the next one starts', async () => {
  await withPage(browser, site.url, async (page) => {
    await page.locator('#evaluate-run').click();
    await page.locator('#scores [data-score]').first().waitFor();
    await page.locator('#evaluate-cancel').click();
    await messageWith(page, /Cancelled after [\d,]+ of [\d,]+ sentences/).waitFor();
    assert.ok((await page.locator('#scores tr.reached').count()) < 16);
    await stillWorks(page);
    await page.locator('#sets-none').click();
    await page.locator('#evaluate-sets').getByText('Greek').click();
    await page.locator('#evaluate-run').click();
    await page.locator('#evaluate-run:enabled').waitFor();
    assert.equal(await page.locator('#scores [data-score]').count(), 2);
  });
});

test('an engine that cannot be fetched', async () => {
  const broken = await serve({ replace: { 'pkg/cpu/isogloss_bg.wasm': Buffer.from('not wasm') } });
  try {
    await withPage(browser, broken.url, async (page) => {
      await page.goto(broken.url);
      await page.locator('#status[data-state=failed]').waitFor();
      await page.getByRole('button', { name: 'Try again' }).waitFor();
    }, { open: false, expected: [/WebAssembly/i] });
  } finally {
    await broken.close();
  }
});

test('a lost graphics device', { skip: NO_WEBGPU ? 'ISOGLOSS_NO_WEBGPU is set' : false }, async () => {
  await withPage(browser, site.url, async (page) => {
    await page.locator('#model-input').setInputFiles(smallModel());
    await messageWith(page, 'is loaded and in use').waitFor();
    await page.locator('#device').getByText('WebGPU').click();
    await eventually(async () => assert.match(await page.locator('#status-text').textContent(), /on WebGPU/));
    const workers = await Promise.all(page.workers().map(async (worker) => [worker, await worker.evaluate(() => 'gpuDevice' in globalThis).catch(() => false)]));
    const [worker] = workers.find(([, hasDevice]) => hasDevice);
    await worker.evaluate(() => globalThis.gpuDevice.destroy());
    await messageWith(page, /graphics device was lost.*The CPU takes over/).waitFor();
    await eventually(async () => assert.match(await page.locator('#status-text').textContent(), /on the CPU/));
    assert.equal(await page.locator('#device [value=cpu]').isChecked(), true);
    await stillWorks(page);
  });
});
