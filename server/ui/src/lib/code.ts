/** Letters and digits that nobody takes for another when they are read out or copied by hand: no 0 O o, 1 l I, 5 S, 2 Z. */
const LETTERS = 'ABCDEFGHJKLMNPQRTUVWXY346789';

/** A viewing code that can't be guessed: 28^10 of them. */
export function generate(length = 10, random: (into: Uint8Array) => Uint8Array = (into) => crypto.getRandomValues(into)): string {
  let code = '';
  // Bytes beyond the last whole multiple are left out, so that each letter is as likely.
  const limit = 256 - (256 % LETTERS.length);
  while (code.length < length) {
    for (const byte of random(new Uint8Array(length * 2))) {
      if (byte < limit && code.length < length) code += LETTERS[byte % LETTERS.length];
    }
  }
  return code;
}

/** Whether the server takes it: 6 to 12 letters and digits. */
export const valid = (code: string): boolean => /^[A-Za-z0-9]{6,12}$/.test(code);

export type CodeState = 'active' | 'off' | 'expired';

export function state(code: { is_active: boolean; expires_at?: string | null }, now = Date.now()): CodeState {
  if (!code.is_active) return 'off';
  return code.expires_at && Date.parse(code.expires_at) <= now ? 'expired' : 'active';
}
