/** Peaks that are kept of each second of sound. */
export const PER_SECOND = 10;

/** The loudest of each of `count` equal stretches of `channels`, 0 to 1. */
export function peaks(channels: Float32Array[], count: number): Float32Array {
  const out = new Float32Array(count);
  const length = channels[0]?.length ?? 0;
  for (let index = 0; index < count; index++) {
    const from = Math.floor((index * length) / count);
    const to = Math.floor(((index + 1) * length) / count);
    let most = 0;
    for (const channel of channels) {
      for (let at = from; at < to; at++) {
        const value = Math.abs(channel[at] ?? 0);
        if (value > most) most = value;
      }
    }
    out[index] = Math.min(1, most);
  }
  return out;
}

/** A stretch of sound that can be fetched and decoded by itself. */
export interface Piece {
  url: string;
  /** Bytes of the file, both inclusive; all of it without. */
  range?: [number, number];
  from: number;
  length: number;
}

/** The segments of a media playlist. */
export function segments(playlist: string, base: string): Piece[] {
  const found: Piece[] = [];
  let at = 0;
  let length: number | null = null;
  for (const line of playlist.split(/\r?\n/)) {
    const inf = /^#EXTINF:([\d.]+)/.exec(line);
    if (inf) length = Number.parseFloat(inf[1] ?? '');
    if (!line.trim() || line.startsWith('#') || length === null || !Number.isFinite(length)) continue;
    found.push({ url: new URL(line.trim(), base).href, from: at, length });
    at += length;
    length = null;
  }
  return found;
}

/** Parts of a file whose decoders find the next frame by themselves (MP3, ADTS): `count` of them, at times by their share of the bytes. */
export function ranges(url: string, bytes: number, seconds: number, size = 240_000): Piece[] {
  const count = Math.max(1, Math.ceil(bytes / size));
  return Array.from({ length: count }, (_, index) => {
    const [start, end] = [index * size, Math.min(bytes, (index + 1) * size)];
    return { url, range: [start, end - 1], from: (start / bytes) * seconds, length: ((end - start) / bytes) * seconds };
  });
}

const PACKET = 188;

/**
 * The first sound of an MPEG-TS segment as a file that browsers decode: the payload of its PES packets, which is ADTS or MP3. Null when
 * there is none of these kinds. (ISO/IEC 13818-1: 2.4.3.2 packets, 2.4.3.6 PES, 2.4.4 tables.)
 */
export function sound(ts: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | null {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let [map, wanted] = [-1, -1];
  for (let at = 0; at + PACKET <= ts.length; at += PACKET) {
    if (ts[at] !== 0x47) return null;
    const byte = (index: number): number => ts[at + index] ?? 0;
    const pid = ((byte(1) & 0x1f) << 8) | byte(2);
    const begins = (byte(1) & 0x40) !== 0;
    if ((byte(3) & 0x10) === 0) continue;
    let start = 4 + ((byte(3) & 0x20) !== 0 ? 1 + byte(4) : 0);
    if (start >= PACKET) continue;
    if (pid === 0 && begins && map < 0) {
      const table = start + 1 + byte(start);
      map = ((byte(table + 10) & 0x1f) << 8) | byte(table + 11);
    } else if (pid === map && begins && wanted < 0) {
      wanted = stream(ts.subarray(at + start + 1 + byte(start), at + PACKET));
      if (wanted < 0) return null;
    } else if (pid === wanted) {
      if (begins) start += 9 + byte(start + 8);
      if (start < PACKET) pieces.push(ts.subarray(at + start, at + PACKET));
    }
  }
  if (!pieces.length) return null;
  const out = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}

/** The PID of the first stream of AAC in ADTS (0x0f) or MPEG audio (3, 4) in a program map; -1 without one. */
function stream(table: Uint8Array): number {
  const byte = (index: number): number => table[index] ?? 0;
  const end = Math.min(table.length, 3 + (((byte(1) & 0x0f) << 8) | byte(2)) - 4);
  let at = 12 + (((byte(10) & 0x0f) << 8) | byte(11));
  while (at + 5 <= end) {
    const kind = byte(at);
    if (kind === 0x0f || kind === 0x03 || kind === 0x04) return ((byte(at + 1) & 0x1f) << 8) | byte(at + 2);
    at += 5 + (((byte(at + 3) & 0x0f) << 8) | byte(at + 4));
  }
  return -1;
}

/** `count` bars of what is kept of `[from, to)`: the loudest of each; NaN where nothing is known yet. */
export function bars(kept: Float32Array, from: number, to: number, count: number): Float32Array {
  const out = new Float32Array(count);
  for (let index = 0; index < count; index++) {
    const first = Math.floor((from + ((to - from) * index) / count) * PER_SECOND);
    const last = Math.max(first + 1, Math.floor((from + ((to - from) * (index + 1)) / count) * PER_SECOND));
    let most = Number.NaN;
    for (let at = Math.max(0, first); at < Math.min(kept.length, last); at++) {
      const value = kept[at] ?? Number.NaN;
      if (!(value <= most)) most = Number.isNaN(value) ? most : value;
    }
    out[index] = most;
  }
  return out;
}
