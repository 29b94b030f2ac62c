import { ok } from './client';

/** A part of a list, and how many there are in all. */
export interface Page<T> {
  items: T[];
  total: number;
}

interface Answer<T> {
  data?: T[];
  error?: unknown;
  response: Response;
}

/** The page of an answer; throws an `ApiError` as `ok` does. */
export async function page<T>(answer: Promise<Answer<T>>): Promise<Page<T>> {
  let total = Number.NaN;
  const items = await ok(
    answer.then((got) => {
      total = Number.parseInt(got.response.headers.get('x-total-count') ?? '', 10);
      return got;
    }),
  );
  return { items, total: Number.isNaN(total) ? items.length : total };
}
