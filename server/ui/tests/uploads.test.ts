import { describe, expect, it } from 'vitest';
import { left, Speed } from '@/lib/speed';
import { read, refusal, said, same, titleOf } from '@/lib/uploads';

const file = (name: string, size: number, lastModified = 1) => ({ name, size, lastModified });

describe('files', () => {
  const limits = { video: 1000, audio: 100 };
  it('are refused before any of it is sent', () => {
    expect(refusal(file('a.MP4', 1000), limits)).toBeNull();
    expect(refusal(file('a.mp3', 100), limits)).toBeNull();
    expect(refusal(file('a.exe', 10), limits)).toEqual({ why: 'kind' });
    expect(refusal(file('mp4', 10), limits)).toEqual({ why: 'kind' });
    expect(refusal(file('a.mkv', 0), limits)).toEqual({ why: 'empty' });
    expect(refusal(file('a.mp3', 101), limits)).toEqual({ why: 'large', limit: 100 });
    expect(refusal(file('a.mov', 1001), limits)).toEqual({ why: 'large', limit: 1000 });
  });
  it('are known again by name, size and date', () => {
    const kept = { name: 'a.mp4', size: 10, modified: 1 };
    expect(same(kept, file('a.mp4', 10))).toBe(true);
    for (const other of [file('b.mp4', 10), file('a.mp4', 11), file('a.mp4', 10, 2)]) expect(same(kept, other)).toBe(false);
  });
  it('suggest a title', () => {
    expect([titleOf('my_talk.2026.mp4'), titleOf('My talk_1.mp4'), titleOf('.mp4'), titleOf('讲座.mp4'), titleOf('x'.repeat(300)).length]).toEqual(['my talk.2026', 'My talk_1', '.mp4', '讲座', 128]);
  });
});

describe('what the browser remembers', () => {
  it('is read back', () => {
    const kept = { key: 'k', name: 'a.mp4', size: 10, modified: 1, title: 'A', category_id: null, tag_ids: [], url: '/api/tus/1', sent: 5 };
    expect(read(JSON.stringify([kept, { key: 'broken' }, null]))).toEqual([kept]);
  });
  it('is nothing when it is no list', () => {
    for (const text of [null, '', '{', '{}', '"x"']) expect(read(text)).toEqual([]);
  });
});

describe('what the server says', () => {
  it('is the sentence of its problem', () => expect(said('{"detail":"it is no media file"}')).toBe('it is no media file'));
  it('is nothing when it is no problem', () => {
    for (const body of [undefined, '', '<html>', '{"detail":[1]}', 'null']) expect(said(body)).toBeNull();
  });
});

describe('speed', () => {
  it('is that of the last seconds', () => {
    const speed = new Speed();
    for (let second = 0; second <= 20; second++) speed.add(second * 1000, second < 10 ? second * 100 : 1000 + (second - 10) * 500);
    expect(speed.rate(20_000)).toBeCloseTo(500);
    expect(left(1000, speed.rate(20_000))).toBe(2);
  });
  it('is not known at first, after a silence, and when it was begun again', () => {
    const speed = new Speed();
    speed.add(0, 5000);
    expect(speed.rate(0)).toBeNull();
    speed.add(1000, 6000);
    expect(speed.rate(1000)).toBeCloseTo(1000);
    expect(speed.rate(10_000)).toBeNull();
    speed.add(2000, 10);
    expect(speed.rate(2000)).toBeNull();
    expect(left(5, null)).toBeNull();
  });
});
