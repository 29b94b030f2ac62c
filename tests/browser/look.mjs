// What is looked at on each page of the web UI: accessibility, width, what it costs, how soon it is there.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Every page, by what is known when it is looked at. */
export const PAGES = [
  ['dashboard', () => '/admin'],
  ['sources', () => '/admin/sources'],
  ['source-wizard', () => '/admin/sources?add=1'],
  ['schedules', () => '/admin/schedules'],
  ['schedule-dialog', () => '/admin/schedules?add=1'],
  ['schedules-week', () => '/admin/schedules?tab=week'],
  ['schedules-history', () => '/admin/schedules?tab=ledger'],
  ['recordings', () => '/admin/recordings'],
  ['recording', ({ task }) => `/admin/recordings/${task}`],
  ['library', () => '/admin/library'],
  ['library-trash', () => '/admin/library?show=trash'],
  ['video', ({ video }) => `/admin/library/${video}`],
  ['uploads', () => '/admin/uploads'],
  ['catalogue', () => '/admin/catalogue'],
  ['codes', () => '/admin/codes'],
  ['system', () => '/admin/system'],
  ['system-storage', () => '/admin/system?tab=storage'],
  ['system-logs', () => '/admin/system?tab=logs'],
  ['system-webhooks', () => '/admin/system?tab=webhooks'],
  ['system-configuration', () => '/admin/system?tab=config'],
  ['account', () => '/admin/account'],
  ['home', () => '/'],
  ['watch', ({ video }) => `/watch/${video}`],
  ['unlock', () => '/unlock'],
  ['sign-in', () => '/sign-in'],
].map(([name, path]) => ({ name, path }));

/** Waits until a page has its data, keeps a picture of it, and notes what is wrong with it. */
export async function look(page, pass, name, shots, result) {
  await page.locator('main').first().waitFor();
  await page.locator('.el-skeleton').first().waitFor({ state: 'detached' });
  await page.evaluate(() => document.fonts.ready);
  // Pages and dialogs fade in; half a colour is no colour to judge.
  await page.waitForTimeout(350);
  await page.screenshot({ path: join(shots, `${pass.name}-${name}.png`), fullPage: true });
  const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (over > 0) result.overflow.push(`${pass.name} ${name}: ${over} px too wide`);
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  for (const rule of found.violations.filter((one) => one.impact === 'serious' || one.impact === 'critical')) {
    const where = rule.nodes.slice(0, 3).map((node) => `${node.target.join(' ')} (${(node.any[0] ?? node.all[0] ?? node.none[0])?.message ?? ''})`);
    result.violations.push(`${pass.name} ${name}: ${rule.id}: ${where.join('; ')}`);
  }
}

/** What the first load of a page brings over the line, in bytes, and in how many files, with nothing kept from before. */
export async function cost(browser, context, url) {
  const fresh = await browser.newContext({ storageState: await context.storageState() });
  const page = await fresh.newPage();
  const wire = await fresh.newCDPSession(page);
  await wire.send('Network.enable');
  const kinds = new Map();
  const bytes = { script: 0, style: 0, files: 0, other_hosts: [] };
  wire.on('Network.responseReceived', ({ requestId, type, response }) => {
    kinds.set(requestId, type);
    if (/^https?:/.test(response.url) && new URL(response.url).origin !== new URL(url).origin) bytes.other_hosts.push(response.url);
  });
  wire.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    if (kinds.get(requestId) === 'Script') bytes.script += encodedDataLength;
    if (['Script', 'Stylesheet'].includes(kinds.get(requestId))) bytes.files += 1;
    if (kinds.get(requestId) === 'Stylesheet') bytes.style += encodedDataLength;
  });
  await page.goto(url);
  await page.locator('main h1').first().waitFor();
  await page.waitForTimeout(1500);
  await fresh.close();
  return bytes;
}

/**
 * Milliseconds until the first paint of a page in a browser that has nothing of it, with a processor that is so many times slower; and of
 * an empty page in the same moments, which is what the machine alone takes. The best of five each.
 */
export async function firstPaint(browser, context, url, slower) {
  const state = await context.storageState();
  const times = { page: [], blank: [] };
  for (let tries = 0; tries < 5; tries++) {
    for (const kind of ['blank', 'page']) {
      const fresh = await browser.newContext({ storageState: state });
      const page = await fresh.newPage();
      const wire = await fresh.newCDPSession(page);
      await wire.send('Emulation.setCPUThrottlingRate', { rate: slower });
      const blank = new URL('/blank', url).href;
      if (kind === 'blank') await page.route(blank, (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>Blank</title><p>Blank' }));
      await page.goto(kind === 'blank' ? blank : url, { waitUntil: 'commit' });
      await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint').length > 0);
      times[kind].push(await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0].startTime));
      await fresh.close();
    }
  }
  return { first_paint_ms: Math.round(Math.min(...times.page)), blank_paint_ms: Math.round(Math.min(...times.blank)) };
}
