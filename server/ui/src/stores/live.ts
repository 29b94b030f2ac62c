import { defineStore } from 'pinia';
import { ref, shallowRef } from 'vue';
import type { Live } from '@/api/types';

/** The kinds of change that the server tells. */
export const KINDS = [
  'source_status_changed',
  'source_changed',
  'task_changed',
  'schedule_changed',
  'video_changed',
  'views_counted',
  'catalogue_changed',
  'job_changed',
] as const;
export type Kind = (typeof KINDS)[number];

type Listener = (kind: Kind | 'resync', data: Record<string, unknown>) => void;

/** The server's events: running recordings every two seconds, and one message for each change. */
export const useLive = defineStore('live', () => {
  const recordings = shallowRef<Live[]>([]);
  /** When `recordings` came, in ms of the browser's clock; 0 before the first. */
  const at = ref(0);
  const connected = ref(false);
  const listeners = new Set<Listener>();
  let source: EventSource | null = null;
  let retry: ReturnType<typeof setTimeout> | undefined;

  function tell(kind: Kind | 'resync', data: Record<string, unknown>): void {
    for (const listener of listeners) listener(kind, data);
  }

  function open(): void {
    if (source) return;
    clearTimeout(retry);
    const opened = new EventSource('/api/events');
    source = opened;
    let seen = false;
    opened.onopen = () => {
      connected.value = true;
      // What happened while nobody listened is unknown: read the lists anew.
      if (seen || at.value > 0) tell('resync', {});
      seen = true;
    };
    opened.onerror = () => {
      connected.value = false;
      if (opened.readyState !== EventSource.CLOSED) return;
      source = null;
      retry = setTimeout(open, 3000);
    };
    opened.addEventListener('live', (event) => {
      recordings.value = JSON.parse((event as MessageEvent<string>).data) as Live[];
      at.value = Date.now();
    });
    opened.addEventListener('resync', () => tell('resync', {}));
    for (const kind of KINDS) {
      opened.addEventListener(kind, (event) => tell(kind, JSON.parse((event as MessageEvent<string>).data)));
    }
  }

  function close(): void {
    clearTimeout(retry);
    source?.close();
    source = null;
    connected.value = false;
  }

  /** Takes a recording that was stopped off the list, before the server tells the next one. */
  function forget(source: number): void {
    recordings.value = recordings.value.filter((one) => one.source_id !== source);
  }

  /** Calls `listener` for each change until the returned function is called. */
  function listen(listener: Listener): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  return { recordings, at, connected, open, close, forget, listen };
});
