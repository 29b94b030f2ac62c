import { ElMessage } from 'element-plus/es/components/message/index';
import { useI18n } from 'vue-i18n';
import { api, ok } from '@/api/client';
import { each, inBatches, type Outcome } from '@/lib/batch';
import { words } from '@/lib/words';
import { useUndo } from './useUndo';

/** Things that are done to many videos, and what is told about them: what happened, not what was asked. */
export function useBatch() {
  const { t } = useI18n();
  const offer = useUndo();

  /** `done` is the key of a sentence with `{n}`. False when nothing was done. */
  function tell(outcome: Outcome, done: string, undo?: () => unknown): boolean {
    const said = t(`library.done.${done}`, { n: outcome.done }, outcome.done);
    if (outcome.error) ElMessage({ type: 'error', duration: 10_000, showClose: true, message: `${outcome.done ? `${said} ` : ''}${t('library.done.failed', { n: outcome.failed.length }, outcome.failed.length)} ${words(outcome.error, t)}` });
    else if (outcome.failed.length) ElMessage({ type: 'warning', duration: 8000, showClose: true, message: `${said} ${t('library.done.missing', { n: outcome.failed.length }, outcome.failed.length)}` });
    else if (undo) offer(said, undo);
    else ElMessage({ type: 'success', message: said, grouping: true });
    return outcome.done > 0;
  }

  const body = (video_ids: number[]) => ({ body: { video_ids } });
  async function publish(ids: number[]): Promise<boolean> {
    return tell(await inBatches(ids, (some) => ok(api.POST('/api/videos/batch-publish', body(some)))), 'published');
  }
  async function offline(ids: number[]): Promise<boolean> {
    return tell(await inBatches(ids, (some) => ok(api.POST('/api/videos/batch-offline', body(some)))), 'offline');
  }
  async function protect(ids: number[], is_protected: boolean): Promise<boolean> {
    return tell(await inBatches(ids, (video_ids) => ok(api.POST('/api/videos/batch-protect', { body: { video_ids, is_protected } }))), is_protected ? 'protected' : 'unprotected');
  }
  async function restore(ids: number[]): Promise<boolean> {
    return tell(await each(ids, (id) => ok(api.POST('/api/videos/{id}/restore', { params: { path: { id } } }))), 'restored');
  }
  async function remove(ids: number[]): Promise<boolean> {
    const outcome = await inBatches(ids, (some) => ok(api.POST('/api/videos/batch-delete', body(some))));
    const gone = ids.filter((id) => !outcome.failed.includes(id));
    return tell(outcome, 'deleted', () => restore(gone));
  }
  return { tell, publish, offline, protect, restore, remove };
}
