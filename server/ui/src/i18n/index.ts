import { createI18n } from 'vue-i18n';
import type { Language } from 'element-plus/es/locale/index';
import type { Messages } from './en';

export type Locale = 'en' | 'zh-CN';

/** The language that the browser asks for, of those that there are. */
export function chosen(languages: readonly string[] = navigator.languages): Locale {
  const first = languages.find((language) => /^(en|zh)\b/i.test(language));
  return first && /^zh/i.test(first) ? 'zh-CN' : 'en';
}

const loaders: Record<Locale, () => Promise<{ messages: Messages; components: Language }>> = {
  en: async () => {
    const [own, components] = await Promise.all([import('./en'), import('element-plus/es/locale/lang/en')]);
    return { messages: own.default, components: components.default };
  },
  'zh-CN': async () => {
    const [own, components] = await Promise.all([import('./zh-CN'), import('element-plus/es/locale/lang/zh-cn')]);
    return { messages: own.default, components: components.default };
  },
};

export const i18n = createI18n({ legacy: false, locale: 'en', fallbackLocale: 'en', messages: {}, missingWarn: false, fallbackWarn: false });

/** The language that is shown. */
export const spoken = (): string => (i18n.global.locale as unknown as { value: string }).value;

const components = new Map<Locale, Language>();

/** Loads a language's words; those of the components come back. */
export async function speak(locale: Locale): Promise<Language> {
  let words = components.get(locale);
  if (!words) {
    const loaded = await loaders[locale]();
    i18n.global.setLocaleMessage(locale, loaded.messages as never);
    words = loaded.components;
    components.set(locale, words);
  }
  (i18n.global.locale as unknown as { value: string }).value = locale;
  return words;
}
