import { mount } from '@vue/test-utils';
import { ref } from 'vue';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { usePlayback } from '@/components/player/usePlayback';

/** A media element as far as it is used here. */
const element = { currentTime: 0, duration: 60, paused: true, playbackRate: 1, volume: 1, muted: false, play: vi.fn(async () => void (element.paused = false)), pause: vi.fn(() => void (element.paused = true)) };
const ended = vi.fn();
function playing(at: number) {
  let made!: ReturnType<typeof usePlayback>;
  mount({ setup: () => ((made = usePlayback(ref(element as never), { start: () => undefined, storageKey: () => 'seen.1', ended })), () => null) });
  made.loaded();
  made.play();
  element.currentTime = at;
  made.ticked();
  made.stalled();
  return made;
}
beforeEach(() => {
  vi.useFakeTimers();
  vi.clearAllMocks();
  Object.assign(element, { currentTime: 0, duration: 60, paused: true });
  localStorage.setItem('seen.1', '40');
});
afterEach(() => vi.useRealTimers());

describe('a recording that waits', () => {
  it('just before its end has ended: no wheel turns, nothing is remembered, and it can be played again', () => {
    const playback = playing(59.8);
    expect(playback.waiting.value).toBe(true);
    vi.advanceTimersByTime(2000);
    expect(ended).toHaveBeenCalledTimes(1);
    expect([playback.waiting.value, playback.paused.value, element.paused]).toEqual([false, true, true]);
    expect(localStorage.getItem('seen.1')).toBeNull();
    playback.play();
    expect([element.currentTime, element.paused]).toEqual([0, false]);
  });
  it('goes on when the rest comes in time', () => {
    const playback = playing(59.8);
    vi.advanceTimersByTime(1000);
    playback.waiting.value = false;
    vi.advanceTimersByTime(2000);
    expect(ended).not.toHaveBeenCalled();
    expect(element.paused).toBe(false);
  });
  it('elsewhere waits, however long it takes', () => {
    const playback = playing(59.2);
    vi.advanceTimersByTime(60_000);
    expect(ended).not.toHaveBeenCalled();
    expect(playback.waiting.value).toBe(true);
  });
  it('and was paused stays where it is', () => {
    const playback = playing(59.8);
    element.paused = true;
    vi.advanceTimersByTime(2000);
    expect(ended).not.toHaveBeenCalled();
    playback.play();
    expect(element.currentTime).toBe(59.8);
  });
});

describe('a press on play before the media has come', () => {
  /** What an element does when it is given its media: it stands, and tells nobody. */
  const given = (playback: ReturnType<typeof usePlayback>): void => {
    element.paused = true;
    playback.loaded();
  };
  it('is not lost when it comes', () => {
    const playback = playing(0);
    given(playback);
    expect(element.paused).toBe(false);
  });
  it('counts no more after one on pause, or when the system stopped it', () => {
    for (const stop of ['pause', 'stopped'] as const) {
      const playback = playing(0);
      playback[stop]();
      given(playback);
      expect(element.paused).toBe(true);
    }
  });
});
