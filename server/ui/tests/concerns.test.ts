import { describe, expect, it } from 'vitest';
import type { Job, Live, Run, Source, SystemStatus, Task } from '@/api/types';
import { concerns, type Known } from '@/lib/concerns';

const since = Date.parse('2026-03-01T00:00:00Z');
const [before, after] = ['2026-02-27T00:00:00Z', '2026-03-02T00:00:00Z'];
const words = (known: Partial<Known>) => concerns({ live: [], ...known }, since).map((one) => one.words);
const status = (percent: number, hours: number | null) => ({ disk_percent: percent, hours_until_full: hours }) as SystemStatus;
const task = (id: number, ended_at: string, source_id = id) => ({ id, source_id, ended_at, created_at: ended_at, source_name: 'hall', error_message: 'refused' }) as Task & { source_name: string };
const run = (id: number, outcome: Run['outcome'], task_id: number | null = null) => ({ id, outcome, task_id, planned_at: after, source_id: 1 }) as Run;

describe('what needs a person', () => {
  it('is nothing when all is well', () => {
    expect(words({ live: [{ state: 'recording' } as Live], status: status(40, null), failed: [], sources: [{ is_active: true, is_online: true } as Source], runs: [run(1, 'started')], toReview: 0 })).toEqual([]);
  });
  it('puts what hurts most first', () => {
    const known = { live: [{ task_id: 1, state: 'reconnecting', source_name: 'a' } as Live], status: status(95, 1), failed: [task(3, after)], toReview: 4 };
    expect(words(known)).toEqual(['disk', 'failed', 'reconnecting', 'review']);
  });
  it('tells of a disk that fills up, once', () => {
    expect(words({ status: status(50, 5) })).toEqual(['filling']);
    expect(words({ status: status(50, 100) })).toEqual([]);
  });
  it('tells of files that have no row', () => {
    expect(words({ orphans: 2, toReview: 1 })).toEqual(['orphans', 'review']);
    expect(words({ orphans: 0 })).toEqual([]);
  });
  it('forgets what is long ago', () => {
    expect(words({ failed: [task(1, before), task(2, after)], jobs: [{ id: 1, status: 'failed', kind: 'audio', updated_at: before } as Job] })).toEqual(['failed']);
  });
  it('tells of a source that fails again and again once, by its latest failure', () => {
    const all = concerns({ live: [], failed: [task(9, after, 5), task(8, after, 5), task(7, before, 5), task(6, after, 6)] }, since);
    expect(all.map((one) => [one.key, one.values.n, one.to.name])).toEqual([['task-9', 2, 'tasks'], ['task-6', 1, 'task']]);
  });
  it('tells of a run that failed only when its recording does not', () => {
    expect(words({ failed: [task(7, after)], runs: [run(1, 'failed', 7), run(2, 'failed'), run(3, 'missed'), run(4, 'already_recording')] })).toEqual(['failed', 'notStarted', 'missed']);
  });
  it('tells of runs that were missed again and again once for each source, by the latest', () => {
    const missed = (id: number, source_id: number, outcome: Run['outcome'] = 'missed') => ({ ...run(id, outcome), source_id, reason: `reason ${id}` });
    const all = concerns({ live: [], runs: [missed(9, 1), missed(8, 1), missed(7, 2), missed(6, 1, 'failed')] }, since);
    expect(all.map((one) => [one.key, one.words, one.values.n, one.detail])).toEqual([['run-9', 'missed', 2, 'reason 9'], ['run-7', 'missed', 1, 'reason 7'], ['run-6', 'notStarted', 1, 'reason 6']]);
  });
  it('leaves out sources that are switched off, not checked yet, or recording', () => {
    const source = (more: Partial<Source>) => ({ name: 'x', is_active: true, is_online: false, is_recording: false, last_check_time: after, ...more }) as Source;
    const all = concerns({ live: [], sources: [source({ is_active: false }), source({ last_check_time: null }), source({ is_recording: true }), source({ name: 'yard' })] }, since);
    expect(all.map((one) => one.values)).toEqual([{ n: 1, names: 'yard' }]);
  });
});
