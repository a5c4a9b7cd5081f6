-- Changes of alarms that are to be published. %(...)s: parameters.

-- name: unpublished
SELECT count(*) FROM driftline.alarm_change WHERE published_at IS NULL;

-- name: claim
-- Until the transaction ends, nobody else publishes.
SELECT slot FROM driftline.claim WHERE slot = 1024 FOR UPDATE SKIP LOCKED;

-- name: next
-- The oldest; those of one alarm in the order in which they were made.
SELECT change_id, number, alarm::text FROM driftline.alarm_change
WHERE published_at IS NULL ORDER BY change_id LIMIT %(most)s;

-- name: mark
UPDATE driftline.alarm_change SET published_at = clock_timestamp() WHERE change_id = ANY(%(ids)s);
