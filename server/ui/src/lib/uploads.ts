/** An upload that was begun, as this browser remembers it over a reload: all but the file, which a page may not open by itself. */
export interface Kept {
  key: string;
  name: string;
  size: number;
  /** When the file was changed last, in ms: the same name and size are not always the same file. */
  modified: number;
  title: string;
  category_id: number | null;
  tag_ids: number[];
  /** Where it is on the server; empty before it began. */
  url: string;
  sent: number;
}

export type Chosen = Pick<File, 'name' | 'size' | 'lastModified'>;

export const VIDEO = ['.mp4', '.mov', '.mkv', '.webm', '.ts', '.flv', '.avi'];
export const AUDIO = ['.mp3', '.m4a', '.wav', '.aac', '.flac'];

/** Why a file isn't taken, before any of it is sent. */
export type Refusal = { why: 'kind' | 'empty' } | { why: 'large'; limit: number };

export function refusal(file: Chosen, limits: { video: number; audio: number }): Refusal | null {
  const name = file.name.toLowerCase();
  const video = VIDEO.some((end) => name.endsWith(end));
  if (!video && !AUDIO.some((end) => name.endsWith(end))) return { why: 'kind' };
  if (file.size === 0) return { why: 'empty' };
  const limit = video ? limits.video : limits.audio;
  return file.size > limit ? { why: 'large', limit } : null;
}

/** Whether a file is the one of which a part was sent. */
export function same(kept: Pick<Kept, 'name' | 'size' | 'modified'>, file: Chosen): boolean {
  return kept.name === file.name && kept.size === file.size && kept.modified === file.lastModified;
}

/** The title that a file suggests: its name without the ending, as words. */
export function titleOf(name: string): string {
  const stem = name.replace(/\.[^.]+$/, '');
  return (/\s/.test(stem) ? stem : stem.replace(/[_]+/g, ' ')).trim().slice(0, 128) || name.slice(0, 128);
}

/** What is read back from the browser's store; what is no list of uploads is none. */
export function read(text: string | null): Kept[] {
  try {
    const list: unknown = JSON.parse(text ?? '[]');
    return Array.isArray(list) ? list.filter((one): one is Kept => typeof one === 'object' && one !== null && ['key', 'name', 'title', 'url'].every((field) => typeof (one as Record<string, unknown>)[field] === 'string') && ['size', 'modified', 'sent'].every((field) => typeof (one as Record<string, unknown>)[field] === 'number')) : [];
  } catch {
    return [];
  }
}

/** What the server said about an upload that it refused: the sentence of its problem. */
export function said(body: string | undefined): string | null {
  try {
    const detail = (JSON.parse(body ?? '') as { detail?: unknown }).detail;
    return typeof detail === 'string' && detail ? detail : null;
  } catch {
    return null;
  }
}
