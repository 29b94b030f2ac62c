import { clock, seconds } from './format';

/** Seconds from one moment to another. */
export interface Span {
  from: number;
  to: number;
}

/** The closest that a timeline shows. */
const CLOSEST = 4;

/** Steps of a ruler, in seconds. */
const STEPS = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400];

/** A moment to a tenth of a second: `1:02.5`. */
export function precise(at: number): string {
  const tenths = Math.round(Math.max(0, at) * 10);
  return `${clock(Math.floor(tenths / 10))}.${tenths % 10}`;
}

/** The seconds that a person typed: `62.5`, `1:02.5`, `1m2s`; null for anything else. */
export function typed(text: string): number | null {
  const plain = text.trim().replaceAll('：', ':');
  const parts = /^((?:\d+:){1,2}[0-5]?\d)(\.\d+)$/.exec(plain);
  if (!parts) return seconds(plain);
  const whole = seconds(parts[1]);
  return whole === null ? null : whole + Number.parseFloat(`0${parts[2]}`);
}

/** Moments of a ruler of `width` pixels, at least 72 apart. */
export function ruler(shown: Span, width: number): number[] {
  const length = shown.to - shown.from;
  if (length <= 0 || width <= 0) return [];
  const step = STEPS.find((one) => (one / length) * width >= 72) ?? 86_400;
  const marks: number[] = [];
  for (let at = Math.ceil(shown.from / step) * step; at <= shown.to; at += step) marks.push(Math.round(at * 10) / 10);
  return marks;
}

/** A window of the same length moved into `[0, duration]`. */
export function within(shown: Span, duration: number): Span {
  const length = Math.min(shown.to - shown.from, duration);
  const from = Math.min(Math.max(0, shown.from), duration - length);
  return { from, to: from + length };
}

/** Closer (`factor` under 1) or wider; what is under `around` stays where it is. */
export function zoom(shown: Span, factor: number, around: number, duration: number): Span {
  const length = shown.to - shown.from;
  const wanted = Math.min(duration, Math.max(Math.min(CLOSEST, duration), length * factor));
  const share = length > 0 ? Math.min(1, Math.max(0, (around - shown.from) / length)) : 0.5;
  return within({ from: around - wanted * share, to: around + wanted * (1 - share) }, duration);
}

/** The window that shows a span with a tenth of it on both sides. */
export function around(span: Span, duration: number): Span {
  const length = Math.max(span.to - span.from, Math.min(CLOSEST, duration)) * 1.2;
  const middle = (span.from + span.to) / 2;
  return within({ from: middle - length / 2, to: middle + length / 2 }, duration);
}
