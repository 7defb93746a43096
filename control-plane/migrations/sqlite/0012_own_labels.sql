-- What a runner says it offers, besides what it was registered with.
ALTER TABLE runners ADD COLUMN own_labels TEXT NOT NULL DEFAULT '{}';
