import { describe, expect, it } from 'vitest';
import { router } from '@/router';

describe('addresses of the UI that came before', () => {
  it.each([
    ['/login', 'sign-in'],
    ['/verify', 'unlock'],
    ['/video/12', 'watch'],
    ['/admin/tasks', 'tasks'],
    ['/admin/videos', 'library'],
    ['/admin/upload', 'uploads'],
    ['/admin/view-codes', 'codes'],
  ])('%s leads to %s', (path, name) => {
    const found = router.resolve(path).matched[0]?.redirect;
    const to = typeof found === 'function' ? found(router.resolve(path) as never, router.currentRoute.value) : found;
    expect(router.resolve(to as never).name).toBe(name);
  });
  it('keeps the number of a video', () => {
    const path = router.resolve('/video/12');
    const found = path.matched[0]?.redirect;
    expect(typeof found === 'function' && router.resolve(found(path as never, router.currentRoute.value) as never).path).toBe('/watch/12');
  });
});

describe('addresses', () => {
  it('of nothing show that there is nothing', () => expect(router.resolve('/video/x').matched[0]?.path).toBe('/:rest(.*)*'));
});
