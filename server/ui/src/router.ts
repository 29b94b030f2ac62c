import { createRouter, createWebHistory, type RouteRecordRaw } from 'vue-router';
import { useSession } from '@/stores/session';

/** Titles are keys of the words. */
declare module 'vue-router' {
  interface RouteMeta {
    title?: string;
    /** Needs a sign-in. */
    operator?: boolean;
  }
}

const operator: RouteRecordRaw[] = [
  { path: '', name: 'dashboard', component: () => import('@/pages/operator/DashboardPage.vue'), meta: { title: 'common.nav.dashboard' } },
  { path: 'sources', name: 'sources', component: () => import('@/pages/operator/SourcesPage.vue'), meta: { title: 'common.nav.sources' } },
  { path: 'schedules', name: 'schedules', component: () => import('@/pages/operator/SchedulesPage.vue'), meta: { title: 'common.nav.schedules' } },
  { path: 'recordings', name: 'tasks', component: () => import('@/pages/operator/TasksPage.vue'), meta: { title: 'common.nav.tasks' } },
  { path: 'recordings/:id(\\d+)', name: 'task', component: () => import('@/pages/operator/TaskPage.vue'), props: byId, meta: { title: 'common.nav.tasks' } },
  { path: 'library', name: 'library', component: () => import('@/pages/operator/LibraryPage.vue'), meta: { title: 'common.nav.library' } },
  { path: 'library/:id(\\d+)', name: 'video', component: () => import('@/pages/operator/VideoPage.vue'), props: byId, meta: { title: 'common.nav.library' } },
  { path: 'uploads', name: 'uploads', component: () => import('@/pages/operator/UploadsPage.vue'), meta: { title: 'common.nav.uploads' } },
  { path: 'catalogue', name: 'catalogue', component: () => import('@/pages/operator/CataloguePage.vue'), meta: { title: 'common.nav.catalogue' } },
  { path: 'codes', name: 'codes', component: () => import('@/pages/operator/CodesPage.vue'), meta: { title: 'common.nav.codes' } },
  { path: 'system', name: 'system', component: () => import('@/pages/operator/SystemPage.vue'), meta: { title: 'common.nav.system' } },
  { path: 'account', name: 'account', component: () => import('@/pages/operator/AccountPage.vue'), meta: { title: 'common.nav.account' } },
];

const viewer: RouteRecordRaw[] = [
  { path: '', name: 'home', component: () => import('@/pages/viewer/HomePage.vue') },
  { path: 'watch/:id(\\d+)', name: 'watch', component: () => import('@/pages/viewer/WatchPage.vue'), props: byId },
  { path: 'unlock', name: 'unlock', component: () => import('@/pages/viewer/UnlockPage.vue'), meta: { title: 'viewer.unlock.title' } },
];

/** Pages of the UI that came before, as people bookmarked them. Its `/admin/recordings` was the library; here it is the history. */
const old: RouteRecordRaw[] = [
  { path: '/login', redirect: { name: 'sign-in' } },
  { path: '/verify', redirect: { name: 'unlock' } },
  { path: '/video/:id(\\d+)', redirect: (to) => ({ name: 'watch', params: { id: to.params.id } }) },
  { path: '/admin/tasks', redirect: { name: 'tasks' } },
  { path: '/admin/videos', redirect: { name: 'library' } },
  { path: '/admin/upload', redirect: { name: 'uploads' } },
  { path: '/admin/categories', redirect: { name: 'catalogue' } },
  { path: '/admin/tags', redirect: { name: 'catalogue' } },
  { path: '/admin/view-codes', redirect: { name: 'codes' } },
];

function byId(route: { params: Record<string, string | string[]> }): { id: number } {
  return { id: Number(route.params.id) };
}

export const router = createRouter({
  history: createWebHistory(),
  scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? undefined : { top: 0 }),
  routes: [
    ...old,
    { path: '/sign-in', name: 'sign-in', component: () => import('@/pages/SignInPage.vue'), meta: { title: 'common.signIn.title' } },
    { path: '/admin', component: () => import('@/layouts/OperatorLayout.vue'), meta: { operator: true }, children: operator },
    { path: '/', component: () => import('@/layouts/ViewerLayout.vue'), children: viewer },
    { path: '/:rest(.*)*', component: () => import('@/pages/NotFoundPage.vue'), meta: { title: 'common.error.notFound' } },
  ],
});

router.beforeEach(async (to) => {
  // The parts of the page come while the server says who is signed in, not after it.
  for (const { components } of to.matched) for (const part of Object.values(components ?? {})) if (typeof part === 'function') void (part as () => Promise<unknown>)().catch(() => undefined);
  if (!to.meta.operator) return true;
  const session = useSession();
  try {
    await session.recall();
  } catch {
    // The server is not reached; the pages say so and come back by themselves.
    return true;
  }
  return session.signedIn || { name: 'sign-in', query: { to: to.fullPath } };
});

// A page of an older build is gone after an update of the server: take the new one.
router.onError((error, to) => {
  if (!/dynamically imported module|Importing a module script failed/i.test(String(error))) return;
  const key = `mediastack.reloaded:${to.fullPath}`;
  if (sessionStorage.getItem(key)) return;
  sessionStorage.setItem(key, '1');
  location.assign(to.fullPath);
});
