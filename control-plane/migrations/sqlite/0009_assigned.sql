-- The few jobs that wait for one runner alone: each claim looks for its own first.
CREATE INDEX jobs_assigned ON jobs (assigned_runner_id, created_at) WHERE status = 'QUEUED' AND assigned_runner_id IS NOT NULL;
