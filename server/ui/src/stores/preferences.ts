import { defineStore } from 'pinia';
import { computed, watchEffect } from 'vue';
import { usePreferredDark, useStorage } from '@vueuse/core';
import { chosen, type Locale } from '@/i18n';

export type Theme = 'auto' | 'light' | 'dark';

/** What a person chose on this browser. */
export const usePreferences = defineStore('preferences', () => {
  const locale = useStorage<Locale>('mediastack.locale', chosen());
  const theme = useStorage<Theme>('mediastack.theme', 'auto');
  const grid = useStorage('mediastack.library.grid', true);
  const cards = useStorage('mediastack.sources.cards', false);
  const prefersDark = usePreferredDark();
  const dark = computed(() => theme.value === 'dark' || (theme.value === 'auto' && prefersDark.value));
  watchEffect(() => {
    document.documentElement.classList.toggle('dark', dark.value);
    document.documentElement.lang = locale.value;
  });
  return { locale, theme, grid, cards, dark };
});
