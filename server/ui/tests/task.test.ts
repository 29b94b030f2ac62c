import { describe, expect, it } from 'vitest';
import { endedBy } from '@/lib/task';
import { inSeconds, ticks } from '@/lib/timeline';

const interrupted = { status: 'interrupted' as const, error_message: null, stop_asked: false, continued_by: null };

describe('what ended a recording', () => {
  it('is a person who asked it to stop', () => {
    expect(endedBy({ ...interrupted, stop_asked: true })).toBe('person');
  });
  it('is a restart when it goes on, or when nobody asked and nothing went wrong', () => {
    expect(endedBy({ ...interrupted, continued_by: 9 })).toBe('restart');
    expect(endedBy({ ...interrupted, continued_by: 9, error_message: 'the server was interrupted' })).toBe('restart');
    expect(endedBy(interrupted)).toBe('restart');
  });
  it('is what went wrong where there are words for it', () => {
    expect(endedBy({ ...interrupted, error_message: 'the source closed the connection' })).toBe('cut');
    expect(endedBy({ ...interrupted, error_message: 'the source closed the connection', stop_asked: true })).toBe('cut');
  });
  it('is nothing of a recording that was not interrupted', () => {
    for (const status of ['pending', 'recording', 'completed', 'failed'] as const) expect(endedBy({ ...interrupted, status, stop_asked: true })).toBeNull();
  });
});

describe('a ruler', () => {
  const from = Date.UTC(2026, 0, 1, 22, 50, 30);
  it('says seconds where two moments are in one minute, so that no label is there twice', () => {
    expect(inSeconds(ticks(from, from + 90_000, 8))).toBe(true);
    expect(inSeconds(ticks(from, from + 8 * 60_000, 8))).toBe(false);
    expect(inSeconds([])).toBe(false);
    for (const length of [20_000, 90_000, 170_000, 600_000, 3_600_000, 86_400_000]) {
      const ruler = ticks(from, from + length, 8);
      const words = ruler.map((at) => new Date(at).toISOString().slice(0, inSeconds(ruler) ? 19 : 16));
      expect(new Set(words).size).toBe(words.length);
    }
  });
});
