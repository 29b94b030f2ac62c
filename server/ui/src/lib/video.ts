import type { Video } from '@/api/types';
import type { Track } from './probe';

/** Media that is missing from a recording. */
export interface Gap {
  at_s: number;
  length_s: number;
  cause: string;
}

/** A part of a recording between gaps. */
export interface Part {
  at: number;
  /** Seconds that are missing before it; null for the first. */
  missing: number | null;
  cause: string;
}

/** The gaps that the server tells, in order. */
export function gaps(video: Pick<Video, 'gaps'>): Gap[] {
  return (video.gaps as Partial<Gap>[])
    .filter((gap): gap is Gap => typeof gap.at_s === 'number' && Number.isFinite(gap.at_s))
    .map((gap) => ({ at_s: Math.max(0, gap.at_s), length_s: Math.max(0, Number(gap.length_s) || 0), cause: String(gap.cause ?? '') }))
    .sort((a, b) => a.at_s - b.at_s);
}

/** The parts that the gaps make of a recording; none when it is whole. Gaps closer than a second are one. */
export function parts(video: Pick<Video, 'gaps' | 'duration'>): Part[] {
  const found: Part[] = [];
  for (const gap of gaps(video)) {
    if (video.duration != null && gap.at_s >= video.duration) continue;
    const last = found.at(-1);
    if (last && gap.at_s - last.at < 1) last.missing = (last.missing ?? 0) + gap.length_s;
    else if (gap.at_s >= 1) found.push({ at: gap.at_s, missing: gap.length_s, cause: gap.cause });
  }
  return found.length ? [{ at: 0, missing: null, cause: '' }, ...found] : [];
}

export function tracks(video: Pick<Video, 'tracks'>): Track[] {
  return video.tracks as Track[];
}

/** `1080p`, by the shorter side; empty for sound. */
export function height(video: Pick<Video, 'tracks'>): string {
  const picture = tracks(video).find((track) => track.kind === 'video' && track.width && track.height);
  return picture ? `${Math.min(picture.width ?? 0, picture.height ?? 0)}p` : '';
}

/** Frames per second of the picture; 25 when it isn't known. */
export function rate(video: Pick<Video, 'tracks'>): number {
  const fps = tracks(video).find((track) => track.kind === 'video')?.fps;
  return fps && fps > 0.5 && fps < 1000 ? fps : 25;
}

/** A moment as links tell it: `90` → `1m30s`. */
export function stamp(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return `${h ? `${h}h` : ''}${h || m ? `${m}m` : ''}${s}s`;
}

/** Where a video is watched, from a moment on. */
export function address(id: number, at = 0, origin = location.origin): string {
  return `${origin}/watch/${id}${at >= 1 ? `?t=${stamp(at)}` : ''}`;
}

/** The key under which this browser remembers how far a video was watched. */
export const reachedKey = (id: number): string => `mediastack.at.v${id}`;

/** The share of a video that was watched on this browser, 0 to 1. */
export function reached(video: Pick<Video, 'id' | 'duration'>, storage: Pick<Storage, 'getItem'> = localStorage): number {
  const at = Number(storage.getItem(reachedKey(video.id)));
  return video.duration && at > 0 ? Math.min(1, at / video.duration) : 0;
}
