import { useLoad, type Loaded } from './useLoad';

/** Data about the jobs of one video: read anew when one of them begins, gets on or ends, and when the video changes. */
export function useJobs<T>(id: () => number, read: () => Promise<T>): Loaded<T> {
  return useLoad(read, { on: ['job_changed', 'video_changed'], when: (_kind, data) => data.video_id === id() });
}
