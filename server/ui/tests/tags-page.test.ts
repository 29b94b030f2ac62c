import { describe, expect, it, vi } from 'vitest';
import TagList from '@/components/people/TagList.vue';
import { click, part, refused, sent, server, show, submit, text, type } from './page';

const tag = { id: 7, name: 'talk', created_at: '2026-01-01T00:00:00Z', video_count: 2 };

describe('tags', () => {
  it('get another name, and only that', async () => {
    server({ 'PUT /api/tags/7': { ...tag, name: 'lecture' } });
    const changed = vi.fn();
    await show(TagList, { tags: [tag], onChanged: changed });
    await click('tag-edit');
    await type('tag-rename', ' lecture ');
    await submit('tag-rename');
    expect(sent('PUT /api/tags/7')).toEqual([{ name: 'lecture' }]);
    expect(changed).toHaveBeenCalled();
  });
  it('keep the field open with what the server has against a name', async () => {
    server({ 'PUT /api/tags/7': refused(400, 'Tag name already exists') });
    const changed = vi.fn();
    await show(TagList, { tags: [tag], onChanged: changed });
    await click('tag-edit');
    await type('tag-rename', 'hall');
    await submit('tag-rename');
    expect(text()).toContain('Tag name already exists');
    expect((part('tag-rename') as HTMLInputElement).value).toBe('hall');
    expect(changed).not.toHaveBeenCalled();
  });
});
