import { createPinia, setActivePinia } from 'pinia';
import { createI18n } from 'vue-i18n';
import { createMemoryHistory, createRouter } from 'vue-router';
import { flushPromises, mount, type VueWrapper } from '@vue/test-utils';
import { afterEach, beforeEach, vi } from 'vitest';
import { defineComponent, h, type Component } from 'vue';
import { speak, type Locale } from '@/i18n';
import en from '@/i18n/en';
import zh from '@/i18n/zh-CN';

/** An answer with another status than 200. */
class Answer {
  constructor(
    readonly status: number,
    readonly body?: unknown,
  ) {}
}
export const refused = (status: number, detail: string, fields: Record<string, string> = {}): Answer =>
  new Answer(status, { detail, errors: Object.entries(fields).map(([name, msg]) => ({ loc: ['body', name], msg })) });
export const nothing = new Answer(204);
type Handler = unknown | ((body: unknown, path: string) => unknown);

/** What was asked of the server. */
export interface Asked {
  what: string;
  body: unknown;
}
let handlers: Record<string, Handler> = {};
export let asked: Asked[] = [];

/** Says what the server answers from now on: keys are `GET /api/sources`, or with a star for a part: `PUT /api/tags/*`. */
export function server(more: Record<string, Handler>): void {
  handlers = { ...handlers, ...more };
}
/** The bodies of what was asked in this way. */
export const sent = (what: string): unknown[] => asked.filter((one) => one.what === what).map((one) => one.body);

async function fetched(input: Request): Promise<Response> {
  const path = new URL(input.url).pathname;
  const what = `${input.method} ${path}`;
  const text = await input.text();
  asked.push({ what, body: text ? JSON.parse(text) : undefined });
  const key = Object.keys(handlers).find((one) => new RegExp(`^${one.replaceAll('*', '[^/]+')}$`).test(what));
  const handler = key === undefined ? refused(404, `the test answers nothing to ${what}`) : handlers[key];
  const given = typeof handler === 'function' ? await (handler as (body: unknown, path: string) => unknown)(asked.at(-1)?.body, path) : handler;
  const { status, body } = given instanceof Answer ? given : new Answer(200, given);
  return new Response(status === 204 ? null : JSON.stringify(body ?? null), { status, headers: { 'content-type': 'application/json' } });
}

let shown: VueWrapper | null = null;
/** Shows a component inside of a page with its words, router and stores. */
export async function show(part: Component, props: Record<string, unknown> = {}, at = '/', locale: Locale = 'en'): Promise<VueWrapper> {
  const blank = { template: '<i />' };
  const names = ['dashboard', 'sources', 'schedules', 'tasks', 'library', 'uploads', 'catalogue', 'codes', 'system', 'account', 'home', 'unlock', 'sign-in'];
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [...names.map((name) => ({ path: name === 'home' ? '/' : `/${name}`, name, component: blank })), ...['task', 'video', 'watch'].map((name) => ({ path: `/${name}/:id`, name, component: blank }))],
  });
  await router.push(at);
  await speak(locale);
  const i18n = createI18n({ legacy: false, locale, messages: { en, 'zh-CN': zh } });
  // An error of a component is the test's, and not a line of the log.
  shown = mount(defineComponent({ setup: () => () => h(part, props) }), { attachTo: document.body, global: { plugins: [i18n, router], config: { errorHandler: (error) => { throw error; } } } });
  await settled();
  return shown;
}
/** Until everything that was asked is answered and shown. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 6; turn++) {
    await flushPromises();
    await new Promise((done) => setTimeout(done, 0));
  }
}

/** All that a person reads, dialogs and messages too. */
export const text = (): string => document.body.textContent?.replace(/\s+/g, ' ') ?? '';
/** The part with this mark. */
export function part(mark: string): HTMLElement {
  const found = document.querySelector<HTMLElement>(`[data-test="${mark}"]`);
  if (!found) throw new Error(`there is no ${mark} in: ${text()}`);
  return found;
}
export const has = (mark: string): boolean => document.querySelector(`[data-test="${mark}"]`) !== null;
export async function click(target: string | Element): Promise<void> {
  (typeof target === 'string' ? part(target) : target).dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true }));
  await settled();
}
/** Types into the field with this mark, or into the one inside of it. */
export async function type(mark: string, value: string): Promise<void> {
  const found = part(mark);
  const field = (found.matches('input, textarea') ? found : found.querySelector('input, textarea')) as HTMLInputElement;
  field.value = value;
  field.dispatchEvent(new Event('input', { bubbles: true }));
  field.dispatchEvent(new Event('change', { bubbles: true }));
  await settled();
}
/** Submits the form around a mark. */
export async function submit(mark: string): Promise<void> {
  part(mark).closest('form')?.dispatchEvent(new Event('submit', { bubbles: true, cancelable: true }));
  await settled();
}
/** Answers the question that is open. */
export async function answer(yes: boolean): Promise<void> {
  const buttons = [...document.querySelectorAll('.el-message-box__btns button')];
  const button = buttons.find((one) => one.classList.contains('el-button--primary') === yes);
  if (!button) throw new Error(`no question is open in: ${text()}`);
  await click(button);
}
/** The messages that are shown, with their kind. */
export const messages = (): string[] => [...document.querySelectorAll('.el-message')].map((one) => `${/el-message--(\w+)/.exec(one.className)?.[1]}: ${one.textContent?.trim()}`);

beforeEach(() => {
  [handlers, asked] = [{}, []];
  setActivePinia(createPinia());
  vi.stubGlobal('fetch', (input: Request) => fetched(input));
});
afterEach(() => {
  shown?.unmount();
  shown = null;
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});
