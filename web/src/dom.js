// @ts-check
/** Small tools for making elements; nothing here knows what the page is about. */

/**
 * @param {string} id
 * @returns {any} the element of this id, of whatever kind it is
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element "${id}"`);
  return found;
}

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * Makes an element. Properties starting with `on` are listeners, `--x` are custom properties, all others are attributes.
 * @param {string} tag
 * @param {Record<string, any>} [props]
 * @param {...(Child | Child[])} children
 * @returns {any} an HTMLElement
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  setAll(element, props);
  element.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false).map((c) => (c instanceof Node ? c : String(c))));
  return element;
}

/**
 * @param {string} tag
 * @param {Record<string, any>} [props]
 * @param {...Node} children
 * @returns {SVGElement}
 */
export function svg(tag, props = {}, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  setAll(element, props);
  element.append(...children);
  return element;
}

/** @param {HTMLElement | SVGElement} element @param {Record<string, any>} props */
function setAll(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name.startsWith('--')) element.style.setProperty(name, value);
    else element.setAttribute(name, value === true ? '' : value);
  }
}

/**
 * Calls the last of many requests, after a pause.
 * @template {any[]} A
 * @param {number} ms
 * @param {(...args: A) => void} call
 * @returns {(...args: A) => void}
 */
export function debounced(ms, call) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => call(...args), ms);
  };
}

/**
 * Runs one request at a time: what is asked for meanwhile is done once, afterwards, so that a slow device is never buried in questions.
 * @param {(isStale: () => boolean) => Promise<void>} run must not fail; `isStale` says that another run will follow
 * @returns {() => Promise<void>}
 */
export function oneAtATime(run) {
  let running = false;
  let again = false;
  return async () => {
    again = running;
    if (running) return;
    running = true;
    try {
      do {
        again = false;
        await run(() => again);
      } while (again);
    } finally {
      running = false;
    }
  };
}

/**
 * Runs something once, when an element is about to be seen: nothing is computed for a part of the page that nobody has
 * come to.
 * @param {Element} element @param {() => void} run
 */
export function whenSeen(element, run) {
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    run();
  }, { rootMargin: '200px' }).observe(element);
}

/** @param {string} name @param {string} text @param {string} type saves a text as a file of the visitor's */
export function download(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = h('a', { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** @param {unknown} error */
export function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}
