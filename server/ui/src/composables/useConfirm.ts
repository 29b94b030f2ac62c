import { ElMessageBox } from 'element-plus/es/components/message-box/index';
import { useI18n } from 'vue-i18n';

/** Asks before something that can't be undone; the buttons say what they do. */
export function useConfirm(): (text: string, yes: string) => Promise<boolean> {
  const { t } = useI18n();
  return async (text, yes) => {
    try {
      await ElMessageBox.confirm(text, t('common.confirm.title'), { confirmButtonText: yes, cancelButtonText: t('common.action.cancel'), type: 'warning', lockScroll: false });
      return true;
    } catch {
      return false;
    }
  };
}
