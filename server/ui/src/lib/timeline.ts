import { when } from './format';

/** A piece of media that is missing from a recording, in its own time. */
export interface Gap {
  at: number;
  length: number;
  cause: string;
}

/** What happened during a task, as the server tells it. */
export interface Happened {
  happened_at: string;
  kind: string;
  message: string;
}

export interface Span {
  from: number;
  to: number;
  kind: 'recorded' | 'away' | 'waiting';
}

export interface Mark {
  at: number;
  kind: string;
  message: string;
}

/** A recording by the clock on the wall, in ms: when media came, when the source was away, what happened. */
export interface Timeline {
  from: number;
  to: number;
  spans: Span[];
  marks: Mark[];
}

/** The gaps of a task; what is none is left out. */
export function gapsOf(raw: readonly Record<string, unknown>[]): Gap[] {
  return raw.flatMap((one) => {
    const [at, length] = [Number(one.at_s), Number(one.length_s)];
    if (!Number.isFinite(at) || !Number.isFinite(length)) return [];
    return [{ at, length, cause: typeof one.cause === 'string' ? one.cause : '' }];
  });
}

/** Lays out what happened between `started` and `ended`, or now. */
export function timeline(started: string | null | undefined, ended: string | null | undefined, events: readonly Happened[], now: number): Timeline | null {
  const from = when(started)?.getTime();
  if (from === undefined) return null;
  const to = Math.max(when(ended)?.getTime() ?? now, from + 1);
  const inside = (time: number) => Math.min(to, Math.max(from, time));
  const spans: Span[] = [];
  const marks: Mark[] = [];
  let since = from;
  let kind: Span['kind'] = 'waiting';
  const turn = (at: number, next: Span['kind']) => {
    if (at > since) spans.push({ from: since, to: at, kind });
    since = at;
    kind = next;
  };
  for (const event of events) {
    const time = when(event.happened_at)?.getTime();
    if (time === undefined) continue;
    const at = inside(time);
    if (event.kind === 'connected') turn(at, 'recorded');
    else if (event.kind === 'reconnecting') turn(at, 'away');
    else marks.push({ at, kind: event.kind, message: event.message });
  }
  // A recording without events ran from its begin: old ones and those that were recovered have none.
  if (!events.length) kind = 'recorded';
  turn(to, kind);
  return { from, to, spans, marks };
}

/** Where a moment lies, in per cent. */
export function share(line: Timeline, at: number): number {
  return ((at - line.from) / (line.to - line.from)) * 100;
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400].map((seconds) => seconds * 1000);

/** Whether moments of a ruler are so near to each other that their seconds have to be said. */
export function inSeconds(ruler: readonly number[]): boolean {
  return ruler.some((at, index) => index > 0 && at - (ruler[index - 1] ?? at) < 60_000);
}

/** Round moments of the viewer's clock for the ruler below a timeline: at most `most`. */
export function ticks(from: number, to: number, most: number): number[] {
  const step = STEPS.find((one) => (to - from) / one <= most) ?? Math.ceil((to - from) / most);
  // Rounded in local time, so that hours are the viewer's.
  const offset = new Date(from).getTimezoneOffset() * 60_000;
  const first = Math.ceil((from - offset) / step) * step + offset;
  return Array.from({ length: Math.max(0, Math.floor((to - first) / step) + 1) }, (_, index) => first + index * step);
}
