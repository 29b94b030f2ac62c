import { beforeEach, describe, expect, it, vi } from 'vitest';
import CategoryList from '@/components/people/CategoryList.vue';
import CodeDialog from '@/components/people/CodeDialog.vue';
import PasswordForm from '@/components/people/PasswordForm.vue';
import ScheduleDialog from '@/components/schedules/ScheduleDialog.vue';
import CodesPage from '@/pages/operator/CodesPage.vue';
import TaskPage from '@/pages/operator/TaskPage.vue';
import TasksPage from '@/pages/operator/TasksPage.vue';
import { useLive } from '@/stores/live';
import type { Live } from '@/api/types';
import { has, messages, nothing, part, refused, sent, server, show, submit, text, type } from './page';

const task = {
  id: 9, source_id: 4, source_name: 'Great hall', schedule_id: null, status: 'interrupted', started_at: '2026-01-01T10:00:00Z', ended_at: '2026-01-01T10:01:00Z', window_end: null, file_path: 'a.mp4', file_size: 1_000_000,
  duration: 60, reconnects: 0, gaps: [], continues_id: null, continued_by: null as number | null, stop_asked: false, error_message: null as string | null, video_id: 1, created_at: '2026-01-01T10:00:00Z', updated_at: '2026-01-01T10:01:00Z', category_id: null, category_name: null, live: null,
};
let tasks = [task];
beforeEach(() => {
  tasks = [task];
  server({ 'GET /api/tasks': () => tasks, 'GET /api/sources': [], 'GET /api/tasks/9': () => tasks[0], 'GET /api/tasks/9/events': [], 'GET /api/videos/1': refused(404, 'Video not found'), 'GET /api/tasks/9/picture': nothing });
});

describe('the history', () => {
  it('says who ended each recording', async () => {
    tasks = [
      { ...task, id: 12, stop_asked: true },
      { ...task, id: 11, continued_by: 12 },
      { ...task, id: 10, error_message: 'the source closed the connection' },
      { ...task, id: 8, status: 'completed' },
      { ...task, id: 7, status: 'failed', error_message: 'opening x: Connection refused' },
    ];
    await show(TasksPage);
    const state = (id: number) => part(`task-${id}`).querySelectorAll('td')[1]?.textContent?.trim();
    expect(state(12)).toBe('Stopped by a person');
    expect(state(11)).toBe('Ended by a restartGoes on as #12');
    expect(state(10)).toContain('Interrupted');
    expect(state(10)).toContain('the source closed the connection');
    expect(state(8)).toBe('Completed');
    expect(state(7)).toBe('FailedNothing answers at this host and port. Is the device on, and is the port right?');
  });
  it('shows a recording as it is now and not as it was listed', async () => {
    tasks = [{ ...task, status: 'recording', ended_at: null as never, duration: null as never, file_size: null as never }];
    useLive().recordings = [{ task_id: 9, source_id: 4, source_name: 'Great hall', state: 'reconnecting', durable_s: 125, durable_bytes: 2_000_000, bit_rate: 0, gaps: 1, reconnects: 2 } as unknown as Live];
    await show(TasksPage);
    expect(text()).toContain('2:05');
    expect(text()).toContain('1 gap, 2 reconnects');
    expect(has('task-stop')).toBe(true);
    // It has ended: old figures are no recording.
    tasks = [task];
  });
  it('shows an old recording as ended although its figures are there still', async () => {
    useLive().recordings = [{ task_id: 9, source_id: 4, source_name: 'Great hall', state: 'recording', durable_s: 125, durable_bytes: 2_000_000, gaps: 0, reconnects: 0 } as unknown as Live];
    await show(TasksPage);
    expect(has('task-stop')).toBe(false);
    expect(text()).toContain('1:00');
  });
  it('says that a recording was removed from it', async () => {
    server({ 'GET /api/tasks/9': refused(404, 'Task not found'), 'GET /api/tasks/9/events': refused(404, 'Task not found') });
    await show(TaskPage, { id: 9 });
    expect(has('gone')).toBe(true);
    expect(text()).not.toContain('Try again');
  });
  it('says on the page of a recording who ended it and where it goes on', async () => {
    tasks = [{ ...task, continued_by: 12 }];
    await show(TaskPage, { id: 9 });
    expect(part('ended-by').textContent).toBe('A restart of the server');
    expect(document.querySelector('a[href="/task/12"]')?.textContent).toBe('#12');
  });
});

describe('a schedule', () => {
  const kept = { id: 2, source_id: 4, source_name: 'Great hall', cron_expr: '0 20 * * *', timezone: 'UTC', duration_s: 3600, ends_at: '2036-01-01T00:00:00Z', is_active: true } as never;
  beforeEach(() => server({ 'POST /api/schedules/preview': { description: 'Every day at 20:00', next_runs: ['2035-01-01T20:00:00Z'] } }));
  it('has no end and no length any more when these are emptied', async () => {
    server({ 'PUT /api/schedules/2': {} });
    const saved = vi.fn();
    const page = await show(ScheduleDialog, { schedule: kept, sources: [{ id: 4, name: 'Great hall' }], upcoming: [], onSaved: saved });
    page.findAllComponents({ name: 'ElRadioGroup' }).at(-1)?.vm.$emit('update:modelValue', false);
    page.findAllComponents({ name: 'ElInput' }).find((one) => one.props('modelValue') === '2036-01-01')?.vm.$emit('update:modelValue', '');
    await submit('schedule-save');
    expect(sent('PUT /api/schedules/2')).toMatchObject([{ duration_s: null, ends_at: null, cron_expr: '0 20 * * *' }]);
    expect(saved).toHaveBeenCalled();
  });
  it('names its source before the list of sources has come', async () => {
    await show(ScheduleDialog, { schedule: kept, sources: [], upcoming: [] });
    await vi.waitFor(() => expect(part('schedule-source').textContent).toContain('Great hall'));
  });
  it('says what the server has against it, whatever it is about', async () => {
    server({ 'PUT /api/schedules/2': refused(422, 'Invalid', { ends_at: 'is over', timezone: 'no such zone' }) });
    const saved = vi.fn();
    await show(ScheduleDialog, { schedule: kept, sources: [{ id: 4, name: 'Great hall' }], upcoming: [], onSaved: saved });
    await submit('schedule-save');
    expect(text()).toContain('is over');
    expect(text()).toContain('no such zone');
    expect(saved).not.toHaveBeenCalled();
  });
});

describe('viewing codes', () => {
  const code = { id: 1, code: 'ABC123', is_active: true, expires_at: '2020-01-01T00:00:00Z', category_ids: [2], category_names: ['Lectures'], use_count: 3, last_used_at: null, created_at: '2019-01-01T00:00:00Z' };
  it('that have ended are shown as ended, and nobody is invited with them', async () => {
    server({ 'GET /api/view-codes': [code], 'GET /api/categories': [] });
    await show(CodesPage);
    expect(part('code-1').textContent).toContain('Expired');
    expect(has('invite')).toBe(false);
  });
  it('lose their end, and say what is wrong with them', async () => {
    server({ 'PUT /api/view-codes/1': refused(400, 'Some categories not found') });
    const saved = vi.fn();
    const page = await show(CodeDialog, { code, categories: [{ id: 2, name: 'Lectures' }], onSaved: saved });
    page.findComponent({ name: 'ElRadioGroup' }).vm.$emit('update:modelValue', 'never');
    await submit('code-save');
    expect(sent('PUT /api/view-codes/1')).toEqual([{ category_ids: [2], expires_at: null }]);
    expect(text()).toContain('Some categories not found');
    expect(saved).not.toHaveBeenCalled();
  });
});

describe('a category', () => {
  const lectures = { id: 2, name: 'Lectures', sort_order: 0, created_at: '2026-01-01T00:00:00Z', video_count: 0 };
  it('that has a name which is taken stays in the field', async () => {
    server({ 'POST /api/categories': refused(400, 'Category name already exists') });
    await show(CategoryList, { categories: [lectures], codes: [] });
    await type('category-name', 'Lectures');
    await submit('category-name');
    expect(text()).toContain('Category name already exists');
    expect((part('category-name') as HTMLInputElement).value).toBe('Lectures');
  });
  it('comes behind the others, and leaves the field empty', async () => {
    server({ 'POST /api/categories': lectures });
    await show(CategoryList, { categories: [{ ...lectures, sort_order: 4 }], codes: [] });
    await type('category-name', ' Concerts ');
    await submit('category-name');
    expect(sent('POST /api/categories')).toEqual([{ name: 'Concerts', sort_order: 5 }]);
    expect((part('category-name') as HTMLInputElement).value).toBe('');
  });
});

describe('a password', () => {
  it('that is wrong is told at its field, and nothing that was typed is lost', async () => {
    server({ 'POST /api/auth/password': refused(400, 'Wrong password') });
    await show(PasswordForm);
    await type('password-current', 'nope');
    await type('password-next', 'long-enough-1');
    await type('password-repeat', 'long-enough-2');
    await submit('password-change');
    expect(sent('POST /api/auth/password')).toHaveLength(0);
    await type('password-repeat', 'long-enough-1');
    await submit('password-change');
    expect(part('password-current').closest('label')?.textContent).toContain('The present password is wrong.');
    expect((part('password-next') as HTMLInputElement).value).toBe('long-enough-1');
    expect(messages()).toEqual([]);
  });
});
