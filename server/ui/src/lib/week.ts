import type { Upcoming } from '@/api/types';
import { when } from './format';

/** A run, or the part of it that falls on one day, in minutes of that day's clock. */
export interface Block {
  run: Upcoming;
  top: number;
  bottom: number;
  /** It began the day before, or goes on the day after. */
  begun: boolean;
  goesOn: boolean;
  /** Beside others that run at the same time: which column of how many. */
  lane: number;
  lanes: number;
  /** It begins while another run of its source goes on. */
  clash: boolean;
}

export interface Day {
  /** `YYYY-MM-DD` */
  date: string;
  blocks: Block[];
  /** Schedules that run so often that blocks would be a wall: how often each does. */
  often: { run: Upcoming; count: number }[];
}

/** More runs of one schedule on one day are told as a number. */
const OFTEN = 12;
/** What is shorter is drawn as long as this, in minutes, to be readable. */
const SHORTEST = 30;

function parts(zone: string): (at: Date) => { date: string; minute: number } {
  const form = new Intl.DateTimeFormat('en-CA', { timeZone: zone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit' });
  return (at) => {
    const told = Object.fromEntries(form.formatToParts(at).map((part) => [part.type, part.value]));
    return { date: `${told.year}-${told.month}-${told.day}`, minute: Number(told.hour) * 60 + Number(told.minute) };
  };
}

/** The day `count` days after a date. */
export function after(date: string, count: number): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) + count * 86_400_000).toISOString().slice(0, 10);
}

/** The date in a zone. */
export function today(zone: string, now: number): string {
  return parts(zone)(new Date(now)).date;
}

/** Runs that begin while another of their source goes on: they find it being recorded already. */
export function clashes(runs: readonly Upcoming[]): Set<Upcoming> {
  const found = new Set<Upcoming>();
  const busy = new Map<number, number>();
  for (const run of [...runs].sort((a, b) => (when(a.starts_at)?.getTime() ?? 0) - (when(b.starts_at)?.getTime() ?? 0))) {
    const from = when(run.starts_at)?.getTime();
    if (from === undefined) continue;
    const until = busy.get(run.source_id);
    if (until !== undefined && from < until) {
      found.add(run);
      continue;
    }
    // One with an open end may be over before the next: nobody knows, so it is no clash.
    const to = when(run.ends_at)?.getTime();
    if (to !== undefined) busy.set(run.source_id, to);
  }
  return found;
}

/** Seven days from `first` as a zone's clocks tell them. */
export function week(runs: readonly Upcoming[], first: string, zone: string): Day[] {
  const local = parts(zone);
  const clashing = clashes(runs);
  const days: Day[] = Array.from({ length: 7 }, (_, index) => ({ date: after(first, index), blocks: [], often: [] }));
  const byDate = new Map(days.map((day) => [day.date, day]));
  for (const run of runs) {
    const from = when(run.starts_at);
    if (!from) continue;
    const to = when(run.ends_at);
    const begin = local(from);
    // A run that ends at midnight does not touch the next day.
    const end = to && to > from ? local(new Date(to.getTime() - 1)) : begin;
    for (let date = begin.date; date <= end.date; date = after(date, 1)) {
      const top = date === begin.date ? begin.minute : 0;
      const last = to ? (date === end.date ? end.minute + 1 : 1440) : top;
      byDate.get(date)?.blocks.push({
        run,
        top: Math.min(top, 1440 - SHORTEST),
        // In the hour that clocks repeat a run may end before it began.
        bottom: Math.min(1440, Math.max(last, top + SHORTEST)),
        begun: date > begin.date,
        goesOn: date < end.date,
        lane: 0,
        lanes: 1,
        clash: clashing.has(run),
      });
    }
  }
  for (const day of days) {
    const count = new Map<number, Block[]>();
    for (const block of day.blocks) count.set(block.run.schedule_id, [...(count.get(block.run.schedule_id) ?? []), block]);
    for (const [schedule, blocks] of count) {
      const run = blocks[0]?.run;
      if (!run || blocks.length <= OFTEN) continue;
      day.often.push({ run, count: blocks.length });
      day.blocks = day.blocks.filter((block) => block.run.schedule_id !== schedule);
    }
    side(day.blocks);
  }
  return days;
}

/** Gives blocks that overlap columns beside each other. */
function side(blocks: Block[]): void {
  blocks.sort((a, b) => a.top - b.top || b.bottom - a.bottom);
  let group: Block[] = [];
  let until = 0;
  const settle = () => {
    const lanes = Math.max(1, ...group.map((block) => block.lane + 1));
    for (const block of group) block.lanes = lanes;
    group = [];
  };
  for (const block of blocks) {
    if (block.top >= until) settle();
    const taken = new Set(group.filter((other) => other.bottom > block.top).map((other) => other.lane));
    while (taken.has(block.lane)) block.lane++;
    group.push(block);
    until = Math.max(until, block.bottom);
  }
  settle();
}
