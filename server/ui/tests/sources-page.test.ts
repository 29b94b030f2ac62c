import { beforeEach, describe, expect, it, vi } from 'vitest';
import SourcesPage from '@/pages/operator/SourcesPage.vue';
import SourceDialog from '@/components/sources/SourceDialog.vue';
import LiveCard from '@/components/dashboard/LiveCard.vue';
import { useLive } from '@/stores/live';
import type { Live } from '@/api/types';
import { answer, click, has, messages, nothing, part, refused, sent, server, show, submit, text, type } from './page';

const hall = {
  id: 4, name: 'Great hall', protocol: 'rtmp', url: 'rtmp://camera/live', audio: 'auto', transport: 'auto', is_active: true, is_online: true, is_recording: false,
  last_check_time: '2026-01-01T00:00:00Z', last_error: null, state: null, category: null, retention_days: 30, quota_bytes: 500_000_000_000, created_at: '2026-01-01T00:00:00Z',
};
const figures = { task_id: 9, source_id: 4, source_name: 'Great hall', state: 'recording', durable_s: 65, durable_bytes: 1_460_000, bit_rate: 439_000, fps: 25, last_packet_ms: 20, gaps: 0, reconnects: 0, window_end: null } as unknown as Live;

/** A server with one source. */
let now = { ...hall };
beforeEach(() => {
  now = { ...hall };
  server({
    'GET /api/sources': () => [now],
    'GET /api/categories': [{ id: 1, name: 'Lectures', sort_order: 0, created_at: '2026-01-01T00:00:00Z', video_count: 0 }],
    'POST /api/sources/4/record/start': () => {
      now = { ...hall, is_recording: true };
      return { id: 9, status: 'pending' };
    },
    'POST /api/sources/4/record/stop': () => {
      now = { ...hall };
      return { id: 9, status: 'interrupted' };
    },
  });
});

describe('the sources', () => {
  it('are right after a start, and after a stop although old figures are there still', async () => {
    await show(SourcesPage);
    await click('start');
    expect(sent('POST /api/sources/4/record/start')).toHaveLength(1);
    expect(has('stop')).toBe(true);
    expect(has('start')).toBe(false);
    useLive().recordings = [figures];
    await click('stop');
    expect(sent('POST /api/sources/4/record/stop')).toHaveLength(0);
    await answer(true);
    expect(sent('POST /api/sources/4/record/stop')).toHaveLength(1);
    expect(has('start')).toBe(true);
    expect(has('stop')).toBe(false);
  });
  it('stay as they are when nobody agrees to a stop', async () => {
    now = { ...hall, is_recording: true };
    await show(SourcesPage);
    await click('stop');
    await answer(false);
    expect(sent('POST /api/sources/4/record/stop')).toHaveLength(0);
    expect(has('stop')).toBe(true);
  });
  it('say why a start failed, and can be started again', async () => {
    server({ 'POST /api/sources/4/record/start': refused(400, 'Source is already being recorded') });
    await show(SourcesPage);
    await click('start');
    expect(messages()).toEqual(['error: Source is already being recorded']);
    expect(part('start').classList.contains('is-loading')).toBe(false);
  });
  it('say why one is offline, in words', async () => {
    now = { ...hall, is_online: false, last_error: 'opening rtmp://camera/live: Connection refused' } as never;
    await show(SourcesPage);
    expect(text()).toContain('Nothing answers at this host and port.');
  });
  it('are moved as many as the server says', async () => {
    server({ 'POST /api/sources/bulk-update-category': { updated_count: 0 } });
    const page = await show(SourcesPage);
    await page.find('main li input[type=checkbox], li input[type=checkbox]').setValue(true);
    const target = page.findAllComponents({ name: 'ElSelect' }).at(-1);
    target?.vm.$emit('update:modelValue', 1);
    await page.vm.$nextTick();
    await click([...document.querySelectorAll('.bulk .el-button--primary')][0]!);
    expect(sent('POST /api/sources/bulk-update-category')).toEqual([{ source_ids: [4], category_id: 1 }]);
    expect(messages()).toEqual(['warning: Nothing was moved. 1 was not there any more.']);
  });
});

describe('a source', () => {
  it('loses its quota when the field is emptied', async () => {
    server({ 'PUT /api/sources/4': hall });
    const saved = vi.fn();
    const page = await show(SourceDialog, { source: hall, categories: [], onSaved: saved });
    await page.findAllComponents({ name: 'ElInput' }).find((one) => one.props('modelValue') === '500')?.vm.$emit('update:modelValue', '');
    await submit('source-save');
    expect(sent('PUT /api/sources/4')).toMatchObject([{ quota_bytes: null, retention_days: 30, name: 'Great hall' }]);
    expect(saved).toHaveBeenCalled();
  });
  it('is not saved when the server is against it, and says so at the field', async () => {
    server({ 'PUT /api/sources/4': refused(422, 'Invalid', { name: 'a name that is taken', nonsense: 'is not known' }) });
    const saved = vi.fn();
    await show(SourceDialog, { source: hall, categories: [], onSaved: saved });
    await type('source-name', 'Chapel');
    await submit('source-save');
    expect(saved).not.toHaveBeenCalled();
    expect(text()).toContain('a name that is taken');
    expect(text()).toContain('nonsense: is not known');
  });
  it('that cannot be reached says why, and can be saved all the same', async () => {
    server({ 'POST /api/sources/test': { ok: false, error: 'Connection refused', tracks: [] } });
    await show(SourceDialog, { source: null, categories: [] });
    await type('source-url', 'rtmp://camera/live');
    await submit('source-test');
    expect(sent('POST /api/sources/test')).toEqual([{ url: 'rtmp://camera/live', transport: 'auto' }]);
    expect(has('source-save')).toBe(false);
    expect(text()).toContain('Nothing answers at this host and port.');
  });
});

describe('a live card', () => {
  it('shows what is safe on the disk, and its whole bitrate', async () => {
    server({ 'GET /api/tasks/9/picture': nothing });
    await show(LiveCard, { live: figures });
    expect(part('live-durable').textContent).toBe('1:05');
    expect(part('live-size').textContent).toBe('1.46 MB');
    expect(text()).toContain('439 kb/s 25 fps');
  });
  it('says why it could not be stopped, and stays', async () => {
    server({ 'GET /api/tasks/9/picture': nothing, 'POST /api/sources/4/record/stop': refused(500, 'the database is locked') });
    useLive().recordings = [figures];
    await show(LiveCard, { live: figures });
    await click('live-stop');
    await answer(true);
    expect(messages()[0]).toContain('the database is locked');
    expect(useLive().recordings).toHaveLength(1);
    expect(part('live-stop').classList.contains('is-loading')).toBe(false);
  });
});
