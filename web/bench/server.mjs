// A server of several folders on 127.0.0.1, each under a name of its own.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.json': 'application/json', '.wasm': 'application/wasm' };

/** `folders` go from names to paths; `rewrite` changes the text of a script on its way. */
export async function serveFolders(folders, rewrite = (text) => text) {
  const server = http.createServer((request, response) => {
    const [, name, ...rest] = decodeURIComponent(new URL(request.url, 'http://x').pathname).split('/');
    const file = folders[name] && path.join(folders[name], path.normalize(rest.join('/')));
    if (!file?.startsWith(folders[name]) || !fs.statSync(file, { throwIfNoEntry: false })?.isFile()) return response.writeHead(404).end();
    const type = TYPES[path.extname(file)] ?? 'application/octet-stream';
    const body = type === 'text/javascript' ? Buffer.from(rewrite(fs.readFileSync(file, 'utf8'))) : fs.readFileSync(file);
    response.writeHead(200, { 'content-type': type, 'content-length': body.length }).end(body);
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    close: () => new Promise((closed) => { server.close(closed); server.closeAllConnections(); }),
  };
}
