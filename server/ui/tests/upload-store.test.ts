import { createPinia, setActivePinia } from 'pinia';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { onExpired } from '@/api/client';
import { useUploads } from '@/stores/uploads';

interface Options {
  uploadUrl: string | null;
  metadata: Record<string, string>;
  onProgress: (sent: number, size: number) => void;
  onUploadUrlAvailable: () => void;
  onSuccess: (payload: { lastResponse: unknown }) => void;
  onError: (error: unknown) => void;
  onShouldRetry: (error: unknown) => boolean;
}
const made: Fake[] = vi.hoisted(() => []);
class Fake {
  url: string | null;
  aborted = false;
  constructor(readonly file: File, readonly options: Options) {
    this.url = options.uploadUrl;
    made.push(this);
  }
  start(): void {
    this.url ??= `/api/tus/${made.length}`;
    this.options.onUploadUrlAvailable();
  }
  async abort(): Promise<void> {
    this.aborted = true;
  }
}
vi.mock('tus-js-client', () => ({ Upload: Fake }));

const file = (name: string, size = 1000): File => new File([new Uint8Array(size)], name, { lastModified: 5 });
const about = { category_id: 3, tag_ids: [1, 2] };
const answer = (status: number, body = '') => ({ originalResponse: { getStatus: () => status, getBody: () => body }, message: 'tus: failed' });
const done = (video: number) => ({ lastResponse: { getHeader: () => String(video), getStatus: () => 204 } });
/** Waits until so many uploads were made; the module of them comes when it is needed. */
const begun = (count: number): Promise<void> => vi.waitFor(() => expect(made).toHaveLength(count), { interval: 2 });
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10));
const last = (): Fake => made.at(-1) as Fake;

beforeEach(() => {
  made.length = 0;
  localStorage.clear();
  setActivePinia(createPinia());
});

afterEach(() => useUploads().$dispose());

describe('uploads', () => {
  it('run two at a time, and tell the server what they are', async () => {
    const uploads = useUploads();
    for (const name of ['a.mp4', 'b.mp4', 'c.mp4']) uploads.add(file(name), about);
    await begun(2);
    expect(made.map((one) => one.file.name)).toEqual(['a.mp4', 'b.mp4']);
    expect(made[0]?.options.metadata).toEqual({ filename: 'a.mp4', title: 'a', category_id: '3', tags: '1,2' });
    made[0]?.options.onSuccess(done(7));
    await begun(3);
    expect(uploads.items.map((item) => [item.state, item.video])).toEqual([['done', 7], ['checking', null], ['checking', null]]);
    expect(uploads.add(file('b.mp4'), about)).toBe(false);
  });

  it('survive a reload: the same file goes on where it was, another does not', async () => {
    const before = useUploads();
    before.add(file('a.mp4'), about);
    await begun(1);
    last().options.onProgress(400, 1000);
    const item = before.items[0];
    if (item) item.title = 'My title';
    await settled();
    before.$dispose();
    setActivePinia(createPinia());
    const after = useUploads();
    expect(after.items.map((one) => [one.state, one.sent, one.title, one.url])).toEqual([['lost', 400, 'My title', '/api/tus/1']]);
    after.add(file('a.mp4', 999), about);
    await begun(2);
    expect([after.items.length, last().options.uploadUrl]).toEqual([2, null]);
    after.add(file('a.mp4'), about);
    await begun(3);
    expect(after.items).toHaveLength(2);
    expect(last().options.uploadUrl).toBe('/api/tus/1');
  });

  it('are tried again when the network fails, and not when the file is refused', async () => {
    const uploads = useUploads();
    uploads.add(file('a.mp4'), about);
    await begun(1);
    expect([0, 500, 409].map((status) => last().options.onShouldRetry(answer(status)))).toEqual([true, true, true]);
    expect([400, 401, 404, 507].map((status) => last().options.onShouldRetry(answer(status)))).toEqual([false, false, false, false]);
    last().options.onError(answer(0));
    expect(uploads.items[0]?.state).toBe('retrying');
    const first = last();
    dispatchEvent(new Event('online'));
    await begun(2);
    expect([made.length, last() !== first, last().options.uploadUrl]).toEqual([2, true, '/api/tus/1']);
    last().options.onError(answer(400, '{"detail":"it is no media file"}'));
    expect(uploads.items[0]).toMatchObject({ state: 'failed', error: 'it is no media file', sent: 0, url: '' });
  });

  it('wait for a new sign-in and go on', async () => {
    const uploads = useUploads();
    let status = 401;
    vi.stubGlobal('fetch', async () => new Response('{}', { status, headers: { 'content-type': 'application/json' } }));
    let settle: (signedIn: boolean) => void = () => {};
    onExpired(() => new Promise((resolve) => (settle = resolve)));
    uploads.add(file('a.mp4'), about);
    await begun(1);
    last().options.onError(answer(401));
    await settled();
    expect([uploads.items[0]?.state, made.length]).toEqual(['paused', 1]);
    status = 200;
    settle(true);
    await begun(2);
    expect([uploads.items[0]?.state, made.length, last().options.uploadUrl]).toEqual(['checking', 2, '/api/tus/1']);
    vi.unstubAllGlobals();
  });

  it('stop when they are paused or removed', async () => {
    const uploads = useUploads();
    uploads.add(file('a.mp4'), about);
    await begun(1);
    const item = uploads.items[0];
    if (!item) throw new Error('nothing was added');
    uploads.pause(item);
    expect([last().aborted, item.state]).toEqual([true, 'paused']);
    uploads.resume(item);
    await begun(2);
    expect([made.length, item.state]).toEqual([2, 'checking']);
    const asked: string[] = [];
    vi.stubGlobal('fetch', async (url: string, init: RequestInit) => (asked.push(`${init.method} ${url}`), new Response(null, { status: 204 })));
    await uploads.remove(item);
    expect([uploads.items.length, last().aborted, asked]).toEqual([0, true, ['DELETE /api/tus/1']]);
    vi.unstubAllGlobals();
  });
});
