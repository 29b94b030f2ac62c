import { ref, type Ref } from 'vue';
import { ElMessage } from 'element-plus/es/components/message/index';
import { useI18n } from 'vue-i18n';
import { words } from '@/lib/words';

/** Runs an action with a busy flag; what goes wrong is told in words, and false comes back. */
export function useAct(): { busy: Ref<boolean>; act: (work: () => Promise<unknown>, done?: string) => Promise<boolean> } {
  const busy = ref(false);
  const { t } = useI18n();
  async function act(work: () => Promise<unknown>, done?: string): Promise<boolean> {
    if (busy.value) return false;
    busy.value = true;
    try {
      await work();
      if (done) ElMessage({ message: done, type: 'success', grouping: true });
      return true;
    } catch (error) {
      ElMessage({ message: words(error, t), type: 'error', duration: 8000, showClose: true, grouping: true });
      return false;
    } finally {
      busy.value = false;
    }
  }
  return { busy, act };
}
