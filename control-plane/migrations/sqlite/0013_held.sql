-- What a runner holds now, what it was given last and when it was free last, without reading all that it ever ran. The first
-- is short, and does not change while a job runs.
DROP INDEX jobs_by_runner;
CREATE INDEX jobs_held ON jobs (runner_id, claimed_at) WHERE status IN ('CLAIMED', 'PROCESSING');
CREATE INDEX jobs_claimed ON jobs (runner_id, claimed_at) WHERE claimed_at IS NOT NULL;
CREATE INDEX jobs_completed ON jobs (runner_id, completed_at) WHERE completed_at IS NOT NULL;
