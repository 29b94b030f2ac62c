import { h } from 'vue';
import { ElMessage } from 'element-plus/es/components/message/index';
import { useI18n } from 'vue-i18n';

/** Says what was done, with a button that undoes it for ten seconds. */
export function useUndo(): (text: string, undo: () => unknown) => void {
  const { t } = useI18n();
  return (text, undo) => {
    const told = ElMessage({
      type: 'success',
      duration: 10_000,
      showClose: true,
      message: h('span', [
        text,
        h(
          'button',
          {
            style: 'margin-left: 14px; border: 0; background: none; font: inherit; font-weight: 650; color: var(--el-color-primary); cursor: pointer; padding: 4px 8px',
            'data-test': 'undo',
            onClick: () => {
              told.close();
              void undo();
            },
          },
          t('common.action.undo'),
        ),
      ]),
    });
  };
}
