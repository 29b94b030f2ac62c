/** A measured value at a moment in ms; null where nothing was measured. */
export type Point = readonly [at: number, value: number];

/** The next round number at or above the highest value: the top of a scale. */
export function roundUp(highest: number): number {
  if (!(highest > 0)) return 1;
  const unit = 10 ** Math.floor(Math.log10(highest));
  const step = [1, 1.5, 2, 3, 4, 5, 7.5, 10].find((one) => one * unit >= highest * 0.999) ?? 10;
  return Number((step * unit).toPrecision(3));
}

/** The pieces of a line: a pause of more than three usual steps between points is a hole, not a slope. */
export function pieces(points: readonly Point[]): Point[][] {
  const steps = points.slice(1).map((point, index) => point[0] - (points[index]?.[0] ?? point[0]));
  const usual = steps.slice().sort((a, b) => a - b)[Math.floor(steps.length / 2)] ?? 0;
  // Points are sparser more than an hour ago, so that the step of the neighbourhood counts too.
  const out: Point[][] = [];
  points.forEach((point, index) => {
    const step = steps[index - 1] ?? 0;
    const before = steps[index - 2] ?? step;
    if (index === 0 || (step > 3 * Math.max(usual, Math.min(before, 60_000)) && step > 180_000)) out.push([]);
    out.at(-1)?.push(point);
  });
  return out;
}

/** The path of a line in a box of `width` × `height`, from `from` to `to` and from zero to `top`. */
export function path(points: readonly Point[], box: { from: number; to: number; top: number; width: number; height: number }): string {
  const x = (at: number) => (((at - box.from) / Math.max(1, box.to - box.from)) * box.width).toFixed(1);
  const y = (value: number) => (box.height - (Math.min(value, box.top) / box.top) * box.height).toFixed(1);
  return points.map(([at, value], index) => `${index ? 'L' : 'M'}${x(at)} ${y(value)}`).join('');
}

/** Which point is nearest to a moment. */
export function nearest(points: readonly Point[], at: number): number {
  let [low, high] = [0, points.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((points[middle]?.[0] ?? 0) < at) low = middle;
    else high = middle;
  }
  const away = (index: number) => Math.abs((points[index]?.[0] ?? Number.POSITIVE_INFINITY) - at);
  return away(low) <= away(high) ? low : high;
}
