import type { Job, Live, Run, Source, SystemStatus, Task } from '@/api/types';
import { when } from './format';

/** Something that a person should look at, as keys of the words of `dashboard.concern`. */
export interface Concern {
  /** Names it for good, so that it can be put aside. */
  key: string;
  tone: 'bad' | 'warn' | 'quiet';
  words: string;
  values: Record<string, string | number>;
  /** What the server said, in its words. */
  detail?: string;
  to: { name: string; params?: Record<string, number>; query?: Record<string, string> };
  /** It tells of the past, so that a person may put it aside. */
  past: boolean;
}

export interface Known {
  live: readonly Live[];
  status?: SystemStatus;
  failed?: readonly (Task & { source_name: string })[];
  sources?: readonly Source[];
  runs?: readonly Run[];
  jobs?: readonly Job[];
  toReview?: number;
  /** Files that no row of the database names. */
  orphans?: number;
}

/** Fuller than this, in per cent, a disk is told of; and when it fills within these hours. */
const FULL = 90;
const HOURS = 72;

/** What needs a person now, what hurts most first. */
export function concerns(known: Known, since: number): Concern[] {
  const all: Concern[] = [];
  const recent = (text: string | null | undefined) => (when(text)?.getTime() ?? 0) >= since;
  for (const one of known.live) {
    if (one.state !== 'disk_full' && one.state !== 'stalled' && one.state !== 'reconnecting') continue;
    all.push({ key: `live-${one.task_id}`, tone: one.state === 'disk_full' ? 'bad' : 'warn', words: one.state, values: { name: one.source_name }, to: { name: 'task', params: { id: one.task_id } }, past: false });
  }
  const status = known.status;
  if (status && status.disk_percent >= FULL) {
    all.push({ key: 'disk', tone: 'bad', words: 'disk', values: { percent: Math.round(status.disk_percent) }, to: { name: 'system', query: { tab: 'storage' } }, past: false });
  } else if (status?.hours_until_full != null && status.hours_until_full < HOURS) {
    all.push({ key: 'filling', tone: 'warn', words: 'filling', values: { n: Math.max(1, Math.round(status.hours_until_full)) }, to: { name: 'system', query: { tab: 'storage' } }, past: false });
  }
  // Newest first: a source that fails again and again is one concern, told by its latest failure.
  const failures = new Map<number | string, Concern & { values: { name: string; n: number } }>();
  for (const task of known.failed ?? []) {
    if (!recent(task.ended_at ?? task.created_at)) continue;
    const of = task.source_id ?? task.source_name;
    const before = failures.get(of);
    if (before) {
      before.values.n++;
      before.to = task.source_id ? { name: 'tasks', query: { status: 'failed', source: String(task.source_id) } } : before.to;
    } else {
      failures.set(of, { key: `task-${task.id}`, tone: 'bad', words: 'failed', values: { name: task.source_name, n: 1 }, detail: task.error_message ?? undefined, to: { name: 'task', params: { id: task.id } }, past: true });
    }
  }
  all.push(...failures.values());
  const names = new Map((known.sources ?? []).map((source) => [source.id, source.name]));
  // As with recordings: what happens again and again to a source is one concern, told by its latest.
  const unstarted = new Map<string, Concern & { values: { name: string; n: number } }>();
  for (const run of known.runs ?? []) {
    // A run that failed has a task that failed when it came so far: one concern is enough.
    const told = run.task_id != null && (known.failed ?? []).some((task) => task.id === run.task_id);
    if ((run.outcome !== 'missed' && run.outcome !== 'failed') || told || !recent(run.planned_at)) continue;
    const before = unstarted.get(`${run.source_id} ${run.outcome}`);
    if (before) before.values.n++;
    else unstarted.set(`${run.source_id} ${run.outcome}`, { key: `run-${run.id}`, tone: 'bad', words: run.outcome === 'missed' ? 'missed' : 'notStarted', values: { name: names.get(run.source_id) ?? `#${run.source_id}`, n: 1 }, detail: run.reason ?? undefined, to: { name: 'schedules', query: { tab: 'ledger', outcome: run.outcome } }, past: true });
  }
  all.push(...unstarted.values());
  for (const job of known.jobs ?? []) {
    if (job.status !== 'failed' || !recent(job.updated_at)) continue;
    all.push({ key: `job-${job.id}`, tone: 'bad', words: 'job', values: { kind: job.kind }, detail: job.error_message ?? undefined, to: job.video_id ? { name: 'video', params: { id: job.video_id } } : { name: 'library' }, past: true });
  }
  const away = (known.sources ?? []).filter((source) => source.is_active && !source.is_online && !source.is_recording && source.last_check_time);
  if (away.length) {
    all.push({ key: 'offline', tone: 'warn', words: 'offline', values: { n: away.length, names: away.slice(0, 3).map((source) => source.name).join(', ') }, to: { name: 'sources', query: { state: 'offline' } }, past: false });
  }
  if (known.orphans) all.push({ key: 'orphans', tone: 'warn', words: 'orphans', values: { n: known.orphans }, to: { name: 'system', query: { tab: 'storage' } }, past: false });
  if (known.toReview) all.push({ key: 'review', tone: 'quiet', words: 'review', values: { n: known.toReview }, to: { name: 'library', query: { show: 'pending' } }, past: false });
  const order = { bad: 0, warn: 1, quiet: 2 };
  return all.sort((a, b) => order[a.tone] - order[b.tone]);
}
