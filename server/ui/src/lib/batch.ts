/** What one request of the API takes at most. */
const MOST = 100;

/** What was done to many: how many, which were not there any more, and what stopped it before the end. */
export interface Outcome {
  done: number;
  failed: number[];
  error?: unknown;
}

/** Sends ids by the hundred. When a request fails, its ids and the later ones count as failed: what is told is what happened. */
export async function inBatches(ids: number[], send: (ids: number[]) => Promise<{ success_count: number; failed_ids: number[] }>): Promise<Outcome> {
  const outcome: Outcome = { done: 0, failed: [] };
  for (let at = 0; at < ids.length; at += MOST) {
    try {
      const answer = await send(ids.slice(at, at + MOST));
      outcome.done += answer.success_count;
      outcome.failed.push(...answer.failed_ids);
    } catch (error) {
      outcome.failed.push(...ids.slice(at));
      outcome.error = error;
      break;
    }
  }
  return outcome;
}

/** Does something to each, a few at a time. */
export async function each(ids: number[], work: (id: number) => Promise<unknown>, atOnce = 4): Promise<Outcome> {
  const outcome: Outcome = { done: 0, failed: [] };
  const rest = [...ids];
  const worker = async (): Promise<void> => {
    for (let id = rest.shift(); id !== undefined; id = rest.shift()) {
      try {
        await work(id);
        outcome.done++;
      } catch (error) {
        outcome.failed.push(id);
        outcome.error = error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, ids.length) }, worker));
  return outcome;
}

export function together(outcomes: Outcome[]): Outcome {
  return {
    done: outcomes.reduce((sum, one) => sum + one.done, 0),
    failed: outcomes.flatMap((one) => one.failed),
    error: outcomes.find((one) => one.error)?.error,
  };
}

/**
 * The API gives videos exactly these tags; people add and take away. Videos that end up with the same tags are one group; those that have
 * them already are in none.
 */
export function tagGroups(videos: { id: number; tags: { id: number }[] }[], add: number[], remove: number[]): { tag_ids: number[]; ids: number[] }[] {
  const groups = new Map<string, { tag_ids: number[]; ids: number[] }>();
  for (const video of videos) {
    const had = video.tags.map((tag) => tag.id).sort((a, b) => a - b);
    const wanted = [...new Set([...had, ...add])].filter((id) => !remove.includes(id)).sort((a, b) => a - b);
    if (wanted.join() === had.join()) continue;
    const group = groups.get(wanted.join()) ?? { tag_ids: wanted, ids: [] };
    group.ids.push(video.id);
    groups.set(wanted.join(), group);
  }
  return [...groups.values()];
}
