/** How long a sample counts, in ms. */
const WINDOW = 8000;

/** The pace of a transfer over the last seconds; what came in one lump before does not count. */
export class Speed {
  private samples: { at: number; bytes: number }[] = [];

  /** `bytes` are there at `at`, in ms. */
  add(at: number, bytes: number): void {
    const last = this.samples.at(-1);
    // Fewer than before: it was begun again.
    if (last && bytes < last.bytes) this.samples = [];
    this.samples.push({ at, bytes });
    while (this.samples.length > 2 && at - (this.samples[0]?.at ?? at) > WINDOW) this.samples.shift();
  }

  reset(): void {
    this.samples = [];
  }

  /** Bytes per second; null while that is not known, or nothing came for a while. */
  rate(now: number): number | null {
    const [first, last] = [this.samples[0], this.samples.at(-1)];
    if (!first || !last || last.at === first.at || now - last.at > WINDOW) return null;
    return ((last.bytes - first.bytes) * 1000) / Math.max(1, now - first.at);
  }
}

/** Seconds until `bytes` more are there; null when nobody knows. */
export function left(bytes: number, rate: number | null): number | null {
  return rate && rate > 0 ? Math.ceil(bytes / rate) : null;
}
