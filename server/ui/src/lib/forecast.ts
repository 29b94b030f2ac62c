/** When a disk is full, in the unit that people think of it in. */
export function forecast(hours: number | null | undefined): { unit: 'never' | 'hours' | 'days'; count: number } {
  // A guess over more than a year says nothing.
  if (hours == null || !Number.isFinite(hours) || hours > 24 * 365) return { unit: 'never', count: 0 };
  if (hours < 48) return { unit: 'hours', count: Math.max(1, Math.round(hours)) };
  return { unit: 'days', count: Math.round(hours / 24) };
}
