import { ref, type Ref } from 'vue';
import { useI18n } from 'vue-i18n';
import { api, ok } from '@/api/client';
import { useLive } from '@/stores/live';
import { useAct } from './useAct';
import { useConfirm } from './useConfirm';

/** Stops the recording of a source after a question, wherever it is shown; true when it has stopped. */
export function useStop(): { stop: (source: number, name: string) => Promise<boolean>; stopping: Ref<Record<number, boolean>> } {
  const { t } = useI18n();
  const { act } = useAct();
  const confirm = useConfirm();
  const live = useLive();
  const stopping = ref<Record<number, boolean>>({});
  async function stop(source: number, name: string): Promise<boolean> {
    if (!(await confirm(t('sources.stopAsk', { name }), t('sources.stop')))) return false;
    stopping.value[source] = true;
    const done = await act(() => ok(api.POST('/api/sources/{id}/record/stop', { params: { path: { id: source } } })), t('sources.stopped'));
    stopping.value[source] = false;
    // Its last figures are up to two seconds old, and would show it as running for as long.
    if (done) live.forget(source);
    return done;
  }
  return { stop, stopping };
}
