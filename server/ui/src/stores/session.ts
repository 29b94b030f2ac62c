import { defineStore } from 'pinia';
import { computed, ref } from 'vue';
import { api, ok, onExpired } from '@/api/client';
import { ApiError } from '@/api/errors';
import type { components } from '@/api/schema';

/** Says that somebody was signed in on this browser, so that the server is not asked about everybody. */
const MARK = 'mediastack.signed-in';

/** Who is signed in, and the sign-in that comes back when it has run out. */
export const useSession = defineStore('session', () => {
  const me = ref<components['schemas']['Me'] | null>(null);
  const known = ref(false);
  const asking = ref(false);
  let waiting: { promise: Promise<boolean>; settle: (done: boolean) => void } | null = null;

  /** Asks the server once who is signed in. */
  async function load(): Promise<void> {
    if (known.value) return;
    try {
      me.value = await ok(api.GET('/api/auth/me'));
    } catch (error) {
      if (!(error instanceof ApiError) || (error.status !== 401 && error.status !== 403)) throw error;
      me.value = null;
    }
    known.value = true;
    mark();
  }

  /** As `load`, where somebody was signed in on this browser before. */
  async function recall(): Promise<void> {
    if (localStorage.getItem(MARK)) await load();
  }

  function mark(): void {
    if (me.value) localStorage.setItem(MARK, '1');
    else localStorage.removeItem(MARK);
  }

  async function signIn(username: string, password: string): Promise<void> {
    const form = new FormData();
    form.set('username', username);
    form.set('password', password);
    await ok(api.POST('/api/auth/login', { body: form as never, bodySerializer: (body) => body as never }));
    me.value = await ok(api.GET('/api/auth/me'));
    known.value = true;
    mark();
    finish(true);
  }

  async function signOut(): Promise<void> {
    await ok(api.POST('/api/auth/logout'));
    me.value = null;
    mark();
  }

  function finish(done: boolean): void {
    asking.value = false;
    waiting?.settle(done);
    waiting = null;
  }

  /** The person closed the dialog without signing in. */
  function giveUp(): void {
    me.value = null;
    finish(false);
  }

  onExpired(() => {
    if (!me.value) return Promise.resolve(false);
    if (!waiting) {
      let settle: (done: boolean) => void = () => {};
      const promise = new Promise<boolean>((resolve) => (settle = resolve));
      waiting = { promise, settle };
      asking.value = true;
    }
    return waiting.promise;
  });

  return { me, known, asking, signedIn: computed(() => me.value !== null), load, recall, signIn, signOut, giveUp };
});
