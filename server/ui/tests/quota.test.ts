import { describe, expect, it } from 'vitest';
import { forecast } from '@/lib/forecast';
import { fromGigabytes, toGigabytes } from '@/lib/quota';

describe('an amount of storage', () => {
  it('is typed in gigabytes, in any language', () => {
    expect(['500', ' 1.5 ', '0,25', '0', ''].map(fromGigabytes)).toEqual([5e11, 1.5e9, 2.5e8, 0, null]);
    expect(['x', '-1', '1e3', '1.2.3', '99999999999'].map(fromGigabytes)).toEqual(Array(5).fill(undefined));
  });
  it('comes back as it was typed', () => {
    for (const text of ['500', '100', '1.5', '0.25', '0.0001', '']) expect(toGigabytes(fromGigabytes(text))).toBe(text);
  });
  it('is saved as it was, to the byte, when nobody touched it', () => {
    for (const bytes of [1, 100_000, 1_073_741_824, 1_234_567, 123_456_789_012_345, null]) expect(fromGigabytes(toGigabytes(bytes))).toBe(bytes);
  });
});

describe('when a disk is full', () => {
  it('is told in hours, then in days, and not at all when that is a guess', () => {
    expect([0.2, 1, 47, 49, 24 * 30, 24 * 400, null].map((hours) => forecast(hours))).toEqual([
      { unit: 'hours', count: 1 },
      { unit: 'hours', count: 1 },
      { unit: 'hours', count: 47 },
      { unit: 'days', count: 2 },
      { unit: 'days', count: 30 },
      { unit: 'never', count: 0 },
      { unit: 'never', count: 0 },
    ]);
  });
});
