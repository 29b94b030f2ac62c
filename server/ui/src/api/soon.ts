import { api, ok } from './client';

/** Types of the API that the generated document does not have yet. */
export interface Retention {
  is_active: boolean;
  total_quota_bytes: number | null;
  min_free_bytes: number | null;
  keep_published: boolean;
  last_run_at?: string | null;
  next_run_at?: string | null;
  used_bytes: number;
  free_bytes: number;
}
export type RetentionRules = Partial<Pick<Retention, 'is_active' | 'total_quota_bytes' | 'min_free_bytes' | 'keep_published'>>;
export type Reason = 'trash' | 'age' | 'source_quota' | 'quota' | 'free_space';
export interface RetentionPreview {
  items: { video_id: number; title: string; source_id?: number | null; source_name?: string | null; bytes: number; created_at: string; reason: Reason; detail: string }[];
  total_bytes: number;
  total_count: number;
  kept: { protected: number; published: number };
}
export interface Removal {
  id: number;
  removed_at: string;
  video_id?: number | null;
  title: string;
  bytes: number;
  reason: Reason;
  detail: string;
}
export interface LogLine {
  id: number;
  at: string;
  level: 'error' | 'warn' | 'info' | 'debug' | 'trace';
  target: string;
  message: string;
  fields: Record<string, unknown>;
}
export interface Webhook {
  id: number;
  url: string;
  description?: string | null;
  events: string[];
  is_active: boolean;
  created_at: string;
  updated_at: string;
  last_delivery_at?: string | null;
  last_status?: 'delivered' | 'failed' | 'pending' | null;
  failures_in_row: number;
  secret?: string;
}
export interface Delivery {
  id: number;
  event: string;
  created_at: string;
  attempts: number;
  status: 'pending' | 'delivered' | 'failed';
  response_status?: number | null;
  error?: string | null;
  next_attempt_at?: string | null;
}
export interface Tested {
  delivered: boolean;
  status: number | null;
  error: string | null;
  duration_ms: number;
}

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';
export function ask<T>(method: Method, path: string, options: { query?: Record<string, unknown>; body?: unknown } = {}): Promise<T> {
  const call = api[method] as unknown as (path: string, init: unknown) => Promise<{ data?: T; error?: unknown; response: Response }>;
  return ok(call(path, { params: { query: options.query }, body: options.body }));
}
