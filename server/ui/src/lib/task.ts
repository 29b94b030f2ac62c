import type { Task } from '@/api/types';

/** What ended a recording before its time: a person, a restart of the server, or something that it has words for. */
export type Ended = 'person' | 'restart' | 'cut';

/** What ended a task that was interrupted; null for every other one. */
export function endedBy(task: Pick<Task, 'status' | 'error_message' | 'stop_asked' | 'continued_by'>): Ended | null {
  if (task.status !== 'interrupted') return null;
  // What goes on was ended by the server; what a person stopped doesn't go on.
  if (task.continued_by != null) return 'restart';
  if (task.error_message) return 'cut';
  return task.stop_asked ? 'person' : 'restart';
}
