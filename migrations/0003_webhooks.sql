-- Who is told of what happens, and what each was told. A message is put here in the transaction that makes it true.

CREATE TABLE webhooks (
    id @id,
    -- With its credentials; never shown.
    url TEXT NOT NULL,
    description TEXT NOT NULL,
    -- JSON: ["task.completed"]
    events TEXT NOT NULL,
    is_active BOOLEAN NOT NULL,
    -- What messages are signed with, encrypted under the server's key.
    secret_sealed @bytes NOT NULL,
    -- Attempts that failed since the last one that went well.
    failures_in_row BIGINT NOT NULL DEFAULT 0,
    last_delivery_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE webhook_deliveries (
    id @id,
    webhook_id BIGINT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    -- The same at every attempt, and for every webhook that is told of it.
    message_id TEXT NOT NULL,
    event TEXT NOT NULL,
    -- JSON: the body as it is sent.
    payload TEXT NOT NULL,
    -- pending, delivered, failed
    status TEXT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    -- NULL when it is over.
    next_attempt_at BIGINT,
    -- After that it is given up.
    give_up_at BIGINT NOT NULL,
    lease_owner TEXT,
    lease_until BIGINT,
    response_status BIGINT,
    error TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, next_attempt_at) WHERE status = 'pending';
CREATE INDEX webhook_deliveries_webhook ON webhook_deliveries (webhook_id, id);
CREATE INDEX webhook_deliveries_age ON webhook_deliveries (created_at);
