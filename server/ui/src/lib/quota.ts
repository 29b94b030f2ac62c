/** Gigabytes as people type them; null for nothing, undefined for what is no amount. */
export function fromGigabytes(text: string): number | null | undefined {
  const plain = text.trim().replace(',', '.');
  if (plain === '') return null;
  if (!/^\d+(\.\d+)?$/.test(plain)) return undefined;
  const bytes = Math.round(Number(plain) * 1e9);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** The same the other way. */
export function toGigabytes(bytes: number | null | undefined): string {
  return bytes == null ? '' : String(Number((bytes / 1e9).toFixed(3)));
}
