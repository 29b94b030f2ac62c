import { defineStore } from 'pinia';
import { computed, ref, watch } from 'vue';
import type { DetailedError, HttpResponse, Upload } from 'tus-js-client';
import { api, ok } from '@/api/client';
import { left, Speed } from '@/lib/speed';
import { read, said, same, titleOf, type Kept } from '@/lib/uploads';

export type UploadState = 'waiting' | 'checking' | 'sending' | 'paused' | 'retrying' | 'finishing' | 'done' | 'failed' | 'lost';

/** An upload as it is shown. */
export interface Item extends Kept {
  state: UploadState;
  rate: number | null;
  left: number | null;
  /** What the server said when it did not take it. */
  error: string;
  video: number | null;
}

/** What runs behind an item. */
interface Running {
  file: File;
  upload: Upload | null;
  speed: Speed;
  /** Title and so on as the server was told at the beginning. */
  told: string;
}

const STORE = 'mediastack.uploads';
/** More at once share the same line; fewer leave it idle while one is checked. */
const AT_ONCE = 2;
/** Bytes of one request: proxies in between often refuse more than 100 MB. */
const CHUNK = 64 << 20;
/** Milliseconds until an upload that the network stopped is tried again. */
const AGAIN = 10_000;

let loading: Promise<typeof import('tus-js-client')> | null = null;

/** The library, once it is needed; a load that failed is tried again the next time. */
function load(): Promise<typeof import('tus-js-client')> {
  loading ??= import('tus-js-client').catch((error: unknown) => {
    loading = null;
    throw error;
  });
  return loading;
}

/**
 * Files on their way to the server, by tus. They go on while other pages are looked at; after a lost connection by themselves; after a reload once
 * the same file is chosen again, from the byte that the server has.
 */
export const useUploads = defineStore('uploads', () => {
  const items = ref<Item[]>(read(localStorage.getItem(STORE)).map((kept) => ({ ...kept, state: 'lost', rate: null, left: null, error: '', video: null })));
  const running = new Map<string, Running>();
  const busy = computed(() => items.value.filter((item) => ['waiting', 'checking', 'sending', 'retrying', 'finishing'].includes(item.state)));
  const active = computed(() => items.value.filter((item) => ['checking', 'sending', 'retrying', 'finishing'].includes(item.state)));
  /** The last that came to its end, for those who hear and don't see. */
  const finished = ref('');

  watch(
    items,
    (list) => {
      const open = list.filter((item) => item.state !== 'done' && item.state !== 'failed');
      const kept: Kept[] = open.map(({ key, name, size, modified, title, category_id, tag_ids, url, sent }) => ({ key, name, size, modified, title, category_id, tag_ids, url, sent }));
      localStorage.setItem(STORE, JSON.stringify(kept));
    },
    { deep: true },
  );

  /** Takes a file: goes on with one of which a part was sent, or begins. False when it is in the list already. */
  function add(file: File, about: { category_id: number | null; tag_ids: number[] }): boolean {
    const known = items.value.find((item) => same(item, file) && item.state !== 'done');
    if (known && known.state !== 'lost' && known.state !== 'failed') return false;
    if (known) {
      resumeWith(known, file);
      return true;
    }
    const key = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
    items.value.push({ key, name: file.name, size: file.size, modified: file.lastModified, title: titleOf(file.name), ...about, url: '', sent: 0, state: 'waiting', rate: null, left: null, error: '', video: null });
    running.set(key, { file, upload: null, speed: new Speed(), told: '' });
    next();
    return true;
  }

  /** Goes on with an item whose file was chosen again. */
  function resumeWith(item: Item, file: File): void {
    running.set(item.key, { file, upload: null, speed: new Speed(), told: '' });
    [item.state, item.error] = ['waiting', ''];
    next();
  }

  function next(): void {
    for (const item of items.value) {
      if (active.value.length >= AT_ONCE) return;
      if (item.state === 'waiting') void begin(item);
    }
  }

  async function begin(item: Item): Promise<void> {
    const run = running.get(item.key);
    if (!run) return;
    item.state = 'checking';
    item.error = '';
    run.speed.reset();
    const library = await load().catch(() => null);
    // It was paused or removed meanwhile.
    if (running.get(item.key) !== run || item.state !== 'checking') return;
    if (!library) {
      again(item, run);
      return;
    }
    run.told = item.url ? '' : about(item);
    const upload = new library.Upload(run.file, {
      endpoint: '/api/tus',
      uploadUrl: item.url || null,
      chunkSize: CHUNK,
      retryDelays: [500, 1500, 4000],
      storeFingerprintForResuming: false,
      // With the cookie alone the server changes nothing: this shows that a page's script asks.
      headers: { 'X-Requested-With': 'mediastack' },
      metadata: { filename: item.name, title: item.title, ...(item.category_id ? { category_id: String(item.category_id) } : {}), ...(item.tag_ids.length ? { tags: item.tag_ids.join(',') } : {}) },
      onUploadUrlAvailable: () => {
        if (upload.url && item.url && upload.url !== item.url) run.told = about(item);
        item.url = upload.url ?? '';
      },
      onAfterResponse: (_request, response) => {
        const video = Number(response.getHeader('Upload-Video-Id'));
        if (video > 0) item.video = video;
      },
      onShouldRetry: (error) => {
        if (!passing(error)) return false;
        item.state = 'retrying';
        return true;
      },
      onProgress: (sent) => {
        item.sent = sent;
        item.state = sent >= item.size ? 'finishing' : 'sending';
        run.speed.add(performance.now(), sent);
        item.rate = run.speed.rate(performance.now());
        item.left = left(item.size - sent, item.rate);
      },
      onSuccess: (payload) => void succeeded(item, run, payload.lastResponse),
      onError: (error) => void failed(item, run, error as DetailedError),
    });
    run.upload = upload;
    upload.start();
  }

  const about = (item: Item): string => JSON.stringify([item.title, item.category_id, item.tag_ids]);

  async function succeeded(item: Item, run: Running, response: HttpResponse): Promise<void> {
    item.video ??= Number(response.getHeader('Upload-Video-Id')) || null;
    // What was typed after the beginning is put on the video.
    if (item.video && run.told !== about(item)) {
      const path = { params: { path: { id: item.video } } };
      await ok(api.PUT('/api/videos/{id}', { ...path, body: { title: item.title.trim() || titleOf(item.name) } })).catch(() => undefined);
      await ok(api.PUT('/api/videos/{id}/category', { ...path, body: { category_id: item.category_id } })).catch(() => undefined);
      await ok(api.PUT('/api/videos/{id}/tags', { ...path, body: { tag_ids: item.tag_ids } })).catch(() => undefined);
    }
    [item.state, item.sent, item.rate, item.left] = ['done', item.size, null, null];
    finished.value = item.title;
    running.delete(item.key);
    next();
  }

  function again(item: Item, run: Running): void {
    item.state = 'retrying';
    setTimeout(() => item.state === 'retrying' && running.get(item.key) === run && void begin(item), AGAIN);
  }

  /** The network, or a server that starts again: not the upload's fault. */
  function passing(error: DetailedError): boolean {
    const status = error.originalResponse?.getStatus() ?? 0;
    return status === 0 || status === 409 || status === 423 || status === 429 || (status >= 500 && status !== 507);
  }

  async function failed(item: Item, run: Running, error: DetailedError): Promise<void> {
    [item.rate, item.left] = [null, null];
    const status = error.originalResponse?.getStatus() ?? 0;
    if (passing(error)) {
      again(item, run);
      return;
    }
    if (status === 401) {
      item.state = 'paused';
      // Asks for the sign-in that has run out; with it, the upload goes on.
      await ok(api.GET('/api/system/status')).then(() => resume(item), () => undefined);
      next();
      return;
    }
    item.error = said(error.originalResponse?.getBody()) ?? error.message;
    item.state = 'failed';
    // What the server ended can't be gone on with.
    if (status !== 507) [item.url, item.sent] = ['', 0];
    next();
  }

  function pause(item: Item): void {
    if (item.state === 'done' || item.state === 'failed' || item.state === 'lost') return;
    void running.get(item.key)?.upload?.abort();
    [item.state, item.rate, item.left] = ['paused', null, null];
    next();
  }
  function resume(item: Item): void {
    if (!running.has(item.key)) item.state = 'lost';
    else if (item.state === 'paused' || item.state === 'failed' || item.state === 'retrying') item.state = 'waiting';
    next();
  }
  /** Takes it out of the list, and what was sent off the server. */
  async function remove(item: Item): Promise<void> {
    const run = running.get(item.key);
    running.delete(item.key);
    items.value = items.value.filter((one) => one.key !== item.key);
    await run?.upload?.abort();
    if (item.url && item.state !== 'done') await fetch(item.url, { method: 'DELETE', headers: { 'Tus-Resumable': '1.0.0', 'X-Requested-With': 'mediastack' } }).catch(() => undefined);
    next();
  }
  const pauseAll = (): void => busy.value.forEach(pause);
  const resumeAll = (): void => items.value.filter((item) => item.state === 'paused' || item.state === 'retrying').forEach(resume);
  const clearDone = (): void => void (items.value = items.value.filter((item) => item.state !== 'done'));

  // Back on the network: no need to wait any longer.
  addEventListener('online', () => items.value.filter((item) => item.state === 'retrying').forEach(resume));
  // A page that is closed stops what it sends; the browser asks, and says it in its own words.
  addEventListener('beforeunload', (event) => active.value.length && event.preventDefault());

  return { items, busy, active, finished, add, resumeWith, pause, resume, remove, pauseAll, resumeAll, clearDone };
});
