// Tiny models of the tests: those of the repository's fixtures, and a tagger that is right by construction.
import fs from 'node:fs';
import { folderOf } from './site.mjs';

const fixture = (file) => fs.readFileSync(new URL(`../../tests/fixtures/${file}`, import.meta.url));

/** A classifier of two layers of 32, for WebGPU in software: given, or made of the fixtures of the repository. */
export function smallModel() {
  if (process.env.ISOGLOSS_SMALL_MODEL) return process.env.ISOGLOSS_SMALL_MODEL;
  return folderOf({
    'config.json': fixture('xlm-roberta/config.json'), 'model.safetensors': fixture('xlm-roberta/model.safetensors'), 'tokenizer.json': fixture('tokenizer.json'),
  }, 'small');
}

/** The small model with other entries in its config.json, and more files. */
export function variantOf(entries, more = {}) {
  const folder = smallModel();
  const read = (name) => fs.readFileSync(`${folder}/${name}`);
  const config = { ...JSON.parse(read('config.json')), ...entries };
  return folderOf({
    'config.json': JSON.stringify(config), 'model.safetensors': read('model.safetensors'), 'tokenizer.json': read('tokenizer.json'), ...more,
  });
}

/** The vocabulary of the tagger; a soft hyphen and a zero-width space are dropped by its tokenizer. */
const PIECES = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'bonn', 'lud', '##wigs', '##burg', 'in', 'und', 'an'];

/** The WordPiece tokenizer of these pieces. */
function tokenizer() {
  const special = (content, id) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true });
  const token = (id) => ({ SpecialToken: { id, type_id: 0 } });
  const ids = (id) => ({ id, ids: [PIECES.indexOf(id)], tokens: [id] });
  return {
    version: '1.0', truncation: null, padding: null, added_tokens: PIECES.slice(0, 5).map(special),
    normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: false },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing', single: [token('[CLS]'), { Sequence: { id: 'A', type_id: 0 } }, token('[SEP]')],
      pair: [token('[CLS]'), { Sequence: { id: 'A', type_id: 0 } }, token('[SEP]'), { Sequence: { id: 'B', type_id: 1 } }, token('[SEP]')],
      special_tokens: { '[CLS]': ids('[CLS]'), '[SEP]': ids('[SEP]') },
    },
    decoder: null,
    model: {
      type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', max_input_chars_per_word: 100,
      vocab: Object.fromEntries(PIECES.map((piece, id) => [piece, id])),
    },
  };
}

/** Values of f32 in the bytes of safetensors, with others for each tensor. @param {Buffer} bytes @param {(name: string, shape: number[]) => Float32Array} values */
function withTensors(bytes, values) {
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, start).toString());
  const changed = Buffer.from(bytes);
  for (const [name, { shape, data_offsets: range }] of Object.entries(header)) {
    if (range) Buffer.from(values(name, shape).buffer).copy(changed, start + range[0]);
  }
  return changed;
}

/**
 * A token classifier that gives each piece of its vocabulary the tag that is named, and all others O, whatever stands around it:
 * attention and feed-forward blocks add nothing, the embedding of a piece is the direction of its tag, and the classifier reads that.
 * @param {Record<string, string>} tags @param {object} [entries] other entries of config.json
 */
export function exactTagger(tags, entries = {}) {
  const config = { ...JSON.parse(fixture('bert-tokens/config.json')), ...entries };
  const names = Object.values(config.id2label);
  const weights = withTensors(fixture('bert-tokens/model.safetensors'), (name, shape) => {
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(name.endsWith('LayerNorm.weight') ? 1 : 0);
    const width = shape.at(-1);
    if (name === 'classifier.weight') names.forEach((_, label) => { values[label * width + label] = 1; });
    if (name === 'bert.embeddings.word_embeddings.weight') {
      for (let id = 0; id < shape[0]; id++) values[id * width + names.indexOf(tags[PIECES[id]] ?? 'O')] = 1;
    }
    return values;
  });
  return folderOf({ 'config.json': JSON.stringify(config), 'model.safetensors': weights, 'tokenizer.json': JSON.stringify(tokenizer()) }, 'tagger');
}
