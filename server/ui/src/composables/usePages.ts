import { computed, ref, watch, type ComputedRef, type Ref } from 'vue';
import type { Page } from '@/api/page';
import { useLoad, type LoadOptions } from './useLoad';

/** What one request of the API gives at most. */
const MOST = 100;

export interface Pages<T> {
  items: ComputedRef<T[]>;
  total: ComputedRef<number>;
  /** True once something came. */
  some: ComputedRef<boolean>;
  error: ReturnType<typeof useLoad>['error'];
  loading: Ref<boolean>;
  reload: () => Promise<void>;
  /** Shows as many more. */
  more: () => Promise<void>;
}

/**
 * A long list, shown from its beginning and longer at each `more`. All that is shown is read anew when something changes, so that a row
 * that moved, came or went is seen. A change of `of` begins it again.
 */
export function usePages<T extends { id: number }>(read: (skip: number, limit: number) => Promise<Page<T>>, options: LoadOptions & { size: number; of?: () => unknown }): Pages<T> {
  const wanted = ref(options.size);
  const loaded = useLoad(() => pages(read, wanted.value), options);
  if (options.of) {
    watch(options.of, (now, before) => {
      if (JSON.stringify(now) === JSON.stringify(before)) return;
      wanted.value = options.size;
      void loaded.reload();
    });
  }
  async function more(): Promise<void> {
    wanted.value += options.size;
    await loaded.reload();
  }
  return {
    items: computed(() => loaded.data.value?.items ?? []),
    total: computed(() => loaded.data.value?.total ?? 0),
    some: computed(() => loaded.data.value !== undefined),
    error: loaded.error,
    loading: loaded.loading,
    reload: loaded.reload,
    more,
  };
}

/** The first `count` items by requests of at most a hundred. One that moved between two requests is there once. */
export async function pages<T extends { id: number }>(read: (skip: number, limit: number) => Promise<Page<T>>, count: number): Promise<Page<T>> {
  const starts = Array.from({ length: Math.ceil(count / MOST) }, (_, index) => index * MOST);
  const got = await Promise.all(starts.map((skip) => read(skip, Math.min(MOST, count - skip))));
  const byId = new Map(got.flatMap((one) => one.items.map((item) => [item.id, item] as const)));
  return { items: [...byId.values()], total: got.at(-1)?.total ?? 0 };
}
