// The operator's whole path through the web UI, and a look at every page, in Debian's Chromium.
// `node ui.mjs SERVER STREAM SHOTS` signs in, adds STREAM as a source, records, reviews, publishes under a code, unlocks and plays: once
// on a wide screen in English, once on a phone in Chinese. Prints one JSON object; exits with 1 and a line on stderr when a step fails.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { cost, firstPaint, look, PAGES } from './look.mjs';
import { links, retention, tags, webhooks } from './operator.mjs';

const [, , server, stream, shots] = process.argv;
const wide = { name: 'wide-en', locale: 'en-GB', viewport: { width: 1440, height: 900 }, colorScheme: 'light' };
const phone = { name: 'phone-zh', locale: 'zh-CN', viewport: { width: 390, height: 844 }, colorScheme: 'dark', hasTouch: true };
const profile = await mkdtemp(join(tmpdir(), 'ui-'));
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--autoplay-policy=no-user-gesture-required'],
});
const result = { passes: [], console: [], violations: [], overflow: [] };
/** A wrong password, an address that is none, a name that is taken. */
const REFUSED = [[/^\/api\/auth\/login$/, '401'], [/^\/api\/webhooks$/, '422'], [/^\/api\/tags\/\d+$/, '400']];
let step = 'starting';

try {
  await mkdir(shots, { recursive: true });
  for (const pass of [wide, phone]) result.passes.push(await walk(pass));
  console.log(JSON.stringify(result));
} catch (error) {
  for (const page of browser.contexts().flatMap((one) => one.pages())) await page.screenshot({ path: join(shots, 'failed.png') }).catch(() => undefined);
  console.error(`${step}: ${String(error.message ?? error).split('\n').slice(0, 4).join(' ')}`);
  process.exitCode = 1;
} finally {
  await browser.close();
  await rm(profile, { recursive: true, force: true });
}

/** A new browser, as of somebody who was never here. */
async function visitor(pass) {
  const { name: _name, ...options } = pass;
  const context = await browser.newContext({ ...options, timezoneId: 'Europe/Berlin' });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const heard = (text) => result.console.push(`${pass.name} ${page.url()}: ${text}`);
  page.on('console', (message) => {
    // The browser itself writes down what the server refuses.
    const expected = REFUSED.some(([path, status]) => path.test(new URL(message.location().url || server).pathname) && message.text().includes(status));
    if (message.type() === 'error' && !expected) heard(message.text());
  });
  page.on('pageerror', (error) => heard(String(error)));
  return { context, page };
}

async function walk(pass) {
  const told = { name: pass.name };
  const { context, page } = await visitor(pass);
  const at = (name) => page.locator(`[data-test="${name}"]`);
  const go = async (name, path) => {
    step = `${pass.name}: ${name}`;
    if (path) await page.goto(server + path);
  };
  const picture = (name) => page.screenshot({ path: join(shots, `${pass.name}-${name}.png`) });
  const confirm = () => page.locator('.el-message-box__btns .el-button--primary').click();
  const steps = { go, at, field, until, confirm, picture, look: (name) => look(page, pass, name, shots, result) };

  await go('a wrong password is told and stays', '/admin');
  const [user, password] = [page.locator('input[name=username]'), page.locator('input[name=password]')];
  await user.fill('admin');
  await password.fill('wrong');
  await page.locator('button[type=submit]').click();
  await page.locator('.el-alert--error').waitFor();
  await picture('sign-in-wrong');
  await go('sign in');
  await password.fill('admin123');
  await page.locator('button[type=submit]').click();
  await page.waitForURL(`${server}/admin`);

  await go('a source by the wizard', '/admin/sources');
  await at('source-add').first().click();
  await field(page, 'source-url').fill(stream);
  await at('source-test').click();
  await at('probe-ok').waitFor({ timeout: 30_000 });
  await picture('wizard');
  const name = pass.name === 'wide-en' ? 'Great hall <b>1</b>' : '大会堂（二号）';
  await field(page, 'source-name').fill(name);
  await at('source-save').click();
  const row = page.locator('li', { hasText: name });
  await row.waitFor();

  await go('record');
  await row.locator('[data-test="start"]').click();
  await row.locator('[data-test="stop"]').waitFor();
  await go('a live card grows', '/admin');
  const card = page.locator('article', { hasText: name });
  const seconds = async () => (await card.locator('[data-test="live-durable"]').textContent()).split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
  await until(async () => (await card.count()) === 1 && (await seconds()) >= 3);
  const before = await seconds();
  await until(async () => (await seconds()) >= before + 3);
  await card.locator('[data-test="live-picture"]').waitFor();
  await picture('live');
  told.live = await look(page, pass, 'dashboard-live', shots, result);
  await go('stop in place');
  await until(async () => (await seconds()) >= 10);
  await card.locator('[data-test="live-stop"]').click();
  await confirm();
  await card.waitFor({ state: 'detached' });

  await go('the history tells of it', '/admin/recordings');
  await page.locator('tr', { hasText: name }).first().locator('a').first().click();
  await page.waitForURL(/\/admin\/recordings\/\d+$/);
  const task = Number(page.url().split('/').at(-1));
  await page.locator('figure .recorded').last().waitFor();
  await at('task-log').waitFor();
  await picture('task');
  await go('the video');
  await at('task-video').click();
  await page.waitForURL(/\/admin\/library\/\d+$/);
  const video = Number(page.url().split('/').at(-1));
  await at('player').waitFor();

  await retention(page, name, steps);
  await webhooks(page, pass, steps);
  await tags(page, pass, steps);
  await links(page, video, steps);
  const members = `${pass.name} members`;
  await go('a category', '/admin/catalogue');
  await field(page, 'category-name').fill(members);
  await at('category-add').click();
  await page.locator('main li, main tr', { hasText: members }).first().waitFor();
  await go('a viewing code for it', '/admin/codes');
  await at('code-add').first().click();
  await at('code-categories').click();
  await page.locator('.el-select-dropdown__item:visible', { hasText: members }).click();
  await page.keyboard.press('Escape');
  await at('code-save').click();
  const code = (await at('code-text').textContent()).trim();
  await picture('code');
  await go('review and publish under it', `/admin/library/${video}`);
  await at('category').click();
  await page.locator('.el-select-dropdown__item:visible', { hasText: members }).click();
  await at('save').click();
  await at('publish').click();
  await at('share').waitFor();
  await picture('published');

  await go('every page');
  const known = { task, video };
  for (const one of PAGES) {
    step = `${pass.name}: page ${one.name}`;
    await page.goto(server + one.path(known));
    await look(page, pass, one.name, shots, result);
  }
  if (pass === wide) {
    step = 'first load';
    told.console = await cost(browser, context, `${server}/admin`);
    Object.assign(told, await firstPaint(browser, context, `${server}/admin`, 4));
  }
  await context.close();

  const viewer = await visitor(pass);
  const watching = viewer.page;
  const seen = (name) => watching.locator(`[data-test="${name}"]`);
  step = `${pass.name}: a viewer finds it locked`;
  await watching.goto(`${server}/`);
  await look(watching, pass, 'viewer-home-locked', shots, result);
  await watching.goto(`${server}/watch/${video}`);
  await seen('locked').waitFor();
  await look(watching, pass, 'viewer-locked', shots, result);
  step = `${pass.name}: a viewer unlocks it`;
  await field(watching, 'code').fill(code);
  await seen('unlock').click();
  await seen('player').waitFor();
  step = `${pass.name}: it plays`;
  const media = (read) => watching.evaluate(`(() => { const v = document.querySelector('video'); return ${read}; })()`);
  // On a busy machine a press may come before the media; that it counts all the same is shown by playback.test.ts.
  await until(async () => {
    if (await media('v.paused')) await seen('player-toggle').click();
    return (await media('v.currentTime')) > 1;
  });
  step = `${pass.name}: it seeks`;
  await seen('player').locator('[role=slider]').first().focus();
  await watching.keyboard.press('Home');
  await watching.keyboard.press('5');
  const half = (await media('v.duration')) / 2;
  await until(async () => (await media('v.currentTime')) >= half - 0.5 && (await media('v.readyState')) >= 3);
  step = `${pass.name}: it switches speed`;
  await seen('player-speed').click();
  await seen('speed-1.5').check();
  await until(async () => (await media('v.playbackRate')) === 1.5);
  await look(watching, pass, 'viewer-playing', shots, result);
  await watching.reload();
  step = `${pass.name}: it stays unlocked`;
  await seen('player').waitFor();
  if (pass === wide) told.viewer = await cost(browser, viewer.context, `${server}/`);
  await viewer.context.close();
  return { ...told, task, video };
}

/** The field behind a mark, which components put on the field itself or around it. */
function field(page, name) {
  return page.locator(`input[data-test="${name}"], [data-test="${name}"] input`).first();
}

async function until(good, seconds = 45) {
  const end = Date.now() + seconds * 1000;
  while (!(await good())) {
    if (Date.now() > end) throw new Error(`it did not happen within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
