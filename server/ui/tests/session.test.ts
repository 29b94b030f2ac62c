import { createPinia, setActivePinia } from 'pinia';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { useSession } from '@/stores/session';

const answer = (status: number, body: object) => new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } });
beforeEach(() => {
  localStorage.clear();
  setActivePinia(createPinia());
});
afterEach(() => vi.unstubAllGlobals());

describe('who is signed in', () => {
  it('is not asked of a visitor who never signed in here', async () => {
    const fetch = vi.fn();
    vi.stubGlobal('fetch', fetch);
    const session = useSession();
    await session.recall();
    expect(session.signedIn).toBe(false);
    expect(fetch).not.toHaveBeenCalled();
  });
  it('is known again after a reload, until the session is over', async () => {
    let status = 200;
    vi.stubGlobal('fetch', vi.fn(async () => answer(status, { id: 1, username: 'admin' })));
    await useSession().signIn('admin', 'secret');
    setActivePinia(createPinia());
    const again = useSession();
    await again.recall();
    expect(again.me?.username).toBe('admin');
    setActivePinia(createPinia());
    status = 401;
    const over = useSession();
    await over.recall();
    expect([over.signedIn, localStorage.length]).toEqual([false, 0]);
  });
});
