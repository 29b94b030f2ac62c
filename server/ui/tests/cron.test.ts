import { describe, expect, it } from 'vitest';
import { expression, fresh, plan, type Plan } from '@/lib/cron';

const today = '2026-03-01';
const made = (change: Partial<Plan>) => expression({ ...fresh(today), ...change });

describe('a plan', () => {
  it.each<[Partial<Plan>, string]>([
    [{ kind: 'daily', time: '20:05' }, '5 20 * * *'],
    [{ kind: 'weekly', time: '08:00', days: [5, 1, 2, 3, 4] }, '0 8 * * 1-5'],
    [{ kind: 'weekly', time: '08:00', days: [6, 0] }, '0 8 * * 0,6'],
    [{ kind: 'weekly', time: '00:30', days: [0, 1, 2, 4] }, '30 0 * * 0-2,4'],
    [{ kind: 'monthly', time: '23:59', day: 31 }, '59 23 31 * *'],
    [{ kind: 'hourly', minute: 7 }, '7 * * * *'],
    [{ kind: 'minutes', every: 15 }, '*/15 * * * *'],
    [{ kind: 'once', time: '19:30', date: '2026-12-24' }, '30 19 24 12 *'],
  ])('%o is %s, and comes back', (change, text) => {
    expect(made(change)).toBe(text);
    const ends = change.kind === 'once' ? new Date('2026-12-24T18:31:00Z') : null;
    const back = plan(text, today, ends);
    expect(back.kind).toBe(change.kind);
    expect(expression(back)).toBe(text);
  });
  it.each(['0 8 * * 7', '0 8 * * SUN', '0 8 * * sun'])('%s is Sunday', (text) => expect(plan(text, today)).toMatchObject({ kind: 'weekly', days: [0] }));
  it('knows Monday to Sunday as every day of the week', () => expect(plan('0 8 * * 1-7', today).days).toEqual([0, 1, 2, 3, 4, 5, 6]));
  it.each(['0 8 1 * 1', '*/7 * * * *', '0 8-10 * * *', '0 8 * * 1#2', '60 8 * * *', '0 24 * * *', '0 8 24 12 *', '0 8 * * 5-1', '@daily', '0 8 L * *', ''])(
    '%s is left as a person wrote it',
    (text) => expect(plan(text, today)).toMatchObject({ kind: 'custom', custom: text }),
  );
  it('happens once only when its end is near its date', () => {
    expect(plan('30 19 24 12 *', today, new Date('2027-01-31T00:00:00Z')).kind).toBe('custom');
  });
  it('is one expression whatever spaces were typed', () => expect(made({ kind: 'custom', custom: '  0  8 * *   1 ' })).toBe('0 8 * * 1'));
});
