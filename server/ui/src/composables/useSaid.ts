import { useI18n } from 'vue-i18n';
import { why } from '@/lib/probe';
import { sentence } from '@/lib/sentences';

/** What the server says, in the language that is shown. */
export function useSaid(): { said: (text: string) => string; reason: (text: string) => string } {
  const { t, locale } = useI18n();
  const said = (text: string): string => sentence(text, locale.value);
  /** Why something failed: with what can be done about it, where that is known. */
  function reason(text: string): string {
    const known = why(text);
    return known === 'other' ? said(text) : t(`sources.why.${known}`);
  }
  return { said, reason };
}
