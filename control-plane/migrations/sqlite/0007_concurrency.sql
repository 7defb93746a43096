-- What a job works on: of the jobs of one organisation with the same key, one runs at a time.
ALTER TABLE jobs ADD COLUMN concurrency_key TEXT;
CREATE INDEX jobs_by_concurrency ON jobs (org_id, concurrency_key, status) WHERE concurrency_key IS NOT NULL;
