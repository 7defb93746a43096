-- What the payload's schema marks as secret: a JSON object of pointer and value, encrypted with a key of the plane.
ALTER TABLE jobs ADD COLUMN sealed TEXT;
