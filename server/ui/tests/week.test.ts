import { describe, expect, it } from 'vitest';
import type { Upcoming } from '@/api/types';
import { after, clashes, today, week } from '@/lib/week';

const run = (starts_at: string, ends_at: string | null, schedule_id = 1, source_id = 1): Upcoming => ({ schedule_id, source_id, source_name: 'hall', starts_at, ends_at });
const shown = (runs: Upcoming[], first: string, zone: string) =>
  week(runs, first, zone).flatMap((day) => day.blocks.map((block) => [day.date, block.top, block.bottom, block.lane, block.lanes]));

describe('the week', () => {
  it('shows a run where the clocks of the zone are', () => {
    const evening = run('2026-03-02T19:00:00+01:00', '2026-03-02T20:30:00+01:00');
    expect(shown([evening], '2026-03-02', 'Europe/Berlin')).toEqual([['2026-03-02', 1140, 1230, 0, 1]]);
    expect(shown([evening], '2026-03-02', 'Asia/Shanghai')).toEqual([['2026-03-03', 120, 210, 0, 1]]);
  });
  it('splits a run at midnight, and not one that ends there', () => {
    const days = week([run('2026-03-02T23:00:00Z', '2026-03-04T01:00:00Z'), run('2026-03-05T23:00:00Z', '2026-03-06T00:00:00Z')], '2026-03-02', 'UTC');
    expect(days.map((day) => day.blocks.map((block) => [block.top, block.bottom, block.begun, block.goesOn]))).toEqual([[[1380, 1440, false, true]], [[0, 1440, true, true]], [[0, 60, true, false]], [[1380, 1440, false, false]], [], [], []]);
  });
  it('keeps a run of the repeated hour in one piece, and one of the skipped hour where it is', () => {
    // 02:40 CEST to 02:20 CET, forty minutes later.
    expect(shown([run('2026-10-25T00:40:00Z', '2026-10-25T01:20:00Z')], '2026-10-25', 'Europe/Berlin')).toEqual([['2026-10-25', 160, 190, 0, 1]]);
    expect(shown([run('2026-03-29T01:00:00Z', '2026-03-29T02:00:00Z')], '2026-03-29', 'Europe/Berlin')).toEqual([['2026-03-29', 180, 240, 0, 1]]);
  });
  it('puts what happens at once side by side', () => {
    const runs = [run('2026-03-02T10:00:00Z', '2026-03-02T12:00:00Z'), run('2026-03-02T11:00:00Z', '2026-03-02T13:00:00Z', 2, 2), run('2026-03-02T12:00:00Z', '2026-03-02T13:00:00Z', 3, 3), run('2026-03-02T15:00:00Z', '2026-03-02T16:00:00Z', 4, 4)];
    expect(shown(runs, '2026-03-02', 'UTC').map(([, , , lane, lanes]) => [lane, lanes])).toEqual([[0, 2], [1, 2], [0, 2], [0, 1]]);
  });
  it('counts what runs all the time', () => {
    const runs = Array.from({ length: 24 }, (_, hour) => run(`2026-03-02T${String(hour).padStart(2, '0')}:00:00Z`, null));
    const day = week(runs, '2026-03-02', 'UTC')[0];
    expect([day?.blocks.length, day?.often[0]?.count]).toEqual([0, 24]);
  });
  it('knows today in a zone, and the days after', () => {
    expect(today('Asia/Shanghai', Date.parse('2026-02-28T20:00:00Z'))).toBe('2026-03-01');
    expect(after('2026-02-28', 1)).toBe('2026-03-01');
  });
});

describe('clashes', () => {
  it('are runs that find their source busy', () => {
    const runs = [run('2026-03-02T10:30:00Z', '2026-03-02T11:30:00Z', 2), run('2026-03-02T10:00:00Z', '2026-03-02T11:00:00Z', 1), run('2026-03-02T11:00:00Z', '2026-03-02T12:00:00Z', 3), run('2026-03-02T10:15:00Z', '2026-03-02T11:00:00Z', 4, 2)];
    expect([...clashes(runs)].map((one) => one.schedule_id)).toEqual([2]);
  });
  it('are none behind a run whose end is open', () => expect(clashes([run('2026-03-02T10:00:00Z', null), run('2026-03-02T11:00:00Z', null)]).size).toBe(0));
});
