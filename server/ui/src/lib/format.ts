const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Bytes in decimal units with three digits: `1.24 GB`. */
export function bytes(count: number | null | undefined): string {
  if (count == null || !Number.isFinite(count)) return '–';
  let value = Math.max(0, count);
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** Bits per second: `4.2 Mb/s`. */
export function bitrate(bits: number | null | undefined): string {
  if (bits == null || !Number.isFinite(bits)) return '–';
  if (bits >= 1e6) return `${(bits / 1e6).toFixed(bits >= 1e7 ? 0 : 1)} Mb/s`;
  return `${Math.round(bits / 1e3)} kb/s`;
}

/** Seconds as a clock: `4:05`, `1:04:05`. */
export function clock(seconds: number | null | undefined): string {
  if (seconds == null || !Number.isFinite(seconds)) return '–';
  const whole = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n: number) => String(n).padStart(2, '0');
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** The seconds that `t=` of a link means: `90`, `90s`, `1m30s`, `1h2m3s`, `1:30`; null for anything else. */
export function seconds(text: string | null | undefined): number | null {
  if (!text) return null;
  if (/^\d+(\.\d+)?s?$/.test(text)) return Number.parseFloat(text);
  const parts = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(text);
  if (parts && parts[0]) return Number(parts[1] ?? 0) * 3600 + Number(parts[2] ?? 0) * 60 + Number(parts[3] ?? 0);
  if (/^\d+(:[0-5]?\d){1,2}$/.test(text)) return text.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
  return null;
}

/** A moment in the viewer's zone and language. */
export function moment(text: string | null | undefined, locale: string): string {
  const date = when(text);
  return date ? date.toLocaleString(regional(locale), { dateStyle: 'medium', timeStyle: 'short' }) : '–';
}

/** A moment near by, without the year: `Mon, 2 Mar, 19:00`. */
export function stamp(text: string | null | undefined, locale: string): string {
  const date = when(text);
  return date ? date.toLocaleString(regional(locale), { weekday: 'short', day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' }) : '–';
}

/** The region's form of a language that names none, where the browser does: `en-GB` writes 19:00, `en` would write 7:00 PM. */
export function regional(locale: string, languages: readonly string[] = globalThis.navigator?.languages ?? []): string {
  return languages.find((one) => one.split('-')[0] === locale) ?? locale;
}

/** How far away a moment is: `in 5 minutes`, `3 hours ago`. */
export function relative(text: string | null | undefined, locale: string, now = Date.now()): string {
  const date = when(text);
  if (!date) return '–';
  const away = (date.getTime() - now) / 1000;
  const form = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
  const size = Math.abs(away);
  if (size < 60) return form.format(Math.round(away), 'second');
  if (size < 3600) return form.format(Math.round(away / 60), 'minute');
  if (size < 86400) return form.format(Math.round(away / 3600), 'hour');
  return form.format(Math.round(away / 86400), 'day');
}

/** The date of the API's text, which is in UTC whether it says so or not. */
export function when(text: string | null | undefined): Date | null {
  if (!text) return null;
  const date = new Date(/(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`);
  return Number.isNaN(date.getTime()) ? null : date;
}
