import createClient from 'openapi-fetch';
import type { paths } from './schema';
import { ApiError, problem } from './errors';

/** Asks the person to sign in again; true when they did. Set by the session store. */
type SignInAgain = () => Promise<boolean>;
let signInAgain: SignInAgain | null = null;

/** Tells the client what to do when the sign-in has run out. */
export function onExpired(handler: SignInAgain): void {
  signInAgain = handler;
}

/**
 * `fetch` that survives the end of a sign-in: the request waits while the person signs in again, then goes out anew, so that no form is
 * lost. The session is a cookie that scripts can't read.
 */
export async function fetchSignedIn(input: Request): Promise<Response> {
  // Shows that a page's script asks and not a form of another site: with the cookie alone the server changes nothing.
  input.headers.set('x-requested-with', 'mediastack');
  const again = input.clone();
  const response = await fetch(input);
  const path = new URL(input.url).pathname;
  if (response.status !== 401 || path === '/api/auth/login' || path === '/api/auth/me' || !signInAgain) return response;
  return (await signInAgain()) ? fetch(again) : response;
}

/** The API, typed by the server's OpenAPI document. */
export const api = createClient<paths>({ baseUrl: globalThis.location?.origin ?? '', fetch: fetchSignedIn });

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The data of an answer; throws an `ApiError` that says what went wrong otherwise. */
export async function ok<T>(answer: Promise<Answer<T>>): Promise<T> {
  let result: Answer<T>;
  try {
    result = await answer;
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw new ApiError(0, 'unreachable');
  }
  if (!result.response.ok) throw problem(result.response.status, result.error);
  return result.data as T;
}
