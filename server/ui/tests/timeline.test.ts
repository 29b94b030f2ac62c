import { describe, expect, it } from 'vitest';
import { gapsOf, share, ticks, timeline } from '@/lib/timeline';

const at = (seconds: number) => new Date(Date.UTC(2026, 2, 1, 10) + seconds * 1000).toISOString();
const event = (seconds: number, kind: string) => ({ happened_at: at(seconds), kind, message: kind });

describe('the timeline of a recording', () => {
  it('shows waiting, recording and each outage, one after the other', () => {
    const line = timeline(at(0), at(100), [event(10, 'connected'), event(40, 'reconnecting'), event(45, 'reconnecting'), event(60, 'connected'), event(70, 'gap')], 0);
    const shown = line?.spans.map((span) => [span.kind, share(line, span.from), share(line, span.to)]);
    expect(shown).toEqual([
      ['waiting', 0, 10],
      ['recorded', 10, 40],
      ['away', 40, 45],
      ['away', 45, 60],
      ['recorded', 60, 100],
    ]);
    expect(line?.marks.map((mark) => mark.kind)).toEqual(['gap']);
  });
  it('grows to now while it runs, and keeps clocks that went back inside', () => {
    const line = timeline(at(0), null, [event(-5, 'connected'), event(200, 'gap')], Date.parse(at(50)));
    expect(line?.to).toBe(Date.parse(at(50)));
    expect(line?.spans).toEqual([{ kind: 'recorded', from: Date.parse(at(0)), to: Date.parse(at(50)) }]);
    expect(line?.marks[0]?.at).toBe(line?.to);
  });
  it('is all recorded when nothing was noted, and nothing before it began', () => {
    expect(timeline(at(0), at(10), [], 0)?.spans.map((span) => span.kind)).toEqual(['recorded']);
    expect(timeline(null, null, [], 0)).toBeNull();
  });
});

describe('gaps', () => {
  it('are numbers, or are not shown', () => {
    expect(gapsOf([{ at_s: 3.5, length_s: 2, cause: 'lost', kind: null }, { at_s: 'x' }, {}])).toEqual([{ at: 3.5, length: 2, cause: 'lost' }]);
  });
});

describe('the ruler', () => {
  it('has round moments and not too many', () => {
    const from = Date.parse(at(7));
    const marks = ticks(from, from + 3_600_000, 8);
    expect(marks.length).toBeLessThanOrEqual(8);
    expect(marks.every((mark) => mark % 600_000 === 0 && mark >= from)).toBe(true);
  });
  it('has none when there is no room', () => expect(ticks(0, 0, 5).length).toBeLessThanOrEqual(1));
});
