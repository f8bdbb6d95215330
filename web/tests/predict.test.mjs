// What the page predicts and scores is what the native program does.
// ISOGLOSS_NATIVE names a JSON file: {"model", "predictions": {language: [{text, label, probability}]}, "accuracy": {language: share}},
// and optionally "small": [{text, label, probability}] of the small model, for the test on WebGPU.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { smallModel, variantOf } from './models.mjs';
import { eventually, launch, messageWith, NO_WEBGPU, predict, ready, serve, withPage } from './site.mjs';

const native = process.env.ISOGLOSS_NATIVE ? JSON.parse(fs.readFileSync(process.env.ISOGLOSS_NATIVE, 'utf8')) : undefined;
/** Sums in another order, and storage of f32. */
const PROBABILITY_TOLERANCE = 1e-4;
/** Sentences that go through the page itself; the others go through its worker at once. */
const TYPED = 3;

let site, browser;
before(async () => { [site, browser] = [await serve(), await launch({ webgpu: !NO_WEBGPU })]; });
after(async () => { await browser.close(); await site.close(); });

function assertSame(found, expected) {
  assert.equal(found.label, expected.label, expected.text);
  assert.ok(Math.abs(found.probability - expected.probability) <= PROBABILITY_TOLERANCE,
    `"${expected.text}": probability ${found.probability}, natively ${expected.probability}`);
}

test('predictions equal the native ones, on the CPU', { skip: native ? false : 'ISOGLOSS_NATIVE is not set' }, async () => {
  await withPage(browser, site.url, async (page) => {
    await page.locator('#model').selectOption(native.model);
    await ready(page);
    for (const expected of Object.values(native.predictions)) {
      for (const one of expected.slice(0, TYPED)) assertSame(await predict(page, one.text), one);
      const found = await page.evaluate(async (texts) => {
        const { Engine } = await import('./src/engine.js');
        const manifest = await (await fetch('manifest.json')).json();
        globalThis.engineOfTest ??= new Engine(manifest.modules, () => {});
        await globalThis.engineOfTest.use('cpu');
        const { name, title, files } = manifest.models.find((model) => model.name === texts.model);
        return globalThis.engineOfTest.predict({ id: name, title, base: `models/${name}/`, sizes: files }, texts.texts);
      }, { model: native.model, texts: expected.map((one) => one.text) });
      expected.forEach((one, i) => assertSame(found[i], one));
    }
  });
});

test('the embedded set is scored as natively', { skip: native ? false : 'ISOGLOSS_NATIVE is not set' }, async () => {
  await withPage(browser, site.url, async (page) => {
    await page.locator('#evaluate-a').selectOption(native.model);
    await page.locator('#evaluate-b').selectOption({ label: 'none' });
    await page.locator('#evaluate-run').click();
    await page.locator('#scores .summary tr').first().waitFor();
    const scores = await page.locator('#scores tr[data-set]').evaluateAll((rows) =>
      Object.fromEntries(rows.map((row) => [row.dataset.set, Number(row.querySelector('[data-score]').dataset.score)])));
    assert.deepEqual(Object.keys(scores).sort(), Object.keys(native.accuracy).sort());
    for (const [language, accuracy] of Object.entries(native.accuracy)) {
      assert.ok(Math.abs(scores[language] - accuracy) < 1e-6, `${language}: ${scores[language]}, natively ${accuracy}`);
    }
    const saved = page.waitForEvent('download');
    await page.locator('#csv').click();
    const table = fs.readFileSync(await (await saved).path(), 'utf8').trim().split('\r\n');
    assert.equal(table.length, 1 + Object.keys(native.accuracy).length);
  });
});

test('WebGPU gives the labels and probabilities of the CPU', {
  skip: NO_WEBGPU ? 'ISOGLOSS_NO_WEBGPU is set' : false,
}, async () => {
  await withPage(browser, site.url, async (page) => {
    await page.locator('#model-input').setInputFiles(smallModel());
    await messageWith(page, 'is loaded and in use').waitFor();
    await ready(page);
    const texts = ['turn off the lamp in the kitchen', 'mach das Licht aus', '打开卧室的灯'];
    const onCpu = [];
    for (const text of texts) onCpu.push({ text, ...(await predict(page, text)) });
    for (const one of native?.small ?? []) assertSame(await predict(page, one.text), one);
    await page.locator('#device').getByText('WebGPU').click();
    await eventually(async () => assert.match(await page.locator('#status-text').textContent(), /on WebGPU/));
    for (const one of onCpu) assertSame(await predict(page, one.text), one);
    await eventually(async () => assert.match(await page.locator('#speed').textContent(), /sentences\/s/));
    assert.equal(await page.locator('#messages .error').count(), 0);
  });
});

test('models of several labels and of scores answer as such', async () => {
  await withPage(browser, site.url, async (page) => {
    const text = 'mach das Licht aus';
    const use = async (problem) => {
      await page.locator('#model-input').setInputFiles(variantOf({ problem_type: problem }));
      await eventually(async () => assert.ok((await messageWith(page, 'is loaded and in use').count()) > 0));
      await page.locator('#sentence').fill(text);
      await page.locator('#predict-form button[type=submit]').click();
    };
    const config = JSON.parse(fs.readFileSync(`${smallModel()}/config.json`, 'utf8'));
    const labels = Object.values(config.id2label ?? {});
    await use('regression');
    const table = page.locator(`#prediction table[data-text=${JSON.stringify(text)}]`);
    await table.waitFor();
    const scores = await table.locator('td').allTextContents();
    assert.equal(scores.length, labels.length);
    // It is not scored, which the page says before a file is given.
    assert.equal(await page.locator('#evaluate-run').isDisabled(), true);
    assert.match(await page.locator('#evaluate-progress').textContent(), /is not scored here: config\.json/);
    await use('multi_label_classification');
    const answer = page.locator(`#prediction .answer[data-text=${JSON.stringify(text)}][data-labels]`);
    await answer.waitFor();
    const found = (await answer.getAttribute('data-labels')).split(' ').filter((label) => label !== '');
    // A sigmoid is one half or more where its logit, which regression shows, is not negative.
    assert.deepEqual(found.length, scores.filter((score) => !score.startsWith('-')).length);
  });
});

test('a sentence-transformers folder is read with the folders in it', async () => {
  const module = (idx, name, path, type) => ({ idx, name, path, type: `sentence_transformers.models.${type}` });
  const modules = JSON.stringify([module(0, '0', '', 'Transformer'), module(1, '1', '1_Pooling', 'Pooling')]);
  const pooling = JSON.stringify({ word_embedding_dimension: 32, pooling_mode_cls_token: true, pooling_mode_mean_tokens: false });
  const whole = variantOf({}, { 'modules.json': modules, '1_Pooling/config.json': pooling });
  await withPage(browser, site.url, async (page) => {
    await page.locator('#model-input').setInputFiles(whole);
    await messageWith(page, 'is loaded and in use').waitFor();
    await page.locator('#compare').scrollIntoViewIfNeeded();
    await page.locator('#heat .cells').waitFor();
    assert.equal(await page.locator('#messages .error').count(), 0);
  });
});

test('without WebGPU the CPU stays in use, and the page says why', async () => {
  const plain = await launch();
  try {
    await withPage(plain, site.url, async (page) => {
      await page.evaluate(() => Object.defineProperty(Navigator.prototype, 'gpu', { get: () => undefined }));
      await page.locator('#device').getByText('WebGPU').click();
      await messageWith(page, 'WebGPU cannot be used').waitFor();
      assert.equal(await page.locator('#device [value=cpu]').isChecked(), true);
      assert.ok((await predict(page, 'pause the timer')).label);
    });
  } finally {
    await plain.close();
  }
});

test('a request stands in all languages, each in its own direction', async () => {
  await withPage(browser, site.url, async (page) => {
    await page.locator('#request').selectOption({ value: 'HassTurnOn' });
    await page.locator('#crossing:not([aria-busy]) li[data-language=ar]').waitFor();
    const rows = await page.locator('#crossing li').evaluateAll((items) => items.map((item) => {
      const sentence = item.querySelector('.sentence');
      return { language: item.dataset.language, lang: sentence.lang, direction: getComputedStyle(sentence).direction };
    }));
    assert.equal(rows.length, 16);
    for (const row of rows) {
      assert.equal(row.lang, row.language);
      assert.equal(row.direction, row.language === 'ar' ? 'rtl' : 'ltr');
    }
  });
});

test('sentences and words are compared', async () => {
  await withPage(browser, site.url, async (page) => {
    await page.locator('#compare').scrollIntoViewIfNeeded();
    await page.locator('#heat .cells').waitFor();
    await page.locator('#heat .cells').focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowDown');
    const [row, column] = (await page.locator('#heat .cells').getAttribute('data-at')).split(',');
    assert.ok(row === column && row !== '0', `at ${row}, ${column}`);
    assert.match(await page.locator('#heat .readout').textContent(), /^1\.000/);
    await page.locator('#align-example').selectOption({ label: 'English and Chinese' });
    await page.locator('#alignment:not([aria-busy]) .words[lang="zh-CN"]').waitFor();
    await eventually(async () => assert.ok((await page.locator('#alignment path[d]').count()) > 0));
  });
});
