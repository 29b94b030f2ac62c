import { describe, expect, it } from 'vitest';
import { nearest, path, pieces, roundUp, type Point } from '@/lib/chart';

describe('a chart', () => {
  it('has a round top above all that it shows', () => {
    expect([0, 0.3, 1, 61, 100, 101, 740_000, Number.NaN].map(roundUp)).toEqual([1, 0.3, 1, 75, 100, 150, 750_000, 1]);
  });
  it('draws from the lower left, and cuts what is above the top', () => {
    expect(path([[0, 0], [50, 5], [100, 20]], { from: 0, to: 100, top: 10, width: 200, height: 40 })).toBe('M0.0 40.0L100.0 20.0L200.0 0.0');
  });
  it('has a hole where the server was down, and none where points only get sparser', () => {
    const minute = 60_000;
    const points: Point[] = [0, 1, 2, 3, 60, 61].map((at) => [at * minute, 1]);
    expect(pieces(points).map((piece) => piece.length)).toEqual([4, 2]);
    const dense: Point[] = [0, minute, 2 * minute, ...Array.from({ length: 30 }, (_, index) => 3 * minute + index * 10_000)].map((at) => [at, 1]);
    expect(pieces(dense)).toHaveLength(1);
  });
  it('finds the point under the pointer', () => {
    const points: Point[] = [[0, 0], [10, 0], [30, 0]];
    expect([-5, 4, 6, 19, 21, 99].map((at) => nearest(points, at))).toEqual([0, 0, 1, 1, 2, 2]);
    expect(nearest([], 3)).toBe(0);
  });
});
