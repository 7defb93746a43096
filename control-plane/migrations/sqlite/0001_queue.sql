-- Jobs, runners and users. Times are microseconds since 1970 (UTC); documents are JSON texts.
CREATE TABLE users (
    id          TEXT   NOT NULL PRIMARY KEY,
    org_id      TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    token_hash  TEXT   NOT NULL UNIQUE,
    created_at  BIGINT NOT NULL
);

CREATE TABLE runners (
    id              TEXT   NOT NULL PRIMARY KEY,
    org_id          TEXT   NOT NULL,
    name            TEXT   NOT NULL,
    mode            TEXT   NOT NULL,
    token_hash      TEXT   NOT NULL UNIQUE,
    labels          TEXT   NOT NULL,
    kinds           TEXT   NOT NULL,
    version         TEXT,
    -- What it said of itself last: ONLINE, DRAINING or OFFLINE. Whether it is believed depends on last_heartbeat.
    said            TEXT   NOT NULL,
    last_heartbeat  BIGINT,
    instance_id     TEXT,
    drain           BIGINT NOT NULL DEFAULT 0,
    metadata        TEXT,
    created_at      BIGINT NOT NULL,
    UNIQUE (org_id, name)
);

CREATE TABLE jobs (
    id                  TEXT   NOT NULL PRIMARY KEY,
    org_id              TEXT   NOT NULL,
    user_id             TEXT   NOT NULL,
    job_type            TEXT   NOT NULL,
    config_snapshot     TEXT   NOT NULL,
    labels              TEXT   NOT NULL,
    loss                TEXT   NOT NULL,
    timeout_s           BIGINT,
    assigned_runner_id  TEXT,
    plan_job_id         TEXT,
    cloud_identity_id   TEXT,
    configuration_hash  TEXT,
    status              TEXT   NOT NULL,
    attempt             BIGINT NOT NULL DEFAULT 0,
    phase               TEXT   NOT NULL,
    reason              TEXT,
    runner_id           TEXT,
    -- The claim that made the current attempt, so that its lost answer can be given again.
    request_id          TEXT,
    -- The runner has shown that it has the attempt: a write, or a heartbeat that names it.
    confirmed           BIGINT NOT NULL DEFAULT 0,
    lease_until         BIGINT NOT NULL DEFAULT 0,
    -- Where the current attempt's log begins in the job's log.
    log_base            BIGINT NOT NULL DEFAULT 0,
    log_length          BIGINT NOT NULL DEFAULT 0,
    log_complete        BIGINT,
    cancel_requested    BIGINT NOT NULL DEFAULT 0,
    cancel_force        BIGINT NOT NULL DEFAULT 0,
    -- The job that has applied this job's plan: a plan is used once.
    plan_used_by        TEXT,
    error_message       TEXT,
    execution_metadata  TEXT,
    created_at          BIGINT NOT NULL,
    claimed_at          BIGINT,
    started_at          BIGINT,
    completed_at        BIGINT,
    updated_at          BIGINT NOT NULL,
    -- Grows with every change, so that a late announcement of an old state is recognised.
    revision            BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX jobs_by_status ON jobs (status, created_at);
CREATE INDEX jobs_by_org ON jobs (org_id, created_at);
CREATE INDEX jobs_by_runner ON jobs (runner_id, status);
