import { afterEach, describe, expect, it, vi } from 'vitest';
import { fetchSignedIn, ok, onExpired } from '@/api/client';
import { ApiError, problem } from '@/api/errors';
import { words } from '@/lib/words';

const request = () => new Request('http://server/api/tags', { method: 'POST', body: '{"name":"choir"}', headers: { 'content-type': 'application/json' } });
afterEach(() => vi.unstubAllGlobals());

describe('a sign-in that has run out', () => {
  it('waits for the new one and sends the same request again', async () => {
    const sent: string[] = [];
    let signedIn = false;
    vi.stubGlobal('fetch', async (input: Request) => {
      sent.push(`${input.method} ${await input.text()} ${input.headers.get('x-requested-with')}`);
      return new Response('{}', { status: signedIn ? 200 : 401 });
    });
    onExpired(async () => (signedIn = true));
    const response = await fetchSignedIn(request());
    expect(response.status).toBe(200);
    expect(sent).toEqual(Array(2).fill('POST {"name":"choir"} mediastack'));
  });

  it('gives the refusal when the person does not sign in', async () => {
    vi.stubGlobal('fetch', async () => new Response('{}', { status: 401 }));
    onExpired(async () => false);
    expect((await fetchSignedIn(request())).status).toBe(401);
  });

  it('does not ask when the sign-in itself is refused', async () => {
    const asked = vi.fn(async () => true);
    onExpired(asked);
    vi.stubGlobal('fetch', async () => new Response('{}', { status: 401 }));
    await fetchSignedIn(new Request('http://server/api/auth/login', { method: 'POST' }));
    expect(asked).not.toHaveBeenCalled();
  });
});

describe('errors', () => {
  const t = (key: string) => key;
  it('name the fields that the server names', () => {
    const error = problem(422, { detail: 'name: too long', errors: [{ loc: ['body', 'name'], msg: 'too long' }] });
    expect(error.fields).toEqual({ name: 'too long' });
    expect(words(error, t)).toBe('name: too long');
  });
  it('are an ApiError whatever the body is', () => {
    for (const body of [null, 'text', {}, { detail: [1] }]) expect(problem(500, body).message).toBe('HTTP 500');
  });
  it('say that the server is not reached', async () => {
    const refused = ok(Promise.reject(new TypeError('Failed to fetch')));
    await expect(refused).rejects.toMatchObject({ status: 0 });
    expect(words(new ApiError(0, ''), t)).toBe('common.error.unreachable');
  });
});
