import type { Live } from '@/api/types';

/** How a state is coloured. */
export type Tone = 'live' | 'good' | 'warn' | 'bad' | 'quiet';

/** The tone of what a recording does now. */
export function liveTone(state: Live['state']): Tone {
  if (state === 'recording') return 'live';
  if (state === 'disk_full') return 'bad';
  return state === 'finishing' ? 'quiet' : 'warn';
}
