// @ts-check
/** Registers the service worker that keeps the page for use without a connection. */
import { message } from './status.js';

/** @param {string} text @returns {Promise<string>} the first half of its SHA-256 */
async function digest(text) {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return [...new Uint8Array(hash)].slice(0, 16).map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Called when the page is at work, so that storing does not slow the first loading. */
export async function keepForOffline() {
  if (!('serviceWorker' in navigator) || !isSecureContext) return;
  try {
    // Past the stored copy: a new manifest means a new version of the page.
    const response = await fetch('manifest.json?fresh', { cache: 'no-store' });
    if (!response.ok) return;
    const version = await digest(await response.text());
    const registration = await navigator.serviceWorker.register(`sw.js?v=${version}`);
    const hadController = navigator.serviceWorker.controller !== null;
    registration.addEventListener('updatefound', () => {
      const next = registration.installing;
      next?.addEventListener('statechange', () => {
        if (next.state === 'installed' && hadController) offerReload(next);
      });
    });
    if (registration.waiting && hadController) offerReload(registration.waiting);
    await navigator.serviceWorker.ready;
    document.documentElement.dataset.offline = 'ready';
  } catch {
    // Without a connection there is nothing to renew; without storage the page works as before, online.
  }
}

/** @param {ServiceWorker} next */
function offerReload(next) {
  message('There is a new version of this page.', {
    kind: 'note',
    action: {
      label: 'Reload',
      run: () => {
        navigator.serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true });
        next.postMessage('take over');
      },
    },
  });
}
