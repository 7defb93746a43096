-- Who runs the plane: may register runners that work for all organisations, and add people.
ALTER TABLE users ADD COLUMN is_platform BIGINT NOT NULL DEFAULT 0;
UPDATE users SET is_platform = 1 WHERE id = 'admin' AND org_id = 'default';

-- A runner that was made for one identity takes only its jobs, and those that are assigned to it.
ALTER TABLE runners ADD COLUMN cloud_identity_id TEXT;

-- Who an organisation's jobs can be at a cloud provider. No secret is in here: the provider trusts the runner or the plane.
CREATE TABLE cloud_identities (
    id                TEXT   NOT NULL PRIMARY KEY,
    org_id            TEXT   NOT NULL,
    provider          TEXT   NOT NULL,
    label             TEXT   NOT NULL,
    -- The identity as a claim carries it, JSON; none until it is connected.
    identity          TEXT,
    -- AWS: what the role's trust must ask for. Made by us, so that nobody can name another's role.
    external_id       TEXT   NOT NULL,
    -- The connection test of what is connected now.
    test_job_id       TEXT,
    is_verified       BIGINT NOT NULL DEFAULT 0,
    -- What the last verified connection test has found, JSON.
    cached_resources  TEXT,
    created_at        BIGINT NOT NULL
);
CREATE INDEX cloud_identities_by_org ON cloud_identities (org_id, created_at);
