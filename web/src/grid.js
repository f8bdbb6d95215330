// @ts-check
/**
 * A matrix of coloured cells with a read-out under it, for the pointer and the arrow keys.
 * Cells of one shade are one path, so that a matrix of thousands of cells costs no more to draw than a few lines.
 */
import { h, svg } from './dom.js';

/**
 * @typedef {object} Side a row or a column
 * @property {string} short
 * @property {string} long
 * @property {Record<string, string>} [attributes] of the long text: its language and direction
 * @property {boolean} [first] begins a group
 */
/**
 * @typedef {object} Matrix
 * @property {string} name what a screen reader calls it
 * @property {Side[]} rows
 * @property {Side[]} columns
 * @property {(row: number, column: number) => number} share of the colour, 0 to 1
 * @property {(row: number, column: number) => (Node | string)[]} describe the read-out
 * @property {boolean} [columnLabels]
 */

/** More rows than these have no room for their labels on a small screen. */
const DENSE = 18;
/** As many shades can be told apart, and a few more. */
const SHADES = 32;
/** The part of a cell that is coloured; the rest is the line between cells. */
const FILLED = 0.94;

const MOVES = /** @type {Record<string, [number, number]>} */ ({
  ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -Infinity], End: [0, Infinity],
});

/** @param {Matrix} matrix */
function drawing({ rows, columns, share }) {
  const paths = Array.from({ length: SHADES + 1 }, () => '');
  rows.forEach((_, r) => columns.forEach((__, c) => {
    paths[Math.round(SHADES * share(r, c))] += `M${c} ${r}h${FILLED}v${FILLED}h-${FILLED}z`;
  }));
  const shades = paths.flatMap((d, i) => (d === '' ? [] : [svg('path', { d, class: 'shade', 'fill-opacity': (i / SHADES).toFixed(3) })]));
  const ground = svg('rect', { class: 'ground', width: columns.length, height: rows.length });
  const borders = [
    ...rows.flatMap((row, r) => (row.first && r > 0 ? [`M0 ${r}H${columns.length}`] : [])),
    ...columns.flatMap((column, c) => (column.first && c > 0 ? [`M${c} 0V${rows.length}`] : [])),
  ];
  return [ground, ...shades, svg('path', { class: 'border', d: borders.join('') })];
}

/** @param {Matrix} matrix @returns {HTMLElement} */
export function grid(matrix) {
  const { name, rows, columns, describe, columnLabels = true } = matrix;
  const cursor = svg('rect', { class: 'cursor', width: FILLED, height: FILLED, visibility: 'hidden' });
  const readout = h('p', { class: 'readout', 'aria-live': 'polite' }, h('span', { class: 'placeholder' }, 'Point at a cell, or walk with the arrow keys.'));
  const picture = svg('svg', { viewBox: `0 0 ${columns.length} ${rows.length}`, 'aria-hidden': 'true', focusable: 'false' }, ...drawing(matrix), cursor);
  const cells = h('div', { class: 'cells', tabindex: 0, role: 'application', 'aria-roledescription': 'matrix',
    'aria-label': `${name}; ${rows.length} rows, ${columns.length} columns. The arrow keys read single cells.` }, picture);

  let [row, column] = [-1, -1];
  /** @param {number} r @param {number} c */
  function go(r, c) {
    if (r === row && c === column) return;
    [row, column] = [r, c];
    cursor.setAttribute('x', String(c));
    cursor.setAttribute('y', String(r));
    cursor.setAttribute('visibility', 'visible');
    cells.dataset.at = `${r},${c}`;
    readout.replaceChildren(...describe(r, c));
  }
  const within = (/** @type {number} */ i, /** @type {number} */ n) => Math.max(0, Math.min(n - 1, i));
  cells.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    const move = MOVES[event.key];
    if (!move) return;
    event.preventDefault();
    go(within(Math.max(row, 0) + move[0], rows.length), within(Math.max(column, 0) + move[1], columns.length));
  });
  cells.addEventListener('focus', () => { if (row < 0 && cells.matches(':focus-visible')) go(0, 0); });
  const pointed = (/** @type {PointerEvent} */ event) => {
    const box = picture.getBoundingClientRect();
    go(within(Math.floor((rows.length * (event.clientY - box.top)) / box.height), rows.length),
      within(Math.floor((columns.length * (event.clientX - box.left)) / box.width), columns.length));
  };
  cells.addEventListener('pointermove', pointed);
  cells.addEventListener('pointerdown', pointed);

  return h('div', { class: rows.length > DENSE ? 'grid-box dense' : 'grid-box', '--n': columns.length, '--rows': rows.length },
    columnLabels && h('div', { class: 'column-labels', 'aria-hidden': 'true' }, columns.map(({ short }) => h('span', {}, short))),
    h('div', { class: 'row-labels', 'aria-hidden': 'true' }, rows.map(({ short, long, attributes }) =>
      h('span', { class: 'row-label' }, short !== '' && h('b', {}, short), h('span', { class: 'long', ...attributes }, long)))),
    cells, readout);
}
