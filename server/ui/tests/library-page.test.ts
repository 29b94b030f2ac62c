import { beforeEach, describe, expect, it, vi } from 'vitest';
import DetailsForm from '@/components/library/DetailsForm.vue';
import LinksPanel from '@/components/library/LinksPanel.vue';
import ReviewPanel from '@/components/library/ReviewPanel.vue';
import LibraryPage from '@/pages/operator/LibraryPage.vue';
import { answer, click, has, messages, nothing, part, refused, sent, server, show, submit, text, type } from './page';

const talk = {
  id: 1, task_id: null, category_id: 2, title: 'On bees', description: 'A talk.', file_path: 'a.mp4', file_size: 1000, duration: 20, thumbnail: '/thumbnails/a.jpg', view_count: 0,
  source_type: 'uploaded', file_type: 'video', status: 'pending', reviewed_at: null, reviewed_by: null, created_at: '2026-01-01T00:00:00Z', updated_at: '2026-01-01T00:00:00Z',
  category: { id: 2, name: 'Lectures', sort_order: 0 }, tags: [{ id: 5, name: 'talk' }], locked: false, is_protected: false, clip_of: null, tracks: [], gaps: [],
};
let listed = [talk, { ...talk, id: 3, title: 'On wasps' }];
beforeEach(() => {
  listed = [talk, { ...talk, id: 3, title: 'On wasps' }];
  server({
    'GET /api/videos': () => listed,
    'GET /api/videos/trash': () => [{ ...talk, id: 8, title: 'Thrown away', deleted_at: '2026-01-02T00:00:00Z' }],
    'GET /api/categories': [],
    'GET /api/tags': [],
    'GET /api/view-codes': [],
    'GET /api/system/info': { settings: [{ name: 'trash_life_s', value: '86400' }] },
  });
});

describe('the library', () => {
  it('tells how many a bulk action reached, and what it did not reach', async () => {
    server({ 'POST /api/videos/batch-publish': { success: 1, success_count: 1, failed_ids: [3] } });
    await show(LibraryPage);
    await click('pick-1');
    await click('pick-3');
    await click('bulk-publish');
    expect(sent('POST /api/videos/batch-publish')).toEqual([{ video_ids: [1, 3] }]);
    expect(messages()).toEqual(['warning: 1 video is published. 1 was not there any more.']);
  });
  it('does not say that something was done when the server refused, and keeps the selection', async () => {
    server({ 'POST /api/videos/batch-publish': refused(500, 'the database is locked') });
    await show(LibraryPage);
    await click('pick-1');
    await click('bulk-publish');
    expect(messages()).toHaveLength(1);
    expect(messages()[0]).toMatch(/^error: 1 could not be done\..*the database is locked/);
    expect(has('bulk')).toBe(true);
  });
  it('undoes a deletion for what was deleted, and nothing else', async () => {
    server({ 'POST /api/videos/batch-delete': { success: 1, success_count: 1, failed_ids: [] }, 'POST /api/videos/*/restore': talk });
    await show(LibraryPage);
    await click('pick-3');
    await click('bulk-delete');
    await click('undo');
    expect(sent('POST /api/videos/3/restore')).toHaveLength(1);
    expect(sent('POST /api/videos/1/restore')).toHaveLength(0);
  });
  it('shows the pictures of the trash', async () => {
    await show(LibraryPage, {}, '/library?show=trash');
    expect(text()).toContain('Thrown away');
    expect(document.querySelector('main img, li img, tr img')?.getAttribute('src')).toBe('/thumbnails/a.jpg');
  });
  it('keeps what it shows while the server fails, and says so', async () => {
    await show(LibraryPage);
    server({ 'GET /api/videos': refused(500, 'the database is locked') });
    await click('view-pending');
    expect(text()).toContain('the database is locked');
    server({ 'GET /api/videos': () => listed });
    await click([...document.querySelectorAll('.el-alert button')].at(-1)!);
    expect(text()).not.toContain('the database is locked');
    expect(text()).toContain('On bees');
  });
});

describe('the details of a video', () => {
  const form = (saved = vi.fn()) => show(DetailsForm, { video: talk, categories: [{ id: 2, name: 'Lectures' }], tags: [{ id: 5, name: 'talk' }], onSaved: saved });
  it('can be emptied: description, category and tags', async () => {
    server({ 'PUT /api/videos/1': talk, 'PUT /api/videos/1/category': talk, 'PUT /api/videos/1/tags': talk });
    const saved = vi.fn();
    const page = await form(saved);
    await type('description', '');
    page.findAllComponents({ name: 'ElSelect' })[0]?.vm.$emit('update:modelValue', null);
    page.findComponent({ name: 'TagSelect' }).vm.$emit('update:modelValue', []);
    await submit('save');
    expect(sent('PUT /api/videos/1')).toEqual([{ title: 'On bees', description: null }]);
    expect(sent('PUT /api/videos/1/category')).toEqual([{ category_id: null }]);
    expect(sent('PUT /api/videos/1/tags')).toEqual([{ tag_ids: [] }]);
    expect(saved).toHaveBeenCalled();
  });
  it('stay as they were typed when they could not be saved', async () => {
    server({ 'PUT /api/videos/1': refused(422, 'Invalid', { title: '1 to 128 characters' }) });
    const saved = vi.fn();
    await form(saved);
    await type('title', 'Better');
    await submit('save');
    expect(saved).not.toHaveBeenCalled();
    expect(text()).toContain('1 to 128 characters');
    expect(part('title').querySelector('input')?.value ?? (part('title') as HTMLInputElement).value).toBe('Better');
  });
});

describe('the review of a video', () => {
  it('is not told as done when it failed', async () => {
    server({ 'POST /api/videos/1/publish': refused(404, 'Video not found') });
    const changed = vi.fn();
    await show(ReviewPanel, { video: talk, at: 0, onChanged: changed });
    await click('publish');
    expect(messages()).toEqual(['error: Video not found']);
    expect(changed).not.toHaveBeenCalled();
  });
  it('says that viewers need a code only while there is one that opens it', async () => {
    const code = { id: 1, code: 'ABC123', is_active: true, expires_at: null, category_ids: [2], category_names: ['Lectures'], use_count: 0, created_at: '2026-01-01T00:00:00Z' };
    server({ 'GET /api/view-codes': [code] });
    await show(ReviewPanel, { video: { ...talk, status: 'published' }, at: 0 });
    expect(text()).toContain('Viewers need a viewing code for “Lectures”.');
  });
});

describe('the links of a video', () => {
  const link = { id: 6, video_id: 1, title: 'Slides', url: 'https://example.org/a', sort_order: 0, created_at: '2026-01-01T00:00:00Z' };
  beforeEach(() => server({ 'GET /api/videos/1/links': [link] }));
  it('are changed in place', async () => {
    server({ 'PUT /api/videos/1/links/6': link });
    await show(LinksPanel, { id: 1 });
    await click('link-edit');
    await type('link-url', 'https://example.org/b');
    await submit('link-save');
    expect(sent('PUT /api/videos/1/links/6')).toEqual([{ title: 'Slides', url: 'https://example.org/b' }]);
    expect(has('link-form')).toBe(false);
  });
  it('keep the form with what is wrong', async () => {
    server({ 'PUT /api/videos/1/links/6': refused(422, 'Invalid', { title: '1 to 64 characters' }) });
    await show(LinksPanel, { id: 1 });
    await click('link-edit');
    await type('link-url', 'nowhere');
    await submit('link-save');
    expect(sent('PUT /api/videos/1/links/6')).toHaveLength(0);
    expect(document.querySelector('[role=alert]')?.textContent).toBeTruthy();
    await type('link-url', 'https://example.org/b');
    await submit('link-save');
    expect(text()).toContain('1 to 64 characters');
    expect(has('link-form')).toBe(true);
  });
  it('are removed only after a question', async () => {
    server({ 'DELETE /api/videos/1/links/6': nothing });
    await show(LinksPanel, { id: 1 });
    await click(document.querySelectorAll('.tools button')[1]!);
    await answer(false);
    expect(sent('DELETE /api/videos/1/links/6')).toHaveLength(0);
  });
});
