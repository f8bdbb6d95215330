// Inputs of people's own that went wrong elsewhere are read and scored on the page as they should be, and as by the command line;
// what was cut, lost or left out is told. Comparisons with the command line need ISOGLOSS_COMMAND, its program.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { exactTagger, smallModel, variantOf } from './models.mjs';
import { eventually, folderOf, launch, messageWith, serve, withPage } from './site.mjs';

const COMMAND = process.env.ISOGLOSS_COMMAND;
const needsCommand = { skip: COMMAND ? false : 'ISOGLOSS_COMMAND is not set' };

let site, browser;
before(async () => { [site, browser] = [await serve(), await launch()]; });
after(async () => { await browser.close(); await site.close(); });

/** What the command line writes to its standard output. */
const isogloss = (cwd, ...args) => execFileSync(COMMAND, [...args, '--device', 'flex'], { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** `isogloss evaluate --json` of a model on one file. */
function evaluated(model, file, ...options) {
  const { languages, data } = JSON.parse(isogloss(undefined, 'evaluate', model, file, '--json', ...options));
  return { ...Object.values(languages)[0], data };
}

/** Gives the page a model, and waits until it is in use; what the page says of it. */
async function use(page, model) {
  await page.locator('#model-input').setInputFiles(model);
  const message = messageWith(page, 'is loaded and in use');
  const text = await message.textContent();
  await message.locator('.dismiss').click();
  await page.locator('#evaluate-b').selectOption({ label: 'none' });
  return text;
}

/** Starts the evaluation of the model in use on a file. */
async function start(page, file) {
  await page.locator('#data-input').setInputFiles(file);
  await messageWith(page, `${path.basename(file)}: chosen`).getByRole('button', { name: 'Evaluate now' }).click();
  await page.locator('#evaluate-run:enabled').waitFor();
}

/** Evaluates the model in use on a file: the results that can be downloaded. */
async function evaluate(page, file) {
  await start(page, file);
  assert.deepEqual(await page.locator('#messages .error').allTextContents(), []);
  const saved = page.waitForEvent('download');
  await page.locator('#json').click();
  const [result, ...others] = JSON.parse(fs.readFileSync(await (await saved).path(), 'utf8'));
  assert.deepEqual(others, [], 'one set, one model');
  assert.equal(result.complete, true);
  return result;
}

/** What the page tells of cut, lost and left-out data. */
const told = (page) => page.locator('#counts dl').evaluateAll((lists) =>
  lists.map((list) => [...list.children].map((child) => child.textContent)));

/** Asserts that scores and counts are those of the command line, digit for digit. */
function assertSame(found, expected) {
  const { n, left_out: leftOut, truncated, data, data_hash: hash, ...scores } = expected;
  assert.match(hash, /^[0-9a-f]{16}$/);
  for (const [name, score] of Object.entries(scores)) assert.equal(found[name], score, name);
  assert.deepEqual(found.data, data);
  assert.deepEqual([found.n, found.data.n_truncated], [n, truncated]);
  assert.equal(Object.values(found.data.left_out).reduce((sum, one) => sum + one, 0), leftOut);
}

const dataFile = (name, text) => path.join(folderOf({ [name]: text }, 'data'), name);

// camel_tools#105, flair#1860.
test('words without a token count as wrong, and are told', async () => {
  const file = dataFile('de.conll', 'in O\nbonn B-x\n\u00AD B-y\nund O\n\nan O\n\u200B B-y\n\n');
  await withPage(browser, site.url, async (page) => {
    const model = exactTagger({ bonn: 'B-x' });
    await use(page, model);
    const found = await evaluate(page, file);
    assert.deepEqual([found.precision, found.recall], [1, 1 / 3]);
    assert.deepEqual([found.data.n_words_lost, found.data.n_words_cut], [2, 0]);
    const text = '2 words have no token, 0 cut off and 2 unknown to the tokenizer; in scores they count as wrong';
    await eventually(async () => assert.deepEqual(await told(page), [['lost', text]]));
    if (COMMAND) assertSame(found, evaluated(model, file));
    // Nothing to tell.
    await evaluate(page, dataFile('de.conll', 'in O\nbonn B-x\n\n'));
    await eventually(async () => assert.deepEqual(await told(page), []));
  });
});

// transformers#14043, #17139, delft#242.
test('a published token classifier is scored by words, another by the units that it saved', async () => {
  const file = dataFile('de.conll', 'in O\nbonn B-x\nund O\nludwigsburg B-x\n\nin O\nludwigsburg B-x\n\n');
  const scoring = (units) => ({ isogloss: { scoring: { task: { tagging: { units } }, max_length: 32, unseen_labels: 'error' } } });
  const first = { bonn: 'B-x', lud: 'B-x' };
  const all = { ...first, '##wigs': 'B-x', '##burg': 'B-x' };
  await withPage(browser, site.url, async (page) => {
    // By subwords, one of three spans is right of three, and of seven.
    for (const [tags, entries, f1] of [[first, {}, 1], [all, {}, 1], [first, scoring('word'), 1], [first, scoring('subword'), 1 / 3], [all, scoring('subword'), 1 / 5]]) {
      const model = exactTagger(tags, entries);
      await use(page, model);
      const found = await evaluate(page, file);
      assert.ok(Math.abs(found.span_f1 - f1) < 1e-12, `${JSON.stringify(entries)}: ${found.span_f1}`);
      if (COMMAND) assertSame(found, evaluated(model, file));
    }
  });
});

test('a run scores as the page scores its best model', needsCommand, async () => {
  const tagged = 'in O\nbonn B-x\nund O\nludwigsburg B-x\n\nin O\nludwigsburg B-x\nbonn B-x\n\nbonn B-x\nan O\n\n'.repeat(4);
  const recipe = 'seed = 1\n[model]\nsource = "model"\nmax_length = 32\n[task.tagging]\nunits = "word"\n[data]\npath = "{language}.{split}.conll"\n'
    + 'sources = ["en"]\nlanguages = ["de"]\n[optimizer]\nlearning_rate = 1e-2\n[training]\nepochs = 3\nbatch_size = 2\n';
  const folder = folderOf({ 'recipe.toml': recipe, ...Object.fromEntries(['en.train', 'en.dev', 'en.test', 'de.test'].map((name) => [`${name}.conll`, tagged])) }, 'run');
  fs.renameSync(exactTagger({ bonn: 'B-x', lud: 'B-y' }), path.join(folder, 'model'));
  isogloss(folder, 'finetune', 'recipe.toml', '--out', 'out');
  const seed = fs.existsSync(path.join(folder, 'out/seed-1')) ? 'out/seed-1' : 'out/recipe/seed-1';
  const { de } = JSON.parse(fs.readFileSync(path.join(folder, seed, 'results.json'), 'utf8')).languages;
  await withPage(browser, site.url, async (page) => {
    await use(page, path.join(folder, seed, 'best'));
    const file = dataFile('de.conll', tagged);
    const found = await evaluate(page, file);
    assert.deepEqual([found.span_f1, found.precision, found.recall, found.n], [de.span_f1, de.precision, de.recall, de.n]);
    assertSame(found, evaluated(path.join(folder, seed, 'best'), file));
  });
});

// flair PR #3020.
test('comments and word numbers of UNER files are no words', async () => {
  const text = '# sent_id = a-1\n# text = in bonn\n1\tin\tO\t-\t-\n2\tbonn\tB-x\t-\t-\n\n# sent_id = a-2\n# text = an = bonn\n1\tan\tO\t-\t-\n2\tbonn\tB-x\t-\t-\n\n';
  const reading = { columns: { word: 1, tag: '2' } };
  const model = exactTagger({ bonn: 'B-x' }, { isogloss: { scoring: { task: { tagging: { units: 'word' } }, max_length: 32, unseen_labels: 'error', reading } } });
  await withPage(browser, site.url, async (page) => {
    await use(page, model);
    const file = dataFile('de.iob2', text);
    const found = await evaluate(page, file);
    // Two words and two special tokens in the longest sentence.
    assert.deepEqual([found.n, found.span_f1, found.data.longest], [2, 1, 4]);
    if (COMMAND) assertSame(found, evaluated(model, file));
  });
});

// transformers#8698, datasets PR #850.
test('tokens with numbers of tags have the names of the model', async () => {
  await withPage(browser, site.url, async (page) => {
    await use(page, exactTagger({ bonn: 'B-x', an: 'I-x' }));
    const found = await evaluate(page, dataFile('de.jsonl', '{"tokens": ["in", "bonn", "an"], "ner_tags": [0, 1, 2]}\n'));
    assert.deepEqual([found.n, found.span_f1, found.recall], [1, 1, 1]);
  });
});

// soseki PR #2, readr#844.
test('quoted cells are read without their quotes, over several lines, with lone carriage returns', async () => {
  const examples = [{ text: 'er sagte "licht an"', label: 'ask' }, { text: 'licht aus', label: 'order' }];
  const lines = (list) => list.map((example) => `${JSON.stringify(example)}\n`).join('');
  const cases = [
    ['de.tsv', 'text\tlabel\n"er sagte ""licht an"""\task\nlicht aus\torder\n', examples],
    ['de.csv', 'text,label\r"er sagte ""licht an""",ask\rlicht aus,order\r', examples],
    ['de.tsv', 'text\tlabel\n"licht\nan"\task\nlicht aus\torder\n', [{ text: 'licht\nan', label: 'ask' }, examples[1]]],
  ];
  await withPage(browser, site.url, async (page) => {
    const model = smallModel();
    await use(page, model);
    for (const [name, text, same] of cases) {
      const file = dataFile(name, text);
      const { set, ...found } = await evaluate(page, file);
      const { set: _, ...expected } = await evaluate(page, dataFile('de.jsonl', lines(same)));
      assert.deepEqual(found, expected);
      assert.equal(found.n, 2);
      if (COMMAND) assertSame(found, evaluated(model, file));
    }
    // The quotes that are part of the text make a difference.
    const plain = await evaluate(page, dataFile('de.jsonl', lines(examples)));
    const quoted = await evaluate(page, dataFile('de.jsonl', lines([{ text: '"er sagte ""licht an"""', label: 'ask' }, examples[1]])));
    assert.notEqual(plain.data.longest, quoted.data.longest);
  });
});

// transformers PR #16709, #18052.
test('names of labels are read in all their forms', async () => {
  const numbered = Object.fromEntries([3, 1, 2, 0, 4].map((name, id) => [id, name]));
  const double = { 0: 'a', 1: 'b', 2: 'other', 3: 'other', 4: 'c' };
  const forms = [
    [{ id2label: numbered, label2id: undefined }, ['0', '1', '2', '3', '4']],
    [{ id2label: undefined, label2id: undefined }, [0, 1, 2, 3, 4].map((id) => `LABEL_${id}`)],
    [{ id2label: double, label2id: undefined }, ['a', 'b', 'c', 'other', 'other']],
  ];
  await withPage(browser, site.url, async (page) => {
    for (const [entries, names] of forms) {
      await use(page, variantOf(entries));
      await eventually(async () => assert.deepEqual((await page.locator('#prediction tr[data-label]').evaluateAll((rows) => rows.map((row) => row.dataset.label))).sort(), names));
    }
    // Two labels of one name cannot be told apart by a score.
    const problem = /is not scored here: config\.json: field "id2label": label "other"/;
    await eventually(async () => assert.match(await page.locator('#evaluate-progress').textContent(), problem));
    assert.equal(await page.locator('#evaluate-run').isDisabled(), true);
  });
});

test('labels that the model does not know stop an evaluation, or are left out and told', async () => {
  const file = dataFile('de.jsonl', '{"text": "licht an", "label": "ask"}\n{"text": "licht aus", "label": "zzz"}\n');
  const saved = { task: { classification: {} }, max_length: 3, unseen_labels: 'skip' };
  const leftOut = ['left out', '1 examples with labels that are not learned: zzz (1)'];
  await withPage(browser, site.url, async (page) => {
    const model = smallModel();
    await use(page, model);
    await start(page, file);
    await messageWith(page, /de\.jsonl:2: unknown label "zzz"/).waitFor();
    await page.locator('#messages .error .dismiss').click();
    await page.locator('#evaluate-unseen').selectOption('skip');
    const found = await evaluate(page, file);
    await eventually(async () => assert.deepEqual(await told(page), [leftOut]));
    if (COMMAND) assertSame(found, evaluated(model, file, '--unseen', 'skip'));
    await page.locator('#evaluate-unseen').selectOption('');

    // As it is saved with the model, which also cuts the text.
    const other = variantOf({ isogloss: { scoring: saved } });
    await use(page, other);
    const cut = await evaluate(page, file);
    await eventually(async () => assert.deepEqual(await told(page), [['cut', '1 texts were too long and are cut off', ...leftOut]]));
    if (COMMAND) assertSame(cut, evaluated(other, file));
    await page.locator('#sentence').fill('licht an licht an');
    await page.locator('#prediction .note').getByText('was cut off').waitFor();
    // Of files with splits the test split is scored.
    const split = (name) => `{"text": "an", "label": "ask", "split": "${name}"}\n`;
    await evaluate(page, dataFile('fr.jsonl', split('train').repeat(3) + split('test')));
    const text = '3 examples are of other splits than the test split, and not scored';
    await eventually(async () => assert.deepEqual(await told(page), [['other splits', text]]));
  });
});

test('a language is scored with the subnetwork that it used in the run', needsCommand, async () => {
  const texts = ['licht an', 'licht aus', 'bitte', 'an in der küche', 'mach das licht an', 'aus', 'kücheküche', 'in'];
  const model = variantOf({}, { 'subnetworks/de.toml': 'heads = ["....", "...."]\nfeed_forward = ".."\n' });
  const labels = isogloss(undefined, 'predict', smallModel(), '--json', ...texts).trim().split('\n').map((line) => JSON.parse(line).prediction.label);
  const lines = texts.map((text, i) => `${JSON.stringify({ text, label: labels[i] })}\n`).join('');
  await withPage(browser, site.url, async (page) => {
    assert.match(await use(page, model), /In its run de used parts of it/);
    const [de, fr] = [dataFile('de.jsonl', lines), dataFile('fr.jsonl', lines)];
    const own = await evaluate(page, de);
    assertSame(own, evaluated(model, de));
    const whole = await evaluate(page, fr);
    assert.equal(whole.accuracy, 1, 'other languages use the whole model, whose labels these are');
    assert.ok(own.accuracy < 1, 'the subnetwork makes a difference');
    await start(page, dataFile('mine.jsonl', lines));
    await messageWith(page, /mine\.jsonl: languages used parts of this model in its run; name the file after its language/).waitFor();
  });
});

test('a language is scored and predicted with its centring', needsCommand, async () => {
  const texts = ['licht an', 'licht aus', 'bitte', 'an in der küche', 'mach das licht an', 'aus', 'kücheküche', 'in'];
  const model = variantOf({});
  const [en, de] = [dataFile('en.txt', 'bitte\nin\nan\n'), dataFile('de.txt', `${texts.join('\n')}\n`)];
  isogloss(undefined, 'centring', model, en, de, '--source', 'en', '--by', 'mean-and-deviation');
  const predicted = (/** @type {string[]} */ ...options) =>
    isogloss(undefined, 'predict', model, '--json', ...options, ...texts).trim().split('\n').map((line) => JSON.parse(line).prediction);
  const labels = predicted().map(({ label }) => label);
  const lines = texts.map((text, i) => `${JSON.stringify({ text, label: labels[i] })}\n`).join('');
  await withPage(browser, site.url, async (page) => {
    assert.match(await use(page, model), /It moves the vectors of de onto those of its source languages/);
    const moved = await evaluate(page, dataFile('de.jsonl', lines));
    assertSame(moved, evaluated(model, dataFile('de.jsonl', lines)));
    const asIs = await evaluate(page, dataFile('fr.jsonl', lines));
    assert.equal(asIs.accuracy, 1, 'other languages stay as they are');
    const probability = async () => Number(await page.locator('#prediction .answer').getAttribute('data-probability'));
    const near = (/** @type {number} */ a, /** @type {number} */ b) => Math.abs(a - b) < 1e-4;
    await page.locator('#sentence').fill(texts[0]);
    await eventually(async () => assert.ok(near(await probability(), predicted()[0].probability)));
    await page.locator('#sentence-language').selectOption('de');
    await eventually(async () => assert.ok(near(await probability(), predicted('--language', 'de')[0].probability)));
  });
});
