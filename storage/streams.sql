-- name: remember
-- Keeps a definition; one that is there already stays as it is.
INSERT INTO driftline.stream (name, hash, definition) VALUES (%(name)s, %(hash)s, %(definition)s)
ON CONFLICT (name, hash) DO NOTHING;

-- name: newest
-- The newest definition of each stream, and how many runs it has, of whatever definition.
SELECT DISTINCT ON (s.name) s.definition, (SELECT count(*)::int FROM driftline.run AS r WHERE r.stream = s.name)
FROM driftline.stream AS s
ORDER BY s.name, s.first_seen_at DESC;

-- name: definition_of
SELECT s.definition
FROM driftline.run AS r
JOIN driftline.stream AS s ON s.name = r.stream AND s.hash = r.stream_hash
WHERE r.run_id = %(run_id)s;

-- name: definitions_of
-- Of each run that has one. A definition comes once, with the first of its runs, and NULL with the others: monitors ask
-- for those of all runs each second, and whoever writes to the topic can begin thousands.
SELECT r.run_id, s.hash, CASE WHEN row_number() OVER same = 1 THEN s.definition END
FROM driftline.run AS r
JOIN driftline.stream AS s ON s.name = r.stream AND s.hash = r.stream_hash
WHERE r.run_id = ANY(%(run_ids)s)
WINDOW same AS (PARTITION BY s.name, s.hash ORDER BY r.run_id)
ORDER BY s.name, s.hash, r.run_id;
