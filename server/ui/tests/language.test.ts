import { createI18n } from 'vue-i18n';
import { describe, expect, it } from 'vitest';
import { chosen } from '@/i18n';
import en from '@/i18n/en';
import zh from '@/i18n/zh-CN';

function flat(words: object, prefix = ''): Record<string, string> {
  return Object.fromEntries(
    Object.entries(words).flatMap(([key, value]) =>
      typeof value === 'string' ? [[`${prefix}${key}`, value]] : Object.entries(flat(value as object, `${prefix}${key}.`)),
    ),
  );
}

describe('languages', () => {
  it('is the first of the browser that there is', () => {
    expect(chosen(['de-DE', 'zh-TW', 'en'])).toBe('zh-CN');
    expect(chosen(['en-GB', 'zh-CN'])).toBe('en');
    expect(chosen(['de'])).toBe('en');
  });
  it('have the same words with the same places for values', () => {
    const [english, chinese] = [flat(en), flat(zh)];
    expect(Object.keys(chinese).sort()).toEqual(Object.keys(english).sort());
    for (const [key, text] of Object.entries(english)) {
      const places = (value: string) => [...new Set(value.match(/\{\w+\}/g) ?? [])].sort();
      expect(places(chinese[key] ?? ''), key).toEqual(places(text));
      expect(text.trim().length, key).toBeGreaterThan(0);
    }
  });
  it('can be said, for none, one and many', () => {
    for (const [locale, words] of [['en', en], ['zh-CN', zh]] as const) {
      const { t } = createI18n({ legacy: false, locale, messages: { [locale]: words } }).global;
      for (const [key, text] of Object.entries(flat(words))) {
        for (const n of text.includes('|') ? [0, 1, 2] : [1]) {
          const values = Object.fromEntries((text.match(/\{\w+\}/g) ?? []).map((place) => [place.slice(1, -1), 'x']));
          const said = t(key, { ...values, n: String(n) }, n);
          expect(said.trim().length, `${key} of ${n}`).toBeGreaterThan(0);
          expect(said, key).not.toMatch(/[|{}]/);
        }
      }
    }
  });
});
