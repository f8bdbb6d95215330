// @ts-check
/** Two sentences and lines between the words that the model takes for each other. */
import { byId, h, oneAtATime, svg, whenSeen } from './dom.js';
import { nameOf, textAttributes } from './languages.js';

/** @typedef {import('./types.js').WordAlignment} WordAlignment */

const ENGLISH = 'turn on the light in the kitchen';
const EXAMPLES = [
  { language: 'de', text: 'mach das Licht in der Küche an' },
  { language: 'fr', text: 'allume la lumière dans la cuisine' },
  { language: 'es', text: 'enciende la luz de la cocina' },
  { language: 'ru', text: 'включи свет на кухне' },
  { language: 'ar', text: 'شغل الضوء في المطبخ' },
  { language: 'hi', text: 'रसोई की बत्ती जलाओ' },
  { language: 'zh-CN', text: '打开厨房的灯' },
  { language: 'ko', text: '부엌 불을 켜 줘' },
  { language: 'eu', text: 'piztu sukaldeko argia' },
];

/** @param {WordAlignment} alignment @param {string | undefined} language of the right side */
function draw({ left, right, links }, language) {
  const words = (/** @type {string[]} */ some, /** @type {'left' | 'right'} */ side) => some.map((word, i) =>
    h('span', { class: 'word', 'data-side': side, 'data-index': i, ...(links.some((link) => link[side] === i) ? {} : { 'data-alone': true }) }, word));
  const [leftWords, rightWords] = [words(left, 'left'), words(right, 'right')];
  const lines = svg('svg', { class: 'links', 'aria-hidden': 'true' });
  const rightAttributes = language ? textAttributes(language) : { dir: 'auto' };
  const figure = h('div', { class: 'aligned', role: 'group', 'aria-label': 'Words and their links' }, lines,
    h('p', { class: 'words', dir: 'auto' }, leftWords), h('p', { class: 'words', ...rightAttributes }, rightWords));

  const paths = links.map(() => svg('path'));
  lines.append(...paths);

  function place() {
    const frame = figure.getBoundingClientRect();
    if (frame.width === 0) return;
    lines.setAttribute('viewBox', `0 0 ${frame.width} ${frame.height}`);
    const beside = getComputedStyle(figure).flexDirection === 'row';
    links.forEach(({ left: l, right: r }, i) => {
      const [a, b] = [leftWords[l].getBoundingClientRect(), rightWords[r].getBoundingClientRect()];
      const [x1, y1, x2, y2] = beside
        ? [a.right - frame.left, a.top + a.height / 2 - frame.top, b.left - frame.left, b.top + b.height / 2 - frame.top]
        : [a.left + a.width / 2 - frame.left, a.bottom - frame.top, b.left + b.width / 2 - frame.left, b.top - frame.top];
      const bend = beside ? [(x1 + x2) / 2, y1, (x1 + x2) / 2, y2] : [x1, (y1 + y2) / 2, x2, (y1 + y2) / 2];
      paths[i].setAttribute('d', `M${x1} ${y1}C${bend.join(' ')} ${x2} ${y2}`);
    });
  }
  new ResizeObserver(place).observe(figure);

  figure.addEventListener('pointerover', (/** @type {PointerEvent} */ event) => {
    const { side, index } = /** @type {HTMLElement} */ (event.target).dataset;
    figure.classList.toggle('pointing', side !== undefined);
    paths.forEach((path, i) => path.classList.toggle('on', side !== undefined && links[i][/** @type {'left' | 'right'} */ (side)] === Number(index)));
  });
  figure.addEventListener('pointerleave', () => figure.classList.remove('pointing'));

  const list = h('details', {}, h('summary', {}, links.length === 1 ? 'The link as a list' : `${links.length} links as a list`),
    h('ul', { class: 'link-list' }, links.map(({ left: l, right: r }) => h('li', {},
      h('span', { dir: 'auto' }, left[l]), ' – ', h('span', rightAttributes, right[r])))));
  return [figure, list];
}

/** @param {import('./app.js').App} app */
export function setUpAlignment({ engine, models, fail }) {
  const [left, right, example, box] = ['align-left', 'align-right', 'align-example', 'alignment'].map(byId);
  /** @type {string | undefined} */
  let language = EXAMPLES[0].language;
  let ready = false;
  let seen = false;

  const run = oneAtATime(async (isStale) => {
    if (!ready || !seen) return;
    const [a, b] = [left.value.trim(), right.value.trim()];
    if (a === '' || b === '') return box.replaceChildren(h('p', { class: 'placeholder' }, 'Two sentences are needed.'));
    box.setAttribute('aria-busy', 'true');
    try {
      const alignment = await engine.align(models.active, a, b);
      if (isStale()) return;
      box.replaceChildren(...draw(alignment, language));
    } catch (error) {
      if (!isStale()) fail(error);
    }
    if (!isStale()) box.removeAttribute('aria-busy');
  });

  function choose() {
    const chosen = EXAMPLES[example.selectedIndex];
    language = chosen.language;
    left.value = ENGLISH;
    right.value = chosen.text;
    Object.assign(right, { lang: language, dir: textAttributes(language).dir });
    run();
  }

  example.append(...EXAMPLES.map((one) => h('option', {}, `English and ${nameOf(one.language)}`)));
  example.addEventListener('change', choose);
  right.addEventListener('input', () => { language = undefined; right.removeAttribute('lang'); right.dir = 'auto'; });
  byId('align-form').addEventListener('submit', (/** @type {Event} */ event) => { event.preventDefault(); run(); });
  whenSeen(box, () => { seen = true; run(); });
  choose();
  return { show() { ready = true; run(); } };
}
