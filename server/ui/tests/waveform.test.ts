import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { effectScope, ref, type EffectScope } from 'vue';
import { FAR, useWaveform, type Sound } from '@/composables/useWaveform';

const SEGMENT = 10;
let asked: string[] = [];
let now = 0;
let most = 0;
let broken = false;
let scope: EffectScope;

function playlist(seconds: number): string {
  return Array.from({ length: seconds / SEGMENT }, (_, index) => `#EXTINF:${SEGMENT},\nseg-${index}.ts`).join('\n');
}
beforeEach(() => {
  [asked, now, most, broken] = [[], 0, 0, false];
  scope = effectScope();
  vi.stubGlobal('fetch', async (url: string) => {
    asked.push(String(url).split('/').at(-1) ?? '');
    if (url.endsWith('m3u8')) return Object.defineProperty(new Response(playlist(3600)), 'url', { value: `http://server${url}` });
    most = Math.max(most, ++now);
    await new Promise((resolve) => setTimeout(resolve, 1));
    now--;
    return new Response(new Uint8Array([1, 2, 3]));
  });
  vi.stubGlobal('OfflineAudioContext', class {
    async decodeAudioData() {
      if (broken) throw new Error('no decoder');
      return { duration: SEGMENT, numberOfChannels: 1, getChannelData: () => new Float32Array(SEGMENT * 10).fill(0.5) };
    }
  });
});
afterEach(() => {
  scope.stop();
  vi.unstubAllGlobals();
});
const long: Sound = { url: '/play/x/index-a1.m3u8', seconds: 3600 };
const wave = (source: () => Sound | null) => scope.run(() => useWaveform(source)) as ReturnType<typeof useWaveform>;
const end = (one: ReturnType<typeof useWaveform>, state: string) => vi.waitFor(() => expect(one.state.value).toBe(state), { interval: 2 });

describe('a waveform', () => {
  it('is made of what is shown, two requests at a time, and each only once', async () => {
    const one = wave(() => long);
    one.want(95, 135);
    await end(one, 'ready');
    expect(asked).toEqual(['index-a1.m3u8', 'seg-9.ts', 'seg-10.ts', 'seg-11.ts', 'seg-12.ts', 'seg-13.ts']);
    expect(most).toBe(2);
    one.want(120, 150);
    await vi.waitFor(() => expect(asked.slice(6)).toEqual(['seg-14.ts']));
    await end(one, 'ready');
    expect([one.kept.value[900], one.kept.value[1499], one.kept.value[1500], one.kept.value[899]]).toEqual([0.5, 0.5, Number.NaN, Number.NaN]);
  });
  it('of more than twenty minutes costs nothing but the playlist', async () => {
    const one = wave(() => long);
    one.want(0, FAR + 1);
    await end(one, 'far');
    expect(asked).toEqual(['index-a1.m3u8']);
    one.want(0, 20);
    await end(one, 'ready');
    expect(asked).toHaveLength(3);
  });
  it('is given up when the browser has no decoder for it', async () => {
    broken = true;
    const one = wave(() => long);
    one.want(0, 600);
    await end(one, 'none');
    one.want(600, 1200);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(asked.length).toBeLessThanOrEqual(5);
  });
  it('begins anew with another sound, and what comes late of the old one is dropped', async () => {
    const source = ref<Sound | null>(long);
    const one = wave(() => source.value);
    one.want(0, 600);
    await vi.waitFor(() => expect(asked.length).toBeGreaterThan(2), { interval: 1 });
    source.value = { url: '/play/y/index-a1.m3u8', seconds: 60 };
    await vi.waitFor(() => expect(one.kept.value).toHaveLength(600), { interval: 1 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([one.state.value, one.kept.value.every((value) => Number.isNaN(value))]).toEqual(['idle', true]);
  });
  it('of a small file is made of it as one, of a large one not at all', async () => {
    const small = wave(() => ({ url: '/audio/a.wav', seconds: 10, bytes: 1000 }));
    small.want(0, 10);
    await end(small, 'ready');
    const large = wave(() => ({ url: '/audio/b.flac', seconds: 4000, bytes: 400_000_000 }));
    large.want(0, 4000);
    await end(large, 'none');
    expect(asked).toEqual(['a.wav']);
  });
});
