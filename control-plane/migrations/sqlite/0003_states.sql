-- Terraform states. Each version is a file; the row names the current one. `version` only grows, also over a delete.
CREATE TABLE states (
    org_id      TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    version     BIGINT NOT NULL,
    deleted     BIGINT NOT NULL DEFAULT 0,
    updated_at  BIGINT NOT NULL,
    PRIMARY KEY (org_id, name)
);

-- Who holds a state. `holder` is the job and attempt, or the user, that took the lock.
CREATE TABLE state_locks (
    org_id      TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    lock_id     TEXT   NOT NULL,
    info        TEXT   NOT NULL,
    job_id      TEXT,
    attempt     BIGINT,
    runner_id   TEXT,
    user_id     TEXT,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (org_id, name)
);
CREATE INDEX state_locks_by_job ON state_locks (job_id);
