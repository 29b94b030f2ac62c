import { computed, type WritableComputedRef } from 'vue';
import { useRoute, useRouter } from 'vue-router';

/** What a page shows stands in its address, so that a reload, a bookmark and the button “back” keep it. `first` is not written. */
export function useQuery(): (name: string, first?: string) => WritableComputedRef<string> {
  const route = useRoute();
  const router = useRouter();
  return (name, first = '') =>
    computed({
      get: () => String(route.query[name] ?? first),
      set: (value) => void router.replace({ query: { ...route.query, [name]: value && value !== first ? value : undefined } }),
    });
}
