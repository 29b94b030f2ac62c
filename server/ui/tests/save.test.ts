import { createI18n } from 'vue-i18n';
import { mount } from '@vue/test-utils';
import { describe, expect, it, vi } from 'vitest';
import { ApiError } from '@/api/errors';
import { useSave } from '@/composables/useSave';
import en from '@/i18n/en';

/** The composable inside a component, as it needs the words. */
function saving() {
  let made!: ReturnType<typeof useSave<'name' | 'events'>>;
  const i18n = createI18n({ legacy: false, locale: 'en', messages: { en } });
  mount({ setup: () => ((made = useSave('name', 'events')), () => null) }, { global: { plugins: [i18n] } });
  return made;
}
const fails = (error: unknown) => vi.fn(async () => Promise.reject(error));

describe('saving a form', () => {
  it('does nothing while a field is wrong, and says which', async () => {
    const { save, fields, fault, busy } = saving();
    const work = vi.fn(async () => undefined);
    expect(await save({ name: 'A name is needed.', events: false }, work)).toBe(false);
    expect(work).not.toHaveBeenCalled();
    expect(fields.value).toEqual({ name: 'A name is needed.' });
    expect([fault.value, busy.value]).toEqual(['', false]);
  });
  it('puts what the server says beside the fields that it names, also inside of lists', async () => {
    const { save, fields, fault } = saving();
    expect(await save({}, fails(new ApiError(422, 'Invalid', { name: 'at most 32 characters', 'events.1': 'not an event' })))).toBe(false);
    expect(fields.value).toEqual({ name: 'at most 32 characters', events: 'not an event' });
    expect(fault.value).toBe('');
  });
  it('loses nothing that is about no field of the form', async () => {
    const { save, fields, fault } = saving();
    await save({}, fails(new ApiError(422, 'Invalid', { name: 'too long', nameless: 'is not known', '': 'A body is needed.' })));
    expect(fields.value).toEqual({ name: 'too long' });
    expect(fault.value).toBe('nameless: is not known; A body is needed.');
  });
  it('says in words what happened when the server names no field, is away, or the page itself fails', async () => {
    const { save, fault } = saving();
    await save({}, fails(new ApiError(400, 'Category name already exists')));
    expect(fault.value).toBe('Category name already exists');
    await save({}, fails(new ApiError(0, 'unreachable')));
    expect(fault.value).toBe(en.common.error.unreachable);
    await save({}, fails(new Error('no clipboard')));
    expect(fault.value).toBe('no clipboard');
  });
  it('begins anew: what was wrong before is gone, also when it is saved', async () => {
    const { save, fields, fault } = saving();
    await save({}, fails(new ApiError(422, 'Invalid', { name: 'too long', other: 'odd' })));
    expect(await save({}, async () => undefined)).toBe(true);
    expect([fields.value, fault.value]).toEqual([{}, '']);
  });
  it('does not save twice at once', async () => {
    const { save, busy } = saving();
    let settle!: () => void;
    const first = save({}, () => new Promise<void>((done) => (settle = done)));
    expect(busy.value).toBe(true);
    const again = vi.fn(async () => undefined);
    expect(await save({}, again)).toBe(false);
    expect(again).not.toHaveBeenCalled();
    settle();
    expect(await first).toBe(true);
    expect(busy.value).toBe(false);
  });
});
