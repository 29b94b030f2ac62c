// Before the first paint, so that a dark page does not flash white and the first frame is that of the page.
(() => {
  const wanted = localStorage.getItem('mediastack.theme') || 'auto';
  const dark = wanted === 'dark' || (wanted === 'auto' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.classList.toggle('dark', dark);
  document.documentElement.classList.toggle('console', /^\/admin(\/|$)/.test(location.pathname));
})();
