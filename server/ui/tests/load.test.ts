import { createPinia, setActivePinia } from 'pinia';
import { effectScope, nextTick } from 'vue';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '@/api/errors';
import { useLoad, type LoadOptions } from '@/composables/useLoad';
import { useLive } from '@/stores/live';

/** The server's events, told by hand. */
class Source extends EventTarget {
  static latest: Source;
  static CLOSED = 2;
  readyState = 1;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  constructor() {
    super();
    Source.latest = this;
  }
  close(): void {}
  tell(kind: string, data: object): void {
    this.dispatchEvent(new MessageEvent(kind, { data: JSON.stringify(data) }));
  }
}

let scope = effectScope();
beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('EventSource', Source);
  setActivePinia(createPinia());
  scope = effectScope();
});
afterEach(() => {
  scope.stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});
function load<T>(read: () => Promise<T>, options?: LoadOptions) {
  useLive().open();
  Source.latest.onopen?.();
  return scope.run(() => useLoad(read, options))!;
}
const pass = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1000);

describe('data of the server', () => {
  it('is read once, and anew for a crowd of its changes', async () => {
    const read = vi.fn(async () => 1);
    load(read, { on: ['task_changed'], when: (_kind, data) => data.task_id === 7 });
    await pass(20);
    expect(read).toHaveBeenCalledTimes(1);
    for (const task_id of [7, 7, 7, 8]) Source.latest.tell('task_changed', { task_id });
    Source.latest.tell('source_changed', {});
    await pass(20);
    expect(read).toHaveBeenCalledTimes(2);
  });
  it('is read every five seconds while events do not come, and once when they are back', async () => {
    const read = vi.fn(async () => 1);
    load(read);
    await pass(0);
    Source.latest.onerror?.();
    await pass(11);
    expect(read).toHaveBeenCalledTimes(3);
    Source.latest.onopen?.();
    await pass(20);
    expect(read).toHaveBeenCalledTimes(4);
  });
  it('comes back by itself when the server failed, and is not asked for again when it was refused', async () => {
    let status = 503;
    const read = vi.fn(async () => {
      if (status) throw new ApiError(status, 'no');
      return 'data';
    });
    const { data, error } = load(read);
    await pass(1);
    expect(error.value?.status).toBe(503);
    status = 0;
    await pass(6);
    expect([data.value, error.value]).toEqual(['data', null]);
    const refused = vi.fn(async () => Promise.reject(new ApiError(404, 'gone')));
    scope.run(() => useLoad(refused));
    await pass(30);
    expect(refused).toHaveBeenCalledTimes(1);
  });
  it('drops an answer that was overtaken', async () => {
    const answers: ((value: string) => void)[] = [];
    const { data, reload } = load(() => new Promise<string>((resolve) => answers.push(resolve)));
    void reload();
    answers[1]?.('new');
    await nextTick();
    answers[0]?.('old');
    await pass(0);
    expect(data.value).toBe('new');
  });
});
