-- How a job has deployed a runner, JSON without secrets: what a later job needs to change it or to take it away.
ALTER TABLE runners ADD COLUMN deploy_config TEXT;
