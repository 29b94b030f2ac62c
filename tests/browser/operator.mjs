// Steps of the operator's path that remove things or tell others: retention, the trash, webhooks. Each asserts what a person sees.
import { createServer } from 'node:http';

/** A receiver of webhooks that answers with `status`, and keeps what came. */
export async function receiver() {
  const came = [];
  const told = { came, status: 204 };
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      came.push(request.headers);
      response.writeHead(told.status).end();
    });
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  told.url = `http://127.0.0.1:${server.address().port}/hook`;
  told.close = () => server.close();
  return told;
}

/** `title` is the only recording that a rule may take. It is shown in a dry run, goes when the rules are on, and comes back from the trash. */
export async function retention(page, title, { go, at, field, until, confirm, picture, look }) {
  await go('retention: what is no amount is told', '/admin/system?tab=storage');
  const quota = field(page, 'retention-quota');
  const active = at('retention-active').locator('input');
  const turn = () => at('retention-active').locator('.el-switch__core').click();
  await quota.fill('a lot');
  await page.locator('form [role=alert]').waitFor();
  if (await at('retention-save').isEnabled()) throw new Error('rules without an amount can be saved');
  await go('retention: a dry run removes nothing');
  await quota.fill('0.0001');
  // The picture of the recording is being made, and what is worked on stays.
  await until(async () => {
    await at('retention-preview').click();
    await at('retention-result').waitFor();
    return (await at('retention-result').locator('tbody tr').count()) === 1;
  });
  await at('retention-result').locator('tbody tr', { hasText: title }).waitFor();
  if (await at('retention-run').count()) throw new Error('rules that are off can be run');
  await picture('retention-preview');
  await look('retention-preview');
  const gone = at('removals').locator('tbody tr', { hasText: title });
  if (await gone.count()) throw new Error('a dry run removed something');
  await go('retention: switching it on asks first');
  await turn();
  await at('retention-save').click();
  await page.locator('.el-message-box').waitFor();
  await picture('retention-ask');
  await page.locator('.el-message-box__btns .el-button:not(.el-button--primary)').click();
  await page.locator('.el-message-box').waitFor({ state: 'hidden' });
  await page.reload();
  await at('retention-save').waitFor();
  if (await active.isChecked()) throw new Error('the rules are on although nobody agreed');
  await go('retention: on');
  await quota.fill('0.0001');
  await turn();
  await at('retention-save').click();
  await confirm();
  await at('retention-next').waitFor();
  await go('retention: what was shown goes, with its reason');
  await at('retention-preview').click();
  await at('retention-run').click();
  await confirm();
  await gone.waitFor();
  if (!(await gone.textContent()).includes('100.0 kB')) throw new Error(`no limit in the log: ${await gone.textContent()}`);
  await at('retention-result').waitFor({ state: 'detached' });
  await look('retention-removals');
  await go('retention: off, and its fields emptied');
  await turn();
  await quota.fill('');
  await at('retention-save').click();
  await at('retention-next').waitFor({ state: 'detached' });
  await page.reload();
  await at('retention-save').waitFor();
  await until(async () => (await quota.inputValue()) === '' && !(await active.isChecked()));

  await go('the trash shows its picture', '/admin/library?show=trash');
  const card = page.locator('main li, main tr', { hasText: title });
  await until(() => card.locator('img').evaluate((image) => image.naturalWidth > 0).catch(() => false));
  await look('trash');
  await go('and gives it back');
  await card.locator('[data-test^="more-"]').click();
  await page.locator('[data-test="restore"]:visible').click();
  await card.waitFor({ state: 'detached' });
}

/** A tag is made, renamed, refused a name that is taken, and deleted. */
export async function tags(page, pass, { go, at, field, confirm, look }) {
  const [name, other] = [`talk ${pass.name}`.slice(0, 16), `hall ${pass.name}`.slice(0, 16)];
  await go('a tag is renamed', '/admin/catalogue');
  const row = (text) => page.locator('[data-test^="tag-"]:is(li)', { hasText: text });
  for (const one of [name, other]) {
    await field(page, 'tag-name').fill(one);
    await at('tag-add').click();
    await row(one).waitFor();
  }
  await row(name).locator('[data-test="tag-edit"]').click();
  await field(page, 'tag-rename').fill(other);
  await at('tag-rename-save').click();
  await page.locator('.rename [role=alert]').waitFor();
  await look('tag-rename');
  const better = `t-${pass.name}`;
  await field(page, 'tag-rename').fill(better);
  await at('tag-rename-save').click();
  await row(better).waitFor();
  if (await row(name).count()) throw new Error('it has its old name still');
  for (const one of [better, other]) {
    await row(one).locator('button').last().click();
    await confirm();
    await row(one).waitFor({ state: 'detached' });
  }
}

/** A link of a video is added, changed, and refused what is no address. */
export async function links(page, video, { go, at, field, look }) {
  await go('a link is changed', `/admin/library/${video}`);
  await at('tab-links').click();
  await at('link-add').click();
  await field(page, 'link-title').fill('Slides');
  await field(page, 'link-url').fill('https://example.org/slides');
  await at('link-save').click();
  await page.locator('#panel-links a[href="https://example.org/slides"]').waitFor();
  await at('link-edit').click();
  await field(page, 'link-url').fill('javascript:alert(1)');
  await at('link-save').click();
  await page.locator('#panel-links [role=alert]').waitFor();
  await look('link-mistake');
  await field(page, 'link-url').fill('https://example.org/programme');
  await at('link-save').click();
  await page.locator('#panel-links a[href="https://example.org/programme"]').waitFor();
  if (await page.locator('#panel-links a[href*="slides"]').count()) throw new Error('the old address is there still');
}

/** A webhook is refused with a mistake, made, tried, changed, and deleted. */
export async function webhooks(page, pass, { go, at, field, confirm, picture, look }) {
  const to = await receiver();
  try {
    await go('webhooks: a mistake is told at its field', '/admin/system?tab=webhooks');
    await at('hook-add').first().click();
    const wrong = page.locator('.el-dialog [role=alert]');
    for (const mistake of ['ftp://example.org/x', 'http://[::1/x']) {
      await field(page, 'hook-url').fill(mistake);
      await at('hook-save').click();
      await wrong.waitFor();
      await field(page, 'hook-url').and(page.locator('[aria-invalid=true]')).waitFor();
    }
    await look('webhook-mistake');
    await go('webhooks: one is made, and its secret shown');
    await field(page, 'hook-url').fill(to.url);
    await field(page, 'hook-description').fill(`Pager ${pass.name}`);
    await at('hook-save').click();
    const secret = await at('hook-secret').textContent();
    if (!secret.startsWith('whsec_')) throw new Error(`no secret: ${secret}`);
    await look('webhook-secret');
    await page.keyboard.press('Escape');
    await at('hook-secret').waitFor({ state: 'detached' });
    const row = page.locator('main li', { hasText: to.url });
    await row.locator('strong', { hasText: `Pager ${pass.name}` }).waitFor();
    await go('webhooks: a test is delivered');
    await row.locator('[data-test="hook-test"]').click();
    await row.locator('[data-test="hook-result"]:not(.bad)', { hasText: '204' }).waitFor();
    const came = to.came.at(-1);
    if (!came?.['webhook-signature']) throw new Error(`it is not signed: ${JSON.stringify(came)}`);
    await go('webhooks: a test that fails is told');
    to.status = 503;
    await row.locator('[data-test="hook-test"]').click();
    await row.locator('[data-test="hook-result"].bad', { hasText: '503' }).waitFor();
    await picture('webhook-tested');
    await look('webhook-tested');
    const menu = async (item) => {
      await row.locator('[data-test="hook-more"]').click();
      await page.locator(`[data-test="${item}"]:visible`).click();
    };
    await go('webhooks: its description is emptied');
    await menu('hook-edit');
    await field(page, 'hook-description').fill('');
    await at('hook-save').click();
    await row.locator('strong', { hasText: to.url }).waitFor();
    await go('webhooks: its deliveries');
    await menu('hook-deliveries');
    await page.locator('.el-dialog').waitFor();
    await look('webhook-deliveries');
    await page.keyboard.press('Escape');
    await page.locator('.el-dialog').waitFor({ state: 'detached' });
    await go('webhooks: it is deleted after a question');
    await menu('hook-delete');
    await page.locator('.el-message-box').waitFor();
    await picture('webhook-delete');
    await confirm();
    await row.waitFor({ state: 'detached' });
  } finally {
    to.close();
  }
}
