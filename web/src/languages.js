// @ts-check
/** Names and writing directions of languages, from what the browser knows. */

const RIGHT_TO_LEFT = new Set(['ar', 'fa', 'he', 'ur', 'ps', 'sd', 'ug', 'yi', 'dv', 'ckb']);
const english = new Intl.DisplayNames(['en'], { type: 'language', languageDisplay: 'standard' });

/** @param {string} language a BCP-47 tag @returns {'rtl' | 'ltr'} */
export function directionOf(language) {
  return RIGHT_TO_LEFT.has(language.split('-')[0]) ? 'rtl' : 'ltr';
}

/** @param {string} language @returns {string} as in "German"; Chinese is named without its region */
export function nameOf(language) {
  try {
    return english.of(language === 'zh-CN' ? 'zh' : language) ?? language;
  } catch {
    return language;
  }
}

/** Names that browsers without the language leave in English. */
const NATIVE = /** @type {Record<string, string>} */ ({ eu: 'euskara' });

/** @param {string} language @returns {string} as in "Deutsch" */
export function nativeNameOf(language) {
  if (NATIVE[language]) return NATIVE[language];
  const tag = language === 'zh-CN' ? 'zh' : language;
  try {
    return new Intl.DisplayNames([tag], { type: 'language' }).of(tag) ?? language;
  } catch {
    return language;
  }
}

/**
 * What an element needs to show a text of a language rightly.
 * @param {string | undefined} language
 * @returns {Record<string, string>}
 */
export function textAttributes(language) {
  return language ? { lang: language, dir: directionOf(language) } : { dir: 'auto' };
}

/**
 * A label as words: `HassTurnOn` is "turn on" where all labels of the model begin with "Hass".
 * @param {string} label @param {string[]} labels
 */
export function readable(label, labels) {
  const prefix = labels.length > 1 ? commonPrefix(labels) : '';
  const rest = label.startsWith(prefix) ? label.slice(prefix.length) : label;
  return rest.replace(/([a-z\d])([A-Z])/g, '$1 $2').replaceAll('_', ' ').toLowerCase() || label;
}

/** @param {string[]} labels the longest beginning that all share and after which each has a capital letter */
function commonPrefix(labels) {
  let prefix = labels[0] ?? '';
  for (const label of labels) while (!label.startsWith(prefix)) prefix = prefix.slice(0, -1);
  return labels.every((label) => /^[A-Z]/.test(label.slice(prefix.length))) ? prefix : '';
}
