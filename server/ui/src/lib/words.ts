import { ApiError } from '@/api/errors';

/** What to tell a person about an error. */
export function words(error: unknown, t: (key: string) => string): string {
  if (error instanceof ApiError) {
    // A proxy in front says that nothing answers behind it.
    if (error.status === 0 || error.status === 502 || error.status === 504) return t('common.error.unreachable');
    if (error.status === 401) return t('common.error.signedOut');
    if (error.status === 429) return t('common.error.tooMany');
    if (error.status >= 500 && error.status !== 503 && error.status !== 507) return `${t('common.error.server')} (${error.message})`;
    return error.message;
  }
  return String(error instanceof Error ? error.message : error);
}
