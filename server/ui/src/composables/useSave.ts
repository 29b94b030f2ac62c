import { ref, type Ref } from 'vue';
import { useI18n } from 'vue-i18n';
import { fieldWords, words } from '@/lib/words';

/** What is wrong with each field; one that is empty or absent is right. */
export type Faults<Name extends string> = Partial<Record<Name, string | false | null>>;

export interface Saving<Name extends string> {
  busy: Ref<boolean>;
  /** What went wrong that no field of the form is about. */
  fault: Ref<string>;
  fields: Ref<Partial<Record<Name, string>>>;
  /** Does the work unless the form is wrong; true when it was done. */
  save: (wrong: Faults<Name>, work: () => Promise<unknown>) => Promise<boolean>;
  clear: () => void;
}

/**
 * Saving a form: what is wrong stands beside the field that it is about, what is about none of `names` stands in `fault`, so that nothing
 * that the server says is lost. A second save while the first one runs does nothing.
 */
export function useSave<Name extends string>(...names: Name[]): Saving<Name> {
  const busy = ref(false);
  const fault = ref('');
  const fields = ref({}) as Ref<Partial<Record<Name, string>>>;
  const { t } = useI18n();

  function clear(): void {
    fault.value = '';
    fields.value = {};
  }

  function tell(error: unknown): void {
    const told = Object.entries(fieldWords(error));
    const rest: string[] = [];
    for (const [place, message] of told) {
      // `events.0` is about the field `events`.
      const name = names.find((one) => place === one || place.startsWith(`${one}.`));
      if (name) fields.value[name] = message;
      else rest.push(place ? `${place}: ${message}` : message);
    }
    fault.value = told.length ? rest.join('; ') : words(error, t);
  }

  async function save(wrong: Faults<Name>, work: () => Promise<unknown>): Promise<boolean> {
    if (busy.value) return false;
    clear();
    for (const name of names) {
      const message: unknown = wrong[name];
      if (typeof message === 'string' && message) fields.value[name] = message;
    }
    if (Object.keys(fields.value).length) return false;
    busy.value = true;
    try {
      await work();
      return true;
    } catch (error) {
      tell(error);
      return false;
    } finally {
      busy.value = false;
    }
  }
  return { busy, fault, fields, save, clear };
}
