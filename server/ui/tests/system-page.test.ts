import { beforeEach, describe, expect, it, vi } from 'vitest';
import StorageTab from '@/components/system/StorageTab.vue';
import WebhookDialog from '@/components/system/WebhookDialog.vue';
import WebhooksTab from '@/components/system/WebhooksTab.vue';
import { answer, click, has, messages, part, refused, sent, server, show, submit, text, type } from './page';

let rules = { is_active: false, total_quota_bytes: 123_456_789 as number | null, min_free_bytes: null, keep_published: true, used_bytes: 10, free_bytes: 10, last_run_at: null, next_run_at: null as string | null };
const preview = { total_count: 1, total_bytes: 885_000, kept: { protected: 0, published: 0 }, items: [{ video_id: 1, title: 'On bees', source_id: null, source_name: null, bytes: 885_000, created_at: '2026-01-01T00:00:00Z', reason: 'quota', detail: 'all videos have 885.0 kB of at most 100.0 kB' }] };
beforeEach(() => {
  rules = { ...rules, is_active: false, total_quota_bytes: 123_456_789, next_run_at: null };
  server({
    'GET /api/system/status': { disk_total: 100, disk_used: 50, disk_free: 50, disk_percent: 50, cpu_percent: 1, memory_percent: 1, forecast: null },
    'GET /api/retention': () => rules,
    'GET /api/retention/removals': [],
    'GET /api/system/orphans': [],
    'GET /api/sources': [],
    'POST /api/retention/preview': preview,
    'PUT /api/retention': (body: unknown) => (rules = { ...rules, ...(body as object), next_run_at: '2036-01-01T00:00:00Z' }),
  });
});
const turn = async (): Promise<void> => click(document.querySelector('[data-test="retention-active"] input') ?? part('retention-active'));

describe('retention', () => {
  it('keeps an amount to the byte that nobody touched', async () => {
    await show(StorageTab);
    await submit('retention-save');
    expect(sent('PUT /api/retention')).toMatchObject([{ is_active: false, total_quota_bytes: 123_456_789, min_free_bytes: null }]);
  });
  it('has no limit when the field is emptied, and can’t be saved while it holds no amount', async () => {
    await show(StorageTab);
    await type('retention-quota', 'much');
    expect((part('retention-save') as HTMLButtonElement).disabled).toBe(true);
    await type('retention-quota', '');
    await submit('retention-save');
    expect(sent('PUT /api/retention')).toMatchObject([{ total_quota_bytes: null }]);
  });
  it('shows what would go as if it were on, and removes nothing', async () => {
    await show(StorageTab);
    await click('retention-preview');
    expect(sent('POST /api/retention/preview')).toMatchObject([{ is_active: true, total_quota_bytes: 123_456_789 }]);
    expect(part('retention-result').textContent).toContain('all videos have 885.0 kB of at most 100.0 kB');
    expect(has('retention-run')).toBe(false);
    expect(sent('POST /api/retention/run')).toHaveLength(0);
  });
  it('forgets a preview of other rules', async () => {
    await show(StorageTab);
    await click('retention-preview');
    await type('retention-quota', '7');
    expect(has('retention-result')).toBe(false);
  });
  it('is switched on only by whoever agreed to what goes', async () => {
    await show(StorageTab);
    await turn();
    await submit('retention-save');
    expect(text()).toContain('With these rules 1 recording, 885 kB, goes at the next run.');
    await answer(false);
    expect(sent('PUT /api/retention')).toHaveLength(0);
    await submit('retention-save');
    await answer(true);
    expect(sent('PUT /api/retention')).toMatchObject([{ is_active: true }]);
    expect(has('retention-next')).toBe(true);
  });
  it('is not switched on when nobody can say what would go', async () => {
    server({ 'POST /api/retention/preview': refused(503, 'The storage folder is not there') });
    await show(StorageTab);
    await turn();
    await submit('retention-save');
    expect(sent('PUT /api/retention')).toHaveLength(0);
    expect(text()).toContain('The storage folder is not there');
  });
  it('says at the field what the server has against an amount', async () => {
    server({ 'PUT /api/retention': refused(422, 'Invalid', { min_free_bytes: 'at least the 1.1 GB of min_free_space' }) });
    await show(StorageTab);
    await type('retention-free', '0.5');
    await submit('retention-save');
    expect(text()).toContain('at least the 1.1 GB of min_free_space');
    expect(messages()).toEqual([]);
  });
});

const hook = { id: 3, url: 'https://example.org/hook', description: 'Pager', events: ['task.failed'], is_active: true, created_at: '2026-01-01T00:00:00Z', updated_at: '2026-01-01T00:00:00Z', last_delivery_at: null, last_status: null, failures_in_row: 0 };

describe('webhooks', () => {
  beforeEach(() => server({ 'GET /api/webhooks': [hook] }));
  it('say how a test went, also when it was not taken', async () => {
    server({ 'POST /api/webhooks/3/test': { delivered: false, status: 503, error: 'HTTP status 503', duration_ms: 12 } });
    await show(WebhooksTab);
    await click('hook-test');
    expect(part('hook-result').classList.contains('bad')).toBe(true);
    expect(part('hook-result').textContent).toContain('503');
    server({ 'POST /api/webhooks/3/test': { delivered: true, status: 204, error: null, duration_ms: 12 } });
    await click('hook-test');
    expect(part('hook-result').classList.contains('bad')).toBe(false);
  });
  it('forget the result of a test that could not be asked for', async () => {
    server({ 'POST /api/webhooks/3/test': refused(500, 'the database is locked') });
    await show(WebhooksTab);
    await click('hook-test');
    expect(messages()[0]).toContain('the database is locked');
    expect(has('hook-result')).toBe(false);
  });
  it('show that they fail', async () => {
    server({ 'GET /api/webhooks': [{ ...hook, failures_in_row: 3, last_status: 'failed' }] });
    await show(WebhooksTab);
    expect(text()).toContain('Failed 3 times in a row');
  });
  it('lose their description when the field is emptied', async () => {
    server({ 'PUT /api/webhooks/3': hook });
    const saved = vi.fn();
    await show(WebhookDialog, { hook, onSaved: saved });
    await type('hook-description', '');
    await submit('hook-save');
    expect(sent('PUT /api/webhooks/3')).toMatchObject([{ description: '', url: hook.url, events: ['task.failed'] }]);
    expect(saved).toHaveBeenCalledWith('');
  });
  it('are not made without a receiver or an event, nor when the server refuses', async () => {
    server({ 'POST /api/webhooks': refused(422, 'Invalid', { url: 'the server may not reach this address', 'events.0': 'no such event' }) });
    const saved = vi.fn();
    await show(WebhookDialog, { hook: null, onSaved: saved });
    await type('hook-url', 'example.org');
    await submit('hook-save');
    expect(sent('POST /api/webhooks')).toHaveLength(0);
    await type('hook-url', 'http://10.0.0.1/x');
    await submit('hook-save');
    expect(text()).toContain('the server may not reach this address');
    expect(text()).toContain('no such event');
    expect(saved).not.toHaveBeenCalled();
  });
});
