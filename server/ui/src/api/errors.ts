/** What the server said when it could not do what was asked. */
export class ApiError extends Error {
  constructor(
    /** HTTP status; 0 when the server was not reached. */
    readonly status: number,
    message: string,
    /** Messages by field of the request, where the server named fields. */
    readonly fields: Record<string, string> = {},
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

interface FieldProblem {
  loc?: (string | number)[];
  msg?: string;
}

/** The error that a problem body of the API tells. */
export function problem(status: number, body: unknown): ApiError {
  const told = body as { detail?: unknown; errors?: FieldProblem[] } | null;
  const fields: Record<string, string> = {};
  for (const one of told?.errors ?? []) {
    const name = (one.loc ?? []).filter((part, index) => index > 0 || (part !== 'body' && part !== 'query' && part !== 'path')).join('.');
    if (one.msg) fields[name] = one.msg;
  }
  const detail = told?.detail;
  return new ApiError(status, typeof detail === 'string' && detail ? detail : `HTTP ${status}`, fields);
}
