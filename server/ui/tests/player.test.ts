import { describe, expect, it, vi } from 'vitest';
import { ref } from 'vue';
import { action, type Extras } from '@/components/player/keys';
import { SPEEDS, type Playback } from '@/components/player/usePlayback';

function rig(at = 50) {
  const playback = { at: ref(at), duration: ref(100), speed: ref(1), muted: ref(false), volume: ref(0.5) } as unknown as Playback;
  Object.assign(playback, {
    seek: vi.fn((to: number) => (playback.at.value = to)),
    toggle: vi.fn(),
    pause: vi.fn(),
    setSpeed: (value: number) => (playback.speed.value = value),
    setVolume: vi.fn(),
    setMuted: vi.fn(),
  });
  const extras: Extras = { rate: () => 25, fullScreen: vi.fn(), pip: vi.fn(), captions: vi.fn(), help: vi.fn(), say: vi.fn() };
  return { playback, extras, press: (key: string) => action(key, playback, extras)?.() };
}

describe('the keys of the player', () => {
  it('seek by five and ten seconds, and to tenths', () => {
    const { playback, press } = rig();
    for (const [key, to] of [['ArrowLeft', 45], ['ArrowRight', 50], ['j', 40], ['L', 50], ['0', 0], ['9', 90], ['End', 100], ['Home', 0]] as const) {
      press(key);
      expect(playback.at.value, key).toBe(to);
    }
  });
  it('step one picture at a time, there and back, and stop playback for it', () => {
    const { playback, press } = rig(2);
    const frame = () => Math.floor(playback.at.value * 25);
    for (const expected of [51, 52, 53]) {
      press('.');
      expect(frame()).toBe(expected);
    }
    press(',');
    expect(frame()).toBe(52);
    expect(playback.pause).toHaveBeenCalledTimes(4);
  });
  it('change the speed within what there is', () => {
    const { playback, press } = rig();
    for (let n = 0; n < 20; n++) press('>');
    expect(playback.speed.value).toBe(SPEEDS.at(-1));
    for (let n = 0; n < 20; n++) press('<');
    expect(playback.speed.value).toBe(SPEEDS[0]);
  });
  it('leave the others to the page', () => {
    const { playback, extras } = rig();
    for (const key of ['Tab', 'Enter', 'x', 'F5', 'PageDown']) expect(action(key, playback, extras), key).toBeNull();
  });
});
