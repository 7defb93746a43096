-- What waits for any runner of one organisation: a claim does not read past what waits for the runners of another.
CREATE INDEX jobs_waiting ON jobs (org_id, created_at) WHERE status = 'QUEUED' AND assigned_runner_id IS NULL;
