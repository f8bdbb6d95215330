// @ts-check
/** Fetches that report every byte, so that a slow connection can be seen to move. */

/**
 * A response of the same content whose bytes are counted as they pass.
 * The sizes of the manifest are used as totals: a server that compresses states another length.
 * @param {string} url
 * @param {(loaded: number) => void} onBytes called with the bytes of this file so far
 * @returns {Promise<Response>}
 */
export async function fetchCounted(url, onBytes) {
  let response;
  try {
    response = await fetch(url);
  } catch {
    throw new Error(`${nameOf(url)} could not be fetched: the connection is gone and this file is not stored yet`);
  }
  if (!response.ok || !response.body) throw new Error(`${nameOf(url)} could not be fetched: the server says ${response.status}`);
  let loaded = 0;
  const counter = new TransformStream({
    transform(chunk, controller) {
      loaded += chunk.byteLength;
      onBytes(loaded);
      controller.enqueue(chunk);
    },
  });
  // Not every static server knows the type of a module, without which it is not compiled while it comes.
  const type = url.endsWith('.wasm') ? 'application/wasm' : 'application/octet-stream';
  return new Response(response.body.pipeThrough(counter), { headers: { 'content-type': type } });
}

/** @param {string} url */
function nameOf(url) {
  return new URL(url, self.location.href).pathname.split('/').slice(-2).join('/');
}

/**
 * The files of one embedded model.
 * @param {string} base folder, with a slash at its end
 * @param {{name: string, bytes: number}[]} sizes
 * @param {(loaded: number, total: number) => void} onProgress
 * @returns {Promise<Record<string, Uint8Array>>}
 */
export async function fetchFolder(base, sizes, onProgress) {
  const total = sizes.reduce((sum, file) => sum + file.bytes, 0);
  const loaded = sizes.map(() => 0);
  const bytes = await Promise.all(sizes.map(async (file, i) => {
    const response = await fetchCounted(base + file.name, (n) => {
      loaded[i] = n;
      onProgress(loaded.reduce((a, b) => a + b, 0), total);
    });
    return new Uint8Array(await response.arrayBuffer());
  }));
  return Object.fromEntries(sizes.map((file, i) => [file.name, bytes[i]]));
}
