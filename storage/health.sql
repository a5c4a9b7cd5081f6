-- name: report
INSERT INTO driftline.health (stage, instance, run_id, at, measures)
VALUES (%(stage)s, %(instance)s, %(run_id)s, clock_timestamp(), %(measures)s)
ON CONFLICT (stage, instance) DO UPDATE SET run_id = excluded.run_id, at = excluded.at, measures = excluded.measures;

-- name: forget
DELETE FROM driftline.health WHERE stage = %(stage)s AND at < now() - interval '1 day';
