import { onScopeDispose, ref, shallowRef, watch, type Ref, type ShallowRef } from 'vue';
import { PER_SECOND, peaks, ranges, segments, sound, type Piece } from '@/lib/peaks';

/** Of a longer stretch nothing is fetched: its picture would be of one bar per many seconds, at the cost of all its bytes. */
export const FAR = 20 * 60;

/** Bytes of a file that has to be decoded as one. */
const WHOLE = 20_000_000;

/** Samples a second that are decoded to: enough for the loudest of a tenth of a second. */
const SAMPLE_RATE = 8000;

/** What sound is asked of. */
export interface Sound {
  /** A playlist of it alone, or a file. */
  url: string;
  seconds: number;
  bytes?: number | null;
}

export interface Waveform {
  /** `PER_SECOND` for each second; NaN where nothing is known yet. */
  kept: ShallowRef<Float32Array>;
  /** `none`: there is no sound that this browser decodes. */
  state: Ref<'idle' | 'loading' | 'ready' | 'far' | 'none'>;
  /** Fetches what is not known of this stretch, if it is no longer than `FAR`. */
  want: (from: number, to: number) => void;
}

/**
 * The loudness of sound, made in the browser from what is shown and only from that: segment by segment from HLS of the sound alone (16 kB a
 * second at most), range by range of an MP3, two requests at a time. The server makes nothing, the page never waits: decoding is off its thread.
 */
export function useWaveform(source: () => Sound | null): Waveform {
  const kept = shallowRef(new Float32Array());
  const state = ref<'idle' | 'loading' | 'ready' | 'far' | 'none'>('idle');
  let pieces: Promise<Piece[]> | null = null;
  let done = new Set<Piece>();
  let queue: Piece[] = [];
  let running = 0;
  let failed = 0;
  let stop = new AbortController();

  function begin(): void {
    stop.abort();
    stop = new AbortController();
    [pieces, done, queue, running, failed] = [null, new Set(), [], 0, 0];
    kept.value = new Float32Array(Math.ceil((source()?.seconds ?? 0) * PER_SECOND)).fill(Number.NaN);
    state.value = 'idle';
  }

  async function list(from: Sound): Promise<Piece[]> {
    if (/\.m3u8(\?|$)/.test(from.url)) {
      const answer = await fetch(from.url, { signal: stop.signal });
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      return segments(await answer.text(), answer.url);
    }
    const bytes = from.bytes ?? 0;
    if (/\.(mp3|aac)(\?|$)/.test(from.url) && bytes > 0) return ranges(from.url, bytes, from.seconds);
    return bytes > 0 && bytes <= WHOLE ? [{ url: from.url, from: 0, length: from.seconds }] : [];
  }

  async function take(piece: Piece, signal: AbortSignal): Promise<void> {
    const answer = await fetch(piece.url, { signal, headers: piece.range ? { range: `bytes=${piece.range.join('-')}` } : {} });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    const bytes = new Uint8Array(await answer.arrayBuffer());
    const plain = bytes[0] === 0x47 && bytes[188] === 0x47 ? sound(bytes) : bytes;
    if (!plain) throw new Error('no sound that browsers decode');
    const decoded = await new OfflineAudioContext(1, 1, SAMPLE_RATE).decodeAudioData(plain.buffer);
    if (signal.aborted) return;
    const channels = Array.from({ length: decoded.numberOfChannels }, (_, index) => decoded.getChannelData(index));
    const found = peaks(channels, Math.max(1, Math.round(Math.min(decoded.duration, piece.length) * PER_SECOND)));
    const start = Math.round(piece.from * PER_SECOND);
    const all = kept.value.slice();
    all.set(found.subarray(0, Math.max(0, all.length - start)), start);
    kept.value = all;
  }

  function next(): void {
    while (running < 2 && queue.length) {
      const piece = queue.shift() as Piece;
      done.add(piece);
      const mine = stop;
      running++;
      take(piece, mine.signal)
        .then(
          () => (failed = 0),
          () => {
            if (!mine.signal.aborted) failed++;
          },
        )
        .finally(() => {
          if (mine.signal.aborted) return;
          running--;
          // Sound that can't be decoded is not asked for hundreds of times.
          if (failed >= 3) [queue, state.value] = [[], 'none'];
          else if (!queue.length && !running) state.value = 'ready';
          next();
        });
    }
  }

  async function fetchAll(from: number, to: number): Promise<void> {
    const asked = source();
    if (!asked || state.value === 'none') return;
    const mine = stop;
    try {
      pieces ??= list(asked);
      const all = await pieces;
      if (mine.signal.aborted) return;
      if (!all.length) {
        state.value = 'none';
        return;
      }
      // A file that is one piece is as long as it is.
      if (to - from > FAR && all.length > 1) {
        [queue, state.value] = [[], 'far'];
        return;
      }
      queue = all.filter((piece) => !done.has(piece) && piece.from < to && piece.from + piece.length > from);
      state.value = queue.length || running ? 'loading' : 'ready';
      next();
    } catch {
      if (!mine.signal.aborted) state.value = 'none';
    }
  }

  watch(() => JSON.stringify(source()), begin, { immediate: true });
  onScopeDispose(() => stop.abort());
  return { kept, state, want: (from, to) => void fetchAll(from, to) };
}
