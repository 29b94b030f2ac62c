import { computed, onBeforeUnmount, ref, type Ref } from 'vue';
import { useStorage } from '@vueuse/core';

export const SPEEDS = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2];

/** Seconds at both ends of a recording from which nobody wants to go on. */
const EDGE = 5;

/** Seconds before the end of a recording that need not come: its last piece may hold less than a picture. */
const REST = 0.3;

/** Milliseconds that what waits there may take to go on all the same. */
const PATIENCE = 1500;

export interface PlaybackOptions {
  /** Where to begin, whatever is remembered. */
  start: () => number | undefined;
  /** Under which name this browser remembers how far it was played; nothing is remembered without one. */
  storageKey: () => string | undefined;
  /** It was played to its end. */
  ended: () => void;
}

/** What a media element does, and what can be asked of it. */
export function usePlayback(media: Ref<HTMLVideoElement | null>, options: PlaybackOptions) {
  const at = ref(0);
  const duration = ref(0);
  const paused = ref(true);
  const waiting = ref(false);
  const speed = ref(1);
  const buffered = ref<[number, number][]>([]);
  const resumed = ref<number | null>(null);
  const loudness = useStorage('mediastack.player.volume', { volume: 1, muted: false });
  const muted = ref(loudness.value.muted);
  const volume = ref(loudness.value.volume);
  let began = false;
  let saved = 0;
  let note: ReturnType<typeof setTimeout> | undefined;
  let stuck: ReturnType<typeof setTimeout> | undefined;
  let over = false;
  /** A person wants it to play: what was asked of an element that knew no media yet is lost when it is given some. */
  let wanted = false;

  const forget = (): void => {
    const key = options.storageKey();
    if (key) localStorage.removeItem(key);
  };
  function remember(): void {
    const key = options.storageKey();
    saved = at.value;
    if (!key || at.value <= EDGE || !duration.value) return;
    if (at.value < duration.value - EDGE) localStorage.setItem(key, String(Math.floor(at.value)));
    else forget();
  }

  /** The element knows what it plays. Later ones are the same after its address was renewed. */
  function loaded(): void {
    const element = media.value;
    if (!element) return;
    duration.value = Number.isFinite(element.duration) ? element.duration : 0;
    element.playbackRate = speed.value;
    element.volume = volume.value;
    element.muted = muted.value;
    if (wanted && element.paused) play();
    if (began) return;
    began = true;
    const start = options.start();
    if (start !== undefined) {
      element.currentTime = Math.min(start, element.duration || start);
      return;
    }
    const key = options.storageKey();
    const kept = key ? Number(localStorage.getItem(key)) : 0;
    if (kept > EDGE && kept < element.duration - EDGE) {
      element.currentTime = kept;
      resumed.value = kept;
      note = setTimeout(() => (resumed.value = null), 8000);
    }
  }
  function ticked(): void {
    if (!media.value) return;
    at.value = media.value.currentTime;
    if (Math.abs(at.value - saved) >= 5) remember();
  }
  function ended(): void {
    clearTimeout(stuck);
    waiting.value = false;
    stopped();
    forget();
    options.ended();
  }
  /** Nothing comes at the moment. Just before the end that is the end, which some browsers then never tell. */
  function stalled(): void {
    waiting.value = true;
    clearTimeout(stuck);
    stuck = setTimeout(() => {
      const element = media.value;
      if (!element || !waiting.value || element.paused || !(element.currentTime >= element.duration - REST)) return;
      element.pause();
      over = true;
      ended();
    }, PATIENCE);
  }
  function progressed(): void {
    const ranges = media.value?.buffered;
    if (ranges) buffered.value = Array.from({ length: ranges.length }, (_, index) => [ranges.start(index), ranges.end(index)]);
  }
  function play(): void {
    if (over) seek(0);
    wanted = true;
    void media.value?.play().catch(() => undefined);
  }
  function pause(): void {
    wanted = false;
    media.value?.pause();
  }
  /** It stands, by whomever. */
  function stopped(): void {
    [wanted, paused.value] = [false, true];
  }
  const toggle = (): void => (media.value?.paused ? play() : pause());
  function seek(seconds: number): void {
    if (!media.value) return;
    over = false;
    at.value = Math.max(0, Math.min(seconds, duration.value || seconds));
    media.value.currentTime = at.value;
  }
  function setSpeed(value: number): void {
    speed.value = value;
    if (media.value) media.value.playbackRate = value;
  }
  function setVolume(value: number): void {
    if (!media.value) return;
    media.value.volume = Math.min(1, Math.max(0, Math.round(value * 100) / 100));
    media.value.muted = value <= 0;
  }
  function setMuted(value: boolean): void {
    if (media.value) media.value.muted = value;
  }
  function volumeChanged(): void {
    if (!media.value) return;
    [muted.value, volume.value] = [media.value.muted, media.value.volume];
    loudness.value = { volume: volume.value, muted: muted.value };
  }
  function fromStart(): void {
    resumed.value = null;
    forget();
    seek(0);
    play();
  }
  /** Something else will be played: it begins where it begins. */
  function renew(): void {
    [began, over] = [false, false];
    [at.value, duration.value, saved, buffered.value, resumed.value] = [0, 0, 0, [], null];
  }
  onBeforeUnmount(() => {
    clearTimeout(note);
    clearTimeout(stuck);
    remember();
  });
  return { at, duration, paused, waiting, speed, buffered, resumed, muted, volume, silent: computed(() => muted.value || volume.value === 0), loaded, ticked, progressed, stopped, stalled, ended, play, pause, toggle, seek, setSpeed, setVolume, setMuted, volumeChanged, fromStart, forget, renew };
}
export type Playback = ReturnType<typeof usePlayback>;
