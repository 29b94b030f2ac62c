import { describe, expect, it } from 'vitest';
import { pages } from '@/composables/usePages';
import { each, inBatches, tagGroups, together } from '@/lib/batch';

const ids = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

describe('many at once', () => {
  it('go by the hundred, and what is told is what the server did', async () => {
    const sizes: number[] = [];
    const outcome = await inBatches(ids(250), async (some) => {
      sizes.push(some.length);
      return { success_count: some.length - 1, failed_ids: some.slice(0, 1) };
    });
    expect(sizes).toEqual([100, 100, 50]);
    expect(outcome).toEqual({ done: 247, failed: [1, 101, 201] });
  });
  it('stop at a failed request; what was done before counts, what came after does not', async () => {
    const refused = new Error('no');
    const outcome = await inBatches(ids(250), async (some) => {
      if (some.includes(101)) throw refused;
      return { success_count: some.length, failed_ids: [] };
    });
    expect([outcome.done, outcome.failed.length, outcome.error]).toEqual([100, 150, refused]);
  });
  it('one by one, a few at a time, to the end', async () => {
    let [now, most] = [0, 0];
    const outcome = await each(ids(10), async (id) => {
      most = Math.max(most, ++now);
      await Promise.resolve();
      now--;
      if (id % 3 === 0) throw new Error(String(id));
    }, 3);
    expect([most, outcome.done, outcome.failed.sort()]).toEqual([3, 7, [3, 6, 9]]);
    expect(together([outcome, { done: 1, failed: [] }])).toMatchObject({ done: 8, failed: [3, 6, 9] });
  });
});

describe('tags', () => {
  const videos = [{ id: 1, tags: [{ id: 5 }] }, { id: 2, tags: [] }, { id: 3, tags: [{ id: 7 }, { id: 5 }] }, { id: 4, tags: [{ id: 5 }, { id: 9 }] }];
  it('are added to those that are there, by groups of the same outcome', () => {
    expect(tagGroups(videos, [7], [])).toEqual([{ tag_ids: [5, 7], ids: [1] }, { tag_ids: [7], ids: [2] }, { tag_ids: [5, 7, 9], ids: [4] }]);
  });
  it('are taken away; a video that had none of them is left alone', () => {
    expect(tagGroups(videos, [], [5, 9])).toEqual([{ tag_ids: [], ids: [1, 4] }, { tag_ids: [7], ids: [3] }]);
  });
});

describe('a long list', () => {
  const list = (count: number) => async (skip: number, limit: number) => ({ items: ids(count).slice(skip, skip + limit).map((id) => ({ id })), total: count });
  it('comes by hundreds and whole', async () => {
    const got = await pages(list(1234), 260);
    expect([got.items.length, got.items.at(-1), got.total]).toEqual([260, { id: 260 }, 1234]);
  });
  it('has an item once that moved between two requests', async () => {
    const got = await pages(async (skip, limit) => ({ items: ids(300).slice(Math.max(0, skip - 1), skip + limit).map((id) => ({ id })), total: 300 }), 200);
    expect(new Set(got.items.map((item) => item.id)).size).toBe(got.items.length);
  });
});
