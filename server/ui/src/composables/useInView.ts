import { onMounted, watch, type Ref } from 'vue';

/** Scrolls a bar that is wider than the screen to its chosen tab, at first and after each change of `of`. */
export function useInView(bar: Readonly<Ref<HTMLElement | null>>, of: () => unknown): void {
  const show = (): void => {
    const root = bar.value;
    const chosen = root?.querySelector<HTMLElement>('[aria-selected="true"], [aria-current="true"]');
    if (!root || !chosen) return;
    const from = chosen.offsetLeft - root.offsetLeft;
    if (from < root.scrollLeft || from + chosen.offsetWidth > root.scrollLeft + root.clientWidth) root.scrollLeft = from - (root.clientWidth - chosen.offsetWidth) / 2;
  };
  onMounted(show);
  watch(of, show, { flush: 'post' });
}
