import { describe, expect, it } from 'vitest';
import { bars, peaks, ranges, segments, sound } from '@/lib/peaks';

describe('peaks', () => {
  it('are the loudest of all channels, of each stretch', () => {
    const left = Float32Array.from([0, 0.1, -0.5, 0.2]);
    const right = Float32Array.from([0.25, 0, 0, -1.5]);
    expect([...peaks([left, right], 2)]).toEqual([0.25, 1]);
  });
  it('are silence where there are no samples', () => expect([...peaks([], 3)]).toEqual([0, 0, 0]));
});

describe('bars', () => {
  const kept = Float32Array.from({ length: 20 }, (_, index) => (index < 10 ? index / 10 : Number.NaN));
  it('are the loudest of what lies under them, and unknown where nothing came yet', () => {
    const [first, second] = bars(kept, 0, 2, 2);
    expect(first).toBeCloseTo(0.9);
    expect(second).toBeNaN();
  });
  it('of a part of it are finer', () => expect([...bars(kept, 0.2, 0.4, 2)].map((value) => Math.round(value * 10))).toEqual([2, 3]));
  it('beyond the end are unknown', () => expect([...bars(kept, 5, 6, 1)]).toEqual([Number.NaN]));
});

describe('the pieces of sound', () => {
  it('of a playlist begin where the ones before end', () => {
    const playlist = '#EXTM3U\n#EXT-X-TARGETDURATION:11\n#EXTINF:10.5,\nseg-1-a1.ts\n#EXT-X-DISCONTINUITY\n#EXTINF:4.000,title\nseg-2-a1.ts\n#EXT-X-ENDLIST\n';
    expect(segments(playlist, 'http://host/play/x/index-a1.m3u8')).toEqual([
      { url: 'http://host/play/x/seg-1-a1.ts', from: 0, length: 10.5 },
      { url: 'http://host/play/x/seg-2-a1.ts', from: 10.5, length: 4 },
    ]);
  });
  it('of a file cover each byte once', () => {
    const pieces = ranges('/audio/a.mp3', 1000, 50, 400);
    expect(pieces.map((piece) => piece.range)).toEqual([[0, 399], [400, 799], [800, 999]]);
    expect(pieces.at(-1)).toMatchObject({ from: 40, length: 10 });
  });
});

/** A packet of MPEG-TS that is filled up by its adaptation field. */
function packet(pid: number, begins: boolean, payload: number[]): number[] {
  const stuffing = 184 - payload.length;
  const head = [0x47, (begins ? 0x40 : 0) | (pid >> 8), pid & 0xff, stuffing ? 0x30 : 0x10];
  const adaptation = stuffing === 0 ? [] : stuffing === 1 ? [0] : [stuffing - 1, 0, ...Array<number>(stuffing - 2).fill(0xff)];
  return [...head, ...adaptation, ...payload];
}
const PAT = [0, 0x00, 0xb0, 0x0d, 0, 1, 0xc1, 0, 0, 0, 1, 0xef, 0xff, 1, 2, 3, 4];
const map = (...streams: [number, number][]): number[] => [
  0, 0x02, 0xb0, 13 + 5 * streams.length, 0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0,
  ...streams.flatMap(([kind, pid]) => [kind, 0xe0 | (pid >> 8), pid & 0xff, 0xf0, 0]), 1, 2, 3, 4,
];
const pes = (...payload: number[]): number[] => [0, 0, 1, 0xc0, 0, 0, 0x80, 0x80, 5, 0x21, 0, 1, 0, 1, ...payload];

describe('the sound of an MPEG-TS segment', () => {
  it('is what its PES packets carry, whatever lies between', () => {
    const ts = [
      ...packet(0, true, PAT), ...packet(0xfff, true, map([0x1b, 0x100], [0x0f, 0x101])), ...packet(0x101, true, pes(1, 2, 3)),
      ...packet(0x100, true, pes(9, 9)), ...packet(0x101, false, [4, 5]), ...packet(0x101, true, pes(6)),
    ];
    expect([...(sound(Uint8Array.from(ts)) ?? [])]).toEqual([1, 2, 3, 4, 5, 6]);
  });
  it('is none when its codec is another, or it is no MPEG-TS', () => {
    const ts = [...packet(0, true, PAT), ...packet(0xfff, true, map([0x81, 0x101])), ...packet(0x101, true, pes(1))];
    expect(sound(Uint8Array.from(ts))).toBeNull();
    expect(sound(Uint8Array.from([...packet(0, true, PAT), ...Array<number>(188).fill(1)]))).toBeNull();
    expect(sound(new Uint8Array())).toBeNull();
  });
});
