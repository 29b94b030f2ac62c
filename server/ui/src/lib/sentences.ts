/** A sentence of the server with places for values, such as `no key frame for {seconds} s`. */
interface Template {
  /** What is before the first place, between places, and behind the last. */
  before: string;
  between: string[];
  behind: string;
  /** The names of the places. What begins with `why` is a sentence itself. */
  places: string[];
  /** Nothing but places and marks: it counts only where a sentence in it is known. */
  isBare: boolean;
  said: string;
}

interface Language {
  /** Sentences without places. */
  plain: Map<string, string>;
  /** The others; those that say most come first. */
  templates: Template[];
  /** What was said lately: a page that shows seconds says all that is on it each second. */
  lately: Map<string, string>;
}

/** Longer texts are no sentences. */
const LONGEST = 2000;

/** As many as a recording has events, and some. */
const LATELY = 2000;

/** How deep sentences may stand in one another. */
const DEEPEST = 8;

const languages = new Map<string, Language>();

/** Learns how the sentences of the server are said in a language. */
export function learn(locale: string, sentences: Readonly<Record<string, string>>): void {
  const plain = new Map<string, string>();
  const templates: (Template & { length: number })[] = [];
  for (const [english, said] of Object.entries(sentences)) {
    // Texts and the names of places take turns.
    const parts = english.split(/\{(\w+)\}/);
    const texts = parts.filter((_, index) => index % 2 === 0);
    const places = parts.filter((_, index) => index % 2 === 1);
    if (!places.length) plain.set(english, said);
    else templates.push({ before: texts[0] ?? '', between: texts.slice(1, -1), behind: texts.at(-1) ?? '', places, isBare: !/\p{L}/u.test(texts.join('')), said, length: texts.join('').length });
  }
  languages.set(locale, { plain, templates: templates.sort((a, b) => b.length - a.length), lately: new Map() });
}

/** A sentence of the server in the language of `locale`; one that is not known there stays as it is. */
export function sentence(text: string, locale: string): string {
  const language = languages.get(locale);
  if (!language || text.length > LONGEST) return text;
  let said = language.lately.get(text);
  if (said === undefined) {
    if (language.lately.size >= LATELY) language.lately.clear();
    said = say(text, language, 0);
    language.lately.set(text, said);
  }
  return said;
}

function say(text: string, language: Language, depth: number): string {
  const plain = language.plain.get(text);
  if (plain !== undefined || depth === DEEPEST) return plain ?? text;
  for (const template of language.templates) {
    const found = values(text, template);
    if (!found) continue;
    const said = found.map((value, index) => (template.places[index]?.startsWith('why') ? say(value, language, depth + 1) : value));
    if (template.isBare && said.every((value, index) => value === found[index])) continue;
    return template.said.replace(/\{(\w+)\}/g, (_, place: string) => said[template.places.indexOf(place)] ?? '');
  }
  return text;
}

/** What stands at the places of a template, each as short as it can be; null where the text is another one. Never goes back in the text. */
function values(text: string, { before, between, behind, places }: Template): string[] | null {
  if (!text.startsWith(before) || !text.endsWith(behind)) return null;
  const end = text.length - behind.length;
  const found: string[] = [];
  let at = before.length;
  for (const piece of between) {
    const next = text.indexOf(piece, at + 1);
    if (next < 0) return null;
    found.push(text.slice(at, next));
    at = next + piece.length;
  }
  if (at >= end) return null;
  found.push(text.slice(at, end));
  // A value is no sentence. What says where it was comes first: `opening x: y: no answer in time` is no `{url}: no answer in time`.
  const isSentence = (value: string, index: number) => !places[index]?.startsWith('why') && (value.includes('; ') || (!before && index === 0 && value.includes(': ')));
  return found.some(isSentence) ? null : found;
}
