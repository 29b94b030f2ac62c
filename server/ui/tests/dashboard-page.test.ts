import { beforeEach, describe, expect, it } from 'vitest';
import HeaderFigures from '@/components/HeaderFigures.vue';
import DashboardPage from '@/pages/operator/DashboardPage.vue';
import { useLive } from '@/stores/live';
import en from '@/i18n/en';
import { click, refused, server, show, settled, text } from './page';

beforeEach(() =>
  server({
    'GET /api/system/status': { disk_total: 100, disk_used: 50, disk_free: 50, disk_percent: 50, cpu_percent: 1, memory_percent: 1, forecast: null },
    'GET /api/system/history': [],
    'GET /api/schedules/upcoming': [],
    'GET /api/schedules/runs': [],
    'GET /api/tasks': [],
    'GET /api/sources': [],
    'GET /api/jobs': [],
    'GET /api/videos': [],
    'GET /api/system/orphans': [],
  }),
);

describe('the dashboard', () => {
  it('says that nothing needs a person when everything is known, and only then', async () => {
    server({ 'GET /api/jobs': refused(500, 'the database is locked') });
    await show(DashboardPage);
    expect(text()).not.toContain(en.dashboard.allWell);
    expect(text()).toContain('the database is locked');
    server({ 'GET /api/jobs': [] });
    await click([...document.querySelectorAll('.el-alert button')][0]!);
    expect(text()).toContain(en.dashboard.allWell);
    expect(text()).not.toContain('the database is locked');
  });
  it('does not say that nothing is recorded before it knows', async () => {
    await show(DashboardPage);
    expect(text()).not.toContain('Nothing is being recorded');
    useLive().at = Date.now();
    await settled();
    expect(text()).toContain('Nothing is being recorded');
  });
  it('has the same in its head', async () => {
    await show(HeaderFigures);
    expect(text()).not.toContain('Not recording');
    useLive().at = Date.now();
    await settled();
    expect(text()).toContain('Not recording');
  });
});
