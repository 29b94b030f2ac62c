/** How people say when something is to happen; `custom` is any other expression. */
export type Kind = 'once' | 'daily' | 'weekly' | 'monthly' | 'hourly' | 'minutes' | 'custom';

export interface Plan {
  kind: Kind;
  /** `HH:MM`. */
  time: string;
  /** Weekdays, 0 is Sunday. */
  days: number[];
  /** Day of the month. */
  day: number;
  /** `YYYY-MM-DD` of what happens once. */
  date: string;
  /** Every so many minutes. */
  every: number;
  /** Minute of each hour. */
  minute: number;
  /** The expression itself. */
  custom: string;
}

/** Minutes that divide an hour, so that `every` means the same across hours. */
export const EVERY = [5, 10, 15, 20, 30];

export function fresh(today: string): Plan {
  return { kind: 'daily', time: '20:00', days: [1], day: 1, date: today, every: 30, minute: 0, custom: '' };
}

/** The expression that a plan means. */
export function expression(plan: Plan): string {
  const [hour, minute] = plan.time.split(':').map(Number);
  const at = `${minute ?? 0} ${hour ?? 0}`;
  switch (plan.kind) {
    case 'once': {
      const [, month, day] = plan.date.split('-').map(Number);
      return `${at} ${day ?? 1} ${month ?? 1} *`;
    }
    case 'daily':
      return `${at} * * *`;
    case 'weekly':
      return `${at} * * ${ranges(plan.days) || '*'}`;
    case 'monthly':
      return `${at} ${plan.day} * *`;
    case 'hourly':
      return `${plan.minute} * * * *`;
    case 'minutes':
      return `*/${plan.every} * * * *`;
    case 'custom':
      return plan.custom.trim().replace(/\s+/g, ' ');
  }
}

/** `1-5` for Monday to Friday: days in a row of three or more are a range. */
function ranges(days: readonly number[]): string {
  const sorted = [...new Set(days)].sort((a, b) => a - b);
  const runs: number[][] = [];
  for (const day of sorted) {
    const last = runs.at(-1);
    if (last && last.at(-1) === day - 1) last.push(day);
    else runs.push([day]);
  }
  return runs.map((run) => (run.length > 2 ? `${run[0]}-${run.at(-1)}` : run.join(','))).join(',');
}

const NAMES = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];

/** The weekdays of a field; null for what is no plain list of them. */
function weekdays(field: string): number[] | null {
  const days = new Set<number>();
  for (const part of field.toUpperCase().split(',')) {
    const ends = part.split('-').map((name) => (NAMES.includes(name) ? NAMES.indexOf(name) : /^[0-7]$/.test(name) ? Number(name) : Number.NaN));
    const [from, to = from] = ends;
    if (from === undefined || to === undefined || ends.length > 2 || ends.some(Number.isNaN) || from > to) return null;
    for (let day = from; day <= to; day++) days.add(day % 7);
  }
  return [...days].sort((a, b) => a - b);
}

/** The plan that an expression is, so that it can be changed as it was made. `once` is known by an end within a day of its date. */
export function plan(text: string, today: string, ends?: Date | null): Plan {
  const all = fresh(today);
  const custom: Plan = { ...all, kind: 'custom', custom: text };
  const fields = text.trim().split(/\s+/);
  if (fields.length !== 5) return custom;
  const [minute = '', hour = '', day = '', month = '', weekday = ''] = fields;
  const number = (field: string, from: number, to: number) => (/^\d+$/.test(field) && Number(field) >= from && Number(field) <= to ? Number(field) : null);
  const every = /^\*\/(\d+)$/.exec(minute);
  if (every && EVERY.includes(Number(every[1])) && `${hour}${day}${month}${weekday}` === '****') return { ...all, kind: 'minutes', every: Number(every[1]) };
  const m = number(minute, 0, 59);
  if (m === null) return custom;
  if (`${hour}${day}${month}${weekday}` === '****') return { ...all, kind: 'hourly', minute: m };
  const h = number(hour, 0, 23);
  if (h === null) return custom;
  const time = `${String(h).padStart(2, '0')}:${String(m).padStart(2, '0')}`;
  if (`${day}${month}${weekday}` === '***') return { ...all, kind: 'daily', time };
  if (`${day}${month}` === '**') {
    const days = weekdays(weekday);
    return days ? { ...all, kind: 'weekly', time, days } : custom;
  }
  const d = number(day, 1, 31);
  if (d === null || weekday !== '*') return custom;
  if (month === '*') return { ...all, kind: 'monthly', time, day: d };
  const mo = number(month, 1, 12);
  if (mo === null || !ends) return custom;
  const two = (value: number) => String(value).padStart(2, '0');
  const date = `${ends.getUTCFullYear()}-${two(mo)}-${two(d)}`;
  return Math.abs(Date.parse(`${date}T${time}:00Z`) - ends.getTime()) < 86_400_000 ? { ...all, kind: 'once', time, date } : custom;
}
