// @ts-check
// Before anything is painted: the theme that the visitor chose last time. Not a module, for modules come later.
(() => {
  const root = document.documentElement;
  try {
    const chosen = localStorage.getItem('theme');
    if (chosen === 'light' || chosen === 'dark') root.dataset.theme = chosen;
  } catch { /* Storage may be forbidden; the browser's preference then holds. */ }

  document.addEventListener('DOMContentLoaded', () => {
    const button = /** @type {HTMLElement} */ (document.getElementById('theme'));
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const current = () => root.dataset.theme ?? (dark.matches ? 'dark' : 'light');
    const show = () => {
      const isDark = current() === 'dark';
      button.setAttribute('aria-checked', String(isDark));
      document.querySelector('meta[name="theme-color"]')?.setAttribute('content', isDark ? '#14171a' : '#faf8f3');
    };
    button.addEventListener('click', () => {
      root.dataset.theme = current() === 'dark' ? 'light' : 'dark';
      try { localStorage.setItem('theme', root.dataset.theme); } catch { /* As above. */ }
      show();
    });
    dark.addEventListener('change', show);
    show();
  });
})();
