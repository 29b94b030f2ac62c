import { ApiError } from '@/api/errors';
import { spoken } from '@/i18n';
import { sentence } from './sentences';

/** What to tell a person about an error. */
export function words(error: unknown, t: (key: string) => string): string {
  if (error instanceof ApiError) {
    // A proxy in front says that nothing answers behind it.
    if (error.status === 0 || error.status === 502 || error.status === 504) return t('common.error.unreachable');
    if (error.status === 401) return t('common.error.signedOut');
    if (error.status === 429) return t('common.error.tooMany');
    const said = sentence(error.message, spoken());
    return error.status >= 500 && error.status !== 503 && error.status !== 507 ? `${t('common.error.server')} (${said})` : said;
  }
  return String(error instanceof Error ? error.message : error);
}

/** What is wrong with each field that the server names; nothing for other errors. */
export function fieldWords(error: unknown): Record<string, string> {
  if (!(error instanceof ApiError)) return {};
  return Object.fromEntries(Object.entries(error.fields).map(([name, message]) => [name, sentence(message, spoken())]));
}
