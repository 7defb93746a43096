-- What an organisation's jobs may say to a git host: one token per host, encrypted with a key of the plane.
CREATE TABLE git_credentials (
    org_id      TEXT   NOT NULL,
    host        TEXT   NOT NULL,
    sealed      TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (org_id, host)
);
