/** One track of what an address or a file holds, as the server tells it. */
export interface Track {
  kind?: string;
  codec?: string;
  language?: string;
  width?: number;
  height?: number;
  fps?: number;
  sample_rate?: number;
  channels?: number;
}

const NAMES: Record<string, string> = {
  h264: 'H.264', hevc: 'HEVC', av1: 'AV1', vp9: 'VP9', vp8: 'VP8', mpeg2video: 'MPEG-2', mjpeg: 'Motion JPEG',
  aac: 'AAC', mp3: 'MP3', ac3: 'AC-3', eac3: 'E-AC-3', opus: 'Opus', flac: 'FLAC', vorbis: 'Vorbis', pcm_mulaw: 'G.711 µ-law', pcm_alaw: 'G.711 A-law',
};

/** The codec as people write it. */
export function codec(name: string | undefined): string {
  return name ? (NAMES[name] ?? name.toUpperCase()) : '–';
}

/** `1920×1080, 25 fps` or `48 kHz, 2 channels`, without the words. */
export function figures(track: Track): string {
  const parts: string[] = [];
  if (track.width && track.height) parts.push(`${track.width}×${track.height}`);
  if (track.fps) parts.push(`${Math.round(track.fps * 100) / 100} fps`);
  if (track.sample_rate) parts.push(`${track.sample_rate / 1000} kHz`);
  if (track.language && track.language !== 'und') parts.push(track.language);
  return parts.join(', ');
}

/** Sounds that an MP4 keeps as they come; others become AAC. */
const KEPT = new Set(['aac', 'mp3', 'ac3', 'eac3', 'opus', 'flac']);

/** What becomes of a sound track when it is recorded with `choice`. */
export function fate(track: Track, choice: string): 'kept' | 'converted' | 'dropped' {
  if (choice === 'none') return 'dropped';
  if (choice === 'copy') return 'kept';
  if (choice === 'aac') return track.codec === 'aac' ? 'kept' : 'converted';
  return KEPT.has(track.codec ?? '') ? 'kept' : 'converted';
}

export type Protocol = 'rtmp' | 'rtmps' | 'rtsp' | 'rtsps' | 'hls';

/** How an address is spoken to; null for one that can't be recorded. */
export function protocol(url: string): Protocol | null {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\/[^/\s]/i.exec(url.trim())?.[1]?.toLowerCase();
  if (scheme === 'rtmp' || scheme === 'rtmps' || scheme === 'rtsp' || scheme === 'rtsps') return scheme;
  return scheme === 'http' || scheme === 'https' ? 'hls' : null;
}

/** Why an address gave nothing, as a key of the words of `sources.why`. */
export function why(error: string): 'auth' | 'refused' | 'timeout' | 'name' | 'missing' | 'private' | 'format' | 'down' | 'other' {
  if (/server was not running/i.test(error)) return 'down';
  if (/401|403|unauthori|forbidden|password|credential/i.test(error)) return 'auth';
  if (/private|loopback|not allowed|egress/i.test(error)) return 'private';
  if (/refused|unreachable/i.test(error)) return 'refused';
  if (/resolve|unknown host|name or service|dns/i.test(error)) return 'name';
  if (/404|not found|no such/i.test(error)) return 'missing';
  if (/no answer|time|timed out/i.test(error)) return 'timeout';
  if (/invalid data|unsupported|not a|no media|no track/i.test(error)) return 'format';
  return 'other';
}
