import { describe, expect, it } from 'vitest';
import { around, precise, ruler, typed, within, zoom } from '@/lib/span';

describe('moments of a cut', () => {
  it('are written and read to a tenth', () => {
    expect([0, 62.46, 3725.5, 59.96].map(precise)).toEqual(['0:00.0', '1:02.5', '1:02:05.5', '1:00.0']);
    for (const at of [0, 0.1, 59.9, 62.5, 3599.9, 7325.3]) expect(typed(precise(at)), precise(at)).toBeCloseTo(at);
  });
  it('are read as people type them', () => {
    expect([typed('90'), typed('1m2s'), typed(' 1：02.5 '), typed('12.25')]).toEqual([90, 62, 62.5, 12.25]);
    for (const text of ['', 'x', '1:99.5', '-3', '1:2:3:4.5']) expect(typed(text), text).toBeNull();
  });
});

describe('the ruler', () => {
  it('has marks that do not touch, at round times', () => {
    const marks = ruler({ from: 61, to: 3661 }, 800);
    expect(marks.slice(0, 3)).toEqual([600, 1200, 1800]);
    expect(((marks[1] ?? 0) - (marks[0] ?? 0)) / (3600 / 800)).toBeGreaterThanOrEqual(72);
    expect(ruler({ from: 0, to: 4 }, 800)[1]).toBe(0.5);
  });
  it('has none without room', () => expect([ruler({ from: 0, to: 10 }, 0), ruler({ from: 5, to: 5 }, 100)]).toEqual([[], []]));
});

describe('the window', () => {
  it('comes closer around a moment, which stays under the pointer', () => {
    const shown = zoom({ from: 0, to: 100 }, 0.5, 80, 100);
    expect(shown).toEqual({ from: 40, to: 90 });
    expect((80 - shown.from) / (shown.to - shown.from)).toBeCloseTo(0.8);
  });
  it('is never outside, never wider than all, never closer than four seconds', () => {
    expect(zoom({ from: 0, to: 50 }, 10, 25, 100)).toEqual({ from: 0, to: 100 });
    expect(zoom({ from: 10, to: 15 }, 0.01, 12, 100)).toMatchObject({ to: expect.any(Number) });
    const closest = zoom({ from: 10, to: 15 }, 0.01, 12.5, 100);
    expect(closest.to - closest.from).toBeCloseTo(4);
    expect(within({ from: 95, to: 105 }, 100)).toEqual({ from: 90, to: 100 });
    expect(within({ from: -5, to: 500 }, 100)).toEqual({ from: 0, to: 100 });
  });
  it('of a span has some room on both sides', () => {
    expect(around({ from: 40, to: 50 }, 100)).toEqual({ from: 39, to: 51 });
    expect(around({ from: 0, to: 100 }, 100)).toEqual({ from: 0, to: 100 });
  });
});
