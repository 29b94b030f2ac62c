import { seconds } from './format';

/** A piece of what a person wrote: text, the address of a page, or a time of the video. */
export type Piece = { kind: 'text'; text: string } | { kind: 'link'; text: string; url: string } | { kind: 'time'; text: string; at: number };

const SPECIAL = /(https?:\/\/[^\s<>"'，。；）】》]+[^\s<>"'.,;:!?)\]，。；：！？）】》])|(?<![\w:.])(\d{1,2}(?::[0-5]\d){1,2})(?![\w:])/g;

/** Finds addresses and times in a text. A time beyond the end is just text. */
export function prose(text: string, duration = Number.POSITIVE_INFINITY): Piece[] {
  const pieces: Piece[] = [];
  let done = 0;
  const plain = (to: number): void => void (to > done && pieces.push({ kind: 'text', text: text.slice(done, to) }));
  for (const match of text.matchAll(SPECIAL)) {
    const [found, url] = match;
    const at = url ? null : seconds(found);
    if (!url && (at === null || at > duration)) continue;
    plain(match.index);
    pieces.push(url ? { kind: 'link', text: url, url } : { kind: 'time', text: found, at: at ?? 0 });
    done = match.index + found.length;
  }
  plain(text.length);
  return pieces;
}
