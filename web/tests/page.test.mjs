// The page itself: accessibility, offline use, progress on a slow connection, smoothness at work, statistics.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { confusions, csv, standardError } from '../src/statistics.js';
import { readable } from '../src/languages.js';
import { eventually, launch, messageWith, predict, ready, serve, withPage } from './site.mjs';

const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const shots = process.env.ISOGLOSS_SCREENSHOTS;
/** How much longer than at rest a frame may take while the model works in its worker. */
const LONGER_FRAME_MS = 500;
/** So many frames show how smooth the machine itself is at the moment. */
const FRAMES_AT_REST = 60;

let site, browser;
before(async () => { [site, browser] = [await serve(), await launch()]; });
after(async () => { await browser.close(); await site.close(); });

for (const colorScheme of ['light', 'dark']) {
  for (const width of [1280, 390]) {
    test(`accessible, ${colorScheme}, ${width} wide`, async () => {
      const context = { colorScheme, viewport: { width, height: 900 }, reducedMotion: 'reduce', bypassCSP: true };
      await withPage(browser, site.url, async (page) => {
        await page.locator('#crossing:not([aria-busy]) li').first().waitFor();
        await page.locator('#heat').scrollIntoViewIfNeeded();
        await page.locator('#heat .cells').waitFor();
        await page.locator('#alignment').scrollIntoViewIfNeeded();
        await page.locator('#alignment .aligned').waitFor();
        for (const summary of await page.locator('summary').all()) await summary.click();
        await page.locator('#sets-none').click();
        for (const language of ['English', 'Arabic', 'Korean']) await page.locator('#evaluate-sets').getByText(language).click();
        await page.locator('#evaluate-run').click();
        await page.locator('#scores .summary tr').first().waitFor();
        await page.locator('#confusion .cells').waitFor();
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, 'the page is no wider than the screen');
        // Messages of both kinds are looked at too.
        await page.locator('#data-input').setInputFiles({ name: 'photo.png', mimeType: 'image/png', buffer: Buffer.from([137]) });
        await page.locator('#data-input').setInputFiles({ name: 'mine.jsonl', mimeType: 'text/plain', buffer: Buffer.from('{}') });
        await messageWith(page, 'mine.jsonl: chosen').waitFor();
        await page.evaluate(() => scrollTo(0, 0));
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
        assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.html.slice(0, 120)} ${node.any[0]?.message ?? ''}`).join(' | ')}`), []);
        if (shots) {
          fs.mkdirSync(shots, { recursive: true });
          await page.screenshot({ path: path.join(shots, `${colorScheme}-${width}.png`) });
          await page.addStyleTag({ content: '.toolbar, .margin, .messages { position: static !important }' });
          await page.screenshot({ path: path.join(shots, `${colorScheme}-${width}-whole.png`), fullPage: true });
        }
      }, { context });
    });
  }
}

test('all can be reached and worked with the keyboard', async () => {
  await withPage(browser, site.url, async (page) => {
    await page.locator('#crossing:not([aria-busy]) li').first().waitFor();
    await page.locator('.skip').focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'sentence');
    await page.keyboard.press('Control+A');
    await page.keyboard.type('pause the timer');
    await page.keyboard.press('Enter');
    await page.locator('#prediction .answer').waitFor();
    await page.locator('#device [value=cpu]').focus();
    assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement.nextElementSibling).outlineStyle), 'none');
    await page.locator('#theme').focus();
    await page.keyboard.press('Space');
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
    await page.reload();
    assert.equal(await page.locator('#theme').getAttribute('aria-checked'), 'true', 'the theme is kept');
  });
});

test('no request leaves for another host', async () => {
  await withPage(browser, site.url, async (page, context) => {
    const hosts = new Set();
    context.on('request', (request) => { if (/^https?:/.test(request.url())) hosts.add(new URL(request.url()).origin); });
    await page.goto(site.url);
    await ready(page);
    await predict(page, 'turn on the light');
    assert.deepEqual([...hosts], [new URL(site.url).origin]);
  }, { open: false });
});

test('works offline after the first load', async () => {
  const own = await serve();
  await withPage(browser, own.url, async (page, context) => {
    await eventually(async () => assert.equal(await page.evaluate(() => document.documentElement.dataset.offline), 'ready'));
    await own.close();
    await context.setOffline(true);
    await page.reload();
    await ready(page);
    assert.ok((await predict(page, 'turn on the light in the kitchen')).label);
    await page.locator('#model').selectOption({ index: 1 });
    await ready(page);
  });
});

test('a new version is offered, and taken when it is asked for', async () => {
  const replace = {};
  const own = await serve({ replace });
  try {
    await withPage(browser, own.url, async (page) => {
      await eventually(async () => assert.equal(await page.evaluate(() => document.documentElement.dataset.offline), 'ready'));
      const manifest = await (await fetch(`${own.url}manifest.json`)).json();
      await page.reload();
      await ready(page);
      replace['manifest.json'] = Buffer.from(JSON.stringify({ ...manifest, version: '999.0.0' }));
      await page.reload();
      await messageWith(page, 'There is a new version').getByRole('button', { name: 'Reload' }).click();
      await eventually(async () => assert.equal(await page.locator('#version').textContent(), '999.0.0'));
      await ready(page);
    });
  } finally {
    await own.close();
  }
});

test('progress is seen all along on a slow connection', async () => {
  const slow = await serve({ bytesPerSecond: 1.5e6 });
  try {
    await withPage(browser, slow.url, async (page, context) => {
      const devtools = await context.newCDPSession(page);
      await devtools.send('Emulation.setCPUThrottlingRate', { rate: 3 });
      await page.addInitScript(() => {
        globalThis.seen = [];
        const look = () => {
          const bar = document.getElementById('loading-bar');
          if (bar && !bar.hidden) globalThis.seen.push({ at: performance.now(), share: bar.value / bar.max, text: document.getElementById('status-text').textContent });
          if (document.getElementById('status')?.dataset.state !== 'ready') requestAnimationFrame(look);
        };
        requestAnimationFrame(look);
      });
      await page.goto(slow.url);
      await ready(page);
      const seen = await page.evaluate(() => globalThis.seen);
      const moves = seen.filter(({ share }, i) => i === 0 || share !== seen[i - 1].share);
      assert.ok(moves.length >= 20, `the bar moved ${moves.length} times`);
      assert.ok(seen.some(({ text }) => /^Loading .*: [\d.]+ MB of [\d.]+ MB$/.test(text)), 'bytes are named');
      for (const [i, { share }] of seen.entries()) {
        if (i > 0) assert.ok(share >= seen[i - 1].share - 0.02, `the bar went back from ${seen[i - 1].share} to ${share}`);
      }
    }, { open: false });
  } finally {
    await slow.close();
  }
});

test('the page keeps its frames while the model works', async () => {
  await withPage(browser, site.url, async (page) => {
    await page.evaluate(() => {
      globalThis.longest = 0;
      let last = performance.now();
      globalThis.frames = 0;
      const frame = (now) => { globalThis.longest = Math.max(globalThis.longest, now - last); last = now; globalThis.frames++; requestAnimationFrame(frame); };
      requestAnimationFrame(frame);
    });
    await page.waitForFunction((n) => globalThis.frames >= n, FRAMES_AT_REST);
    const atRest = await page.evaluate(() => { const { longest } = globalThis; globalThis.longest = 0; return longest; });
    await page.locator('#evaluate-run').click();
    await page.locator('#scores tr.reached').nth(2).waitFor();
    // A question in between is answered before the run ends.
    assert.ok((await predict(page, 'pause the timer')).label);
    assert.equal(await page.locator('#evaluate-run').isDisabled(), true);
    await page.locator('#evaluate-cancel').click();
    await page.locator('#evaluate-run:enabled').waitFor();
    const longest = await page.evaluate(() => globalThis.longest);
    assert.ok(longest < atRest + LONGER_FRAME_MS, `the longest frame took ${longest.toFixed(0)} ms, at rest ${atRest.toFixed(0)} ms`);
  });
});

test('statistics', () => {
  assert.ok(Math.abs(standardError(0.4, 160) - 0.0387) < 1e-4);
  assert.deepEqual(confusions(['a', 'b'], [3, 2, 0, 5], 8), [{ gold: 'a', predicted: 'b', n: 2, of: 5 }]);
  assert.equal(csv([['a,b', 1], ['"', '']]), '\uFEFF"a,b",1\r\n"""",\r\n');
  assert.equal(readable('HassTurnOn', ['HassTurnOn', 'HassBroadcast']), 'turn on');
  assert.equal(readable('positive', ['positive', 'negative']), 'positive');
});
