// @ts-check
/** The few formulas of the page. */

/**
 * Standard error of a share: `sqrt(p (1 - p) / n)`.
 * @param {number} share @param {number} n
 */
export function standardError(share, n) {
  return n > 0 ? Math.sqrt((share * (1 - share)) / n) : Number.NaN;
}

/** @param {number[]} values @returns {number} NaN of nothing */
export function mean(values) {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

/** The error of a sum of independent numbers. @param {number[]} errors */
export function rootOfSquares(errors) {
  return Math.hypot(...errors);
}

/**
 * The score that an evaluation is about: accuracy of a classifier, span F1 of a tagger.
 * @param {import('./types.js').Scores} score
 */
export function mainScore(score) {
  return score.accuracy ?? score.span_f1 ?? Number.NaN;
}

/**
 * The most frequent errors of a confusion matrix.
 * @param {string[]} labels @param {ArrayLike<number>} confusion gold-major @param {number} most
 * @returns {{gold: string, predicted: string, n: number, of: number}[]}
 */
export function confusions(labels, confusion, most) {
  const k = labels.length;
  const pairs = [];
  for (let gold = 0; gold < k; gold++) {
    let of = 0;
    for (let p = 0; p < k; p++) of += confusion[gold * k + p];
    for (let p = 0; p < k; p++) {
      const n = confusion[gold * k + p];
      if (p !== gold && n > 0) pairs.push({ gold: labels[gold], predicted: labels[p], n, of });
    }
  }
  return pairs.sort((a, b) => b.n - a.n).slice(0, most);
}

/** @param {(Uint32Array | undefined)[]} matrices of one size @returns {Uint32Array | undefined} */
export function sumMatrices(matrices) {
  const present = matrices.filter((m) => m !== undefined);
  if (present.length === 0) return undefined;
  const sum = new Uint32Array(present[0].length);
  for (const matrix of present) matrix.forEach((n, i) => { sum[i] += n; });
  return sum;
}

/**
 * A table as CSV (RFC 4180), with a byte order mark so that spreadsheets read it as UTF-8.
 * @param {(string | number)[][]} rows
 */
export function csv(rows) {
  const cell = (/** @type {string | number} */ value) => {
    const text = String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return `\uFEFF${rows.map((row) => row.map(cell).join(',')).join('\r\n')}\r\n`;
}

const percentFormat = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 });
/** @param {number} share @returns {string} as in "41.9" */
export function percent(share) {
  return Number.isFinite(share) ? percentFormat.format(100 * share) : '–';
}

const wholeFormat = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
/** @param {number} n @returns {string} as in "5,120" */
export function whole(n) { return wholeFormat.format(n); }

/** @param {number} bytes @returns {string} as in "2.3 MB" */
export function megabytes(bytes) { return `${percentFormat.format(bytes / 1e6)} MB`; }
