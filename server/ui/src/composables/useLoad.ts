import { onScopeDispose, ref, shallowRef, type Ref, type ShallowRef } from 'vue';
import { useDocumentVisibility, useIntervalFn } from '@vueuse/core';
import { ApiError } from '@/api/errors';
import { useLive, type Kind } from '@/stores/live';

export interface Loaded<T> {
  data: ShallowRef<T | undefined>;
  error: Ref<ApiError | null>;
  loading: Ref<boolean>;
  reload: () => Promise<void>;
}

export interface LoadOptions {
  /** Changes after which the data is read anew. */
  on?: Kind[];
  /** Only changes for which this is true. */
  when?: (kind: Kind, data: Record<string, unknown>) => boolean;
  /** Milliseconds between readings whatever happens; none without it. While events don't come, at most 5 s. */
  every?: number;
  /** On a visitor's page, where no events come: only `every` counts. */
  visitor?: boolean;
}

/**
 * Data of the server that stays true: read now, after each change that the server tells, after a lost connection, and every five
 * seconds while events don't come or the server fails. An answer that was overtaken by a later question is dropped. Data stays while it is read anew.
 */
export function useLoad<T>(read: () => Promise<T>, options: LoadOptions = {}): Loaded<T> {
  const data = shallowRef<T>();
  const error = ref<ApiError | null>(null);
  const loading = ref(true);
  let asked = 0;

  async function reload(): Promise<void> {
    const mine = ++asked;
    loading.value = true;
    try {
      const got = await read();
      if (mine !== asked) return;
      data.value = got;
      error.value = null;
    } catch (cause) {
      if (mine !== asked) return;
      error.value = cause instanceof ApiError ? cause : new ApiError(0, String(cause));
    }
    loading.value = false;
  }

  const live = useLive();
  let soon: ReturnType<typeof setTimeout> | undefined;
  const stop = live.listen((kind, what) => {
    const wanted = kind === 'resync' || (options.on?.includes(kind) && (options.when?.(kind, what) ?? true));
    if (!wanted || soon) return;
    // Changes come in crowds: one reading for all of them.
    soon = setTimeout(() => {
      soon = undefined;
      void reload();
    }, 250);
  });
  const visible = useDocumentVisibility();
  let last = Date.now();
  useIntervalFn(() => {
    const status = error.value?.status;
    const down = status === 0 || (status !== undefined && status >= 500);
    const pace = !down && (live.connected || options.visitor) ? (options.every ?? Number.POSITIVE_INFINITY) : Math.min(options.every ?? 5000, 5000);
    if (visible.value === 'hidden' || Date.now() - last < pace) return;
    last = Date.now();
    void reload();
  }, 1000);
  onScopeDispose(() => {
    stop();
    clearTimeout(soon);
    asked++;
  });
  void reload();
  return { data, error, loading, reload };
}
