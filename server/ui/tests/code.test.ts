import { describe, expect, it } from 'vitest';
import { generate, state, valid } from '@/lib/code';

describe('viewing codes', () => {
  it('are ones that the server takes, and never the same', () => {
    const codes = new Set(Array.from({ length: 500 }, () => generate()));
    expect(codes.size).toBe(500);
    for (const code of codes) expect(valid(code) && !/[0O1I5S2Za-z]/.test(code), code).toBe(true);
  });
  it('have each letter as often', () => {
    const next = { at: 0 };
    const counting = (into: Uint8Array): Uint8Array => into.map(() => next.at++ % 256);
    const counts = new Map<string, number>();
    for (const letter of generate(28 * 27, counting)) counts.set(letter, (counts.get(letter) ?? 0) + 1);
    expect([...counts.values()]).toEqual(Array(28).fill(27));
  });
  it('are judged as by the server', () => {
    expect(['abcDEF', 'A1b2C3d4E5f6'].every(valid)).toBe(true);
    expect(['abcde', 'A1b2C3d4E5f6g', 'abc-def', 'abcdé1', ''].some(valid)).toBe(false);
  });
  it('are off, expired or active', () => {
    const now = Date.parse('2026-03-01T00:00:00Z');
    expect(state({ is_active: true, expires_at: null }, now)).toBe('active');
    expect(state({ is_active: true, expires_at: '2026-03-01T00:00:01Z' }, now)).toBe('active');
    expect(state({ is_active: true, expires_at: '2026-03-01T00:00:00Z' }, now)).toBe('expired');
    expect(state({ is_active: false, expires_at: '2026-02-01T00:00:00Z' }, now)).toBe('off');
  });
});
