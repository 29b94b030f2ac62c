import type { Video } from '@/api/types';
import type { Sound } from '@/composables/useWaveform';
import { tracks } from './video';

/** Sounds that HLS segments carry in a form that every browser decodes. */
const DECODED = new Set(['aac', 'mp3', 'mp2']);

/**
 * What the waveform of a video is made of: of a playlist that of its first sound alone; of a file in MP4 the playlist that the server makes of
 * it, of another file itself. Null when it has no sound, or one that browsers don't decode by pieces.
 */
export function soundOf(video: Pick<Video, 'tracks' | 'file_type' | 'file_path' | 'file_size' | 'duration'>, url: string): Sound | null {
  const codec = tracks(video).find((track) => track.kind === 'audio')?.codec ?? '';
  const seconds = video.duration ?? 0;
  if (!url || seconds <= 0) return null;
  if (url.endsWith('/index.m3u8')) return DECODED.has(codec) ? { url: url.replace(/index\.m3u8$/, 'index-a1.m3u8'), seconds } : null;
  if (/\.(m4a|mp4)$/.test(url)) return DECODED.has(codec) ? { url: `/vod/${url.split('/').at(-1)}/index.m3u8`, seconds } : null;
  return { url, seconds, bytes: video.file_size };
}
