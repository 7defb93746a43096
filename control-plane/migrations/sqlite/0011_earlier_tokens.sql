-- Tokens that a registration has replaced while the runner held jobs, JSON: good for those jobs until they have ended.
ALTER TABLE runners ADD COLUMN earlier_tokens TEXT;
