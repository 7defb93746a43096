-- What jobs deliver and what they run from. The bytes are files named by their digest; these rows say whose they are.
CREATE TABLE artifacts (
    job_id      TEXT   NOT NULL,
    attempt     BIGINT NOT NULL,
    name        TEXT   NOT NULL,
    sha256      TEXT   NOT NULL,
    size_bytes  BIGINT NOT NULL,
    media_type  TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (job_id, attempt, name)
);

CREATE TABLE sources (
    org_id      TEXT   NOT NULL,
    sha256      TEXT   NOT NULL,
    size_bytes  BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (org_id, sha256)
);
