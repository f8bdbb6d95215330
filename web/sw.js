// @ts-check
/**
 * Keeps one version of the page, named by `?v=`: all its files but the WebGPU engine, which is stored when it is first used.
 * The page is served from what is stored, so that it is always of one version; a new version waits until it is asked for.
 */
const scope = /** @type {any} */ (self);
const version = new URL(location.href).searchParams.get('v') ?? 'none';
const CACHE = `isogloss-${version}`;
const LATER = /^pkg\/gpu\//;
/** As many files at once as a browser opens connections to one server. */
const AT_ONCE = 6;

/** @param {string} path */
const address = (path) => new URL(path, scope.registration.scope).href;

/** The files of an older version that are still the same. @param {{path: string, hash: string}[]} files */
async function reusable(files) {
  const hashes = new Map(files.map(({ path, hash }) => [path, hash]));
  /** @type {Map<string, Cache>} */
  const found = new Map();
  for (const name of await caches.keys()) {
    if (!name.startsWith('isogloss-')) continue;
    const cache = await caches.open(name);
    const manifest = await (await cache.match(address('manifest.json')))?.json();
    for (const { path, hash } of manifest?.files ?? []) if (hashes.get(path) === hash) found.set(path, cache);
  }
  return found;
}

async function store() {
  const manifestResponse = await fetch(address('manifest.json'), { cache: 'no-store' });
  if (!manifestResponse.ok) throw new Error(`manifest.json: ${manifestResponse.status}`);
  const { files } = await manifestResponse.clone().json();
  const older = await reusable(files);
  const cache = await caches.open(CACHE);
  const waiting = files.filter((/** @type {{path: string}} */ { path }) => !LATER.test(path) && path !== 'manifest.json' && path !== 'sw.js');
  const take = async () => {
    for (let file = waiting.pop(); file; file = waiting.pop()) {
      const url = address(file.path);
      const kept = await older.get(file.path)?.match(url);
      // The server is asked whether its copy changed; what the page has just loaded does not come again.
      const response = kept ?? (await fetch(url, { cache: 'no-cache' }));
      if (!response.ok) throw new Error(`${file.path}: ${response.status}`);
      await cache.put(url, response);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, take));
  // Last, so that a cache with a manifest is a whole one.
  await cache.put(address('manifest.json'), manifestResponse);
}

async function clear() {
  for (const name of await caches.keys()) if (name.startsWith('isogloss-') && name !== CACHE) await caches.delete(name);
  await scope.clients.claim();
}

/** @param {Request} request */
async function answer(request) {
  const url = new URL(request.url);
  const path = url.href.slice(scope.registration.scope.length).split(/[?#]/)[0];
  const cache = await caches.open(CACHE);
  const kept = await cache.match(address(path === '' ? 'index.html' : path));
  if (kept) return kept;
  const response = await fetch(request);
  if (LATER.test(path) && response.ok) await cache.put(address(path), response.clone());
  return response;
}

/** Asks the server, past what is stored; without a connection nothing is new. @param {Request} request */
async function fresh(request) {
  try {
    return await fetch(request);
  } catch {
    return (await (await caches.open(CACHE)).match(address('manifest.json'))) ?? Response.error();
  }
}

scope.addEventListener('install', (/** @type {any} */ event) => event.waitUntil(store()));
scope.addEventListener('activate', (/** @type {any} */ event) => event.waitUntil(clear()));
scope.addEventListener('message', (/** @type {any} */ event) => { if (event.data === 'take over') scope.skipWaiting(); });
scope.addEventListener('fetch', (/** @type {any} */ event) => {
  const { request } = event;
  if (request.method !== 'GET' || !request.url.startsWith(scope.registration.scope)) return;
  event.respondWith(request.url.endsWith('?fresh') ? fresh(request) : answer(request));
});
