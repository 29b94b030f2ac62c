import { SPEEDS, type Playback } from './usePlayback';

/** What keys can ask for beside playback itself. */
export interface Extras {
  /** Frames per second. */
  rate: () => number;
  fullScreen: () => void;
  pip: () => void;
  captions: () => void;
  help: () => void;
  /** Says what a key did. */
  say: (what: { speed: number } | { volume: number } | { muted: boolean } | { by: number }) => void;
}

/** What a key does; null when it does nothing, and is the page's. Letters as on most video sites. */
export function action(key: string, on: Playback, extras: Extras): (() => void) | null {
  const by = (seconds: number) => () => {
    on.seek(on.at.value + seconds);
    extras.say({ by: seconds });
  };
  const frame = (count: number) => () => {
    on.pause();
    // To the middle of the frame, so that rounding never shows the same one.
    const rate = extras.rate();
    on.seek((Math.floor(on.at.value * rate + 1e-3) + count + 0.5) / rate);
  };
  const faster = (step: number) => () => {
    const index = SPEEDS.indexOf(on.speed.value) + step;
    on.setSpeed(SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, index))] ?? 1);
    extras.say({ speed: on.speed.value });
  };
  const louder = (step: number) => () => {
    on.setVolume((on.muted.value ? 0 : on.volume.value) + step);
    extras.say({ volume: Math.min(1, Math.max(0, (on.muted.value ? 0 : on.volume.value) + step)) });
  };
  if (/^\d$/.test(key)) return () => on.seek((on.duration.value * Number(key)) / 10);
  const keys: Record<string, () => void> = {
    k: on.toggle,
    j: by(-10),
    l: by(10),
    ArrowLeft: by(-5),
    ArrowRight: by(5),
    ArrowUp: louder(0.1),
    ArrowDown: louder(-0.1),
    m: () => {
      const muted = !on.muted.value;
      on.setMuted(muted);
      extras.say({ muted });
    },
    f: extras.fullScreen,
    i: extras.pip,
    c: extras.captions,
    '?': extras.help,
    '<': faster(-1),
    '>': faster(1),
    '.': frame(1),
    ',': frame(-1),
    Home: () => on.seek(0),
    End: () => on.seek(on.duration.value),
    ' ': on.toggle,
  };
  return keys[key.length === 1 ? key.toLowerCase() : key] ?? null;
}
