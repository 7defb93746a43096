-- What jobs hand over that nobody else may see, for example a first password: encrypted with a key of the plane.
CREATE TABLE secret_outputs (
    job_id      TEXT   NOT NULL,
    attempt     BIGINT NOT NULL,
    name        TEXT   NOT NULL,
    sealed      TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (job_id, attempt, name)
);
