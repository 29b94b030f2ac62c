/** Gigabytes as people type them; null for nothing, undefined for what is no amount. */
export function fromGigabytes(text: string): number | null | undefined {
  const plain = text.trim().replace(',', '.');
  if (plain === '') return null;
  if (!/^\d+(\.\d+)?$/.test(plain)) return undefined;
  const bytes = Math.round(Number(plain) * 1e9);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** The same the other way, to the byte: what was not changed in a form is saved as it was. */
export function toGigabytes(bytes: number | null | undefined): string {
  return bytes == null ? '' : (bytes / 1e9).toFixed(9).replace(/\.?0+$/, '');
}
