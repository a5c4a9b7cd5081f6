-- What notifiers read and write. %(...)s: parameters.

-- name: add_target
-- Nothing where it is known.
INSERT INTO driftline.notification_target (target, stream, tracks) VALUES (%(target)s, %(stream)s, %(tracks)s)
ON CONFLICT DO NOTHING RETURNING target;

-- name: skip_history
-- Whoever is told from now on is told of what fires in runs that go on, and of nothing before that.
INSERT INTO driftline.notification (target, change_id, outcome)
SELECT %(target)s, c.change_id, 'before' FROM driftline.alarm_change c LEFT JOIN driftline.watch w USING (run_id)
WHERE c.state <> 'firing' OR coalesce(w.done, true)
   OR EXISTS (SELECT FROM driftline.alarm_change d WHERE d.alarm_id = c.alarm_id AND d.number > c.number);

-- name: claim
-- Nothing while another process holds it.
UPDATE driftline.notification_target
SET holder = %(holder)s, held_until = clock_timestamp() + %(seconds)s * interval '1 second', served_at = clock_timestamp()
WHERE target = %(target)s AND (holder = %(holder)s OR held_until IS NULL OR held_until < clock_timestamp())
RETURNING target;

-- name: release
UPDATE driftline.notification_target SET held_until = NULL WHERE target = %(target)s AND holder = %(holder)s;

-- name: changes
-- Those that are to be sent, and those that fire on since they were; in the order in which they were made. What is
-- made up is nobody's concern.
SELECT c.change_id, c.number, c.alarm::text AS alarm, c.created_at,
       (SELECT min(f.created_at) FROM driftline.alarm_change f WHERE f.alarm_id = c.alarm_id) AS began_at,
       extract(epoch FROM clock_timestamp() - n.sent_at)::float8 AS sent_s, coalesce(n.reminders, 0) AS reminders,
       coalesce(w.done, true) AS over, EXISTS (SELECT FROM driftline.alarm_ack k WHERE k.alarm_id = c.alarm_id) AS judged
FROM driftline.alarm_change c
JOIN driftline.run r USING (run_id)
LEFT JOIN driftline.watch w USING (run_id)
LEFT JOIN driftline.notification n ON n.target = %(target)s AND n.change_id = c.change_id
WHERE r.source IS DISTINCT FROM 'dummy' AND c.alarm ->> 'track' = ANY(%(tracks)s)
  AND (%(stream)s::text IS NULL OR c.alarm ->> 'stream' = %(stream)s)
  AND (n.change_id IS NULL OR n.outcome = 'sent' AND c.state = 'firing' AND NOT EXISTS (
        SELECT FROM driftline.alarm_change d WHERE d.alarm_id = c.alarm_id AND d.number > c.number))
ORDER BY c.change_id LIMIT %(most)s;

-- name: mark
-- Not of a run that was removed meanwhile.
INSERT INTO driftline.notification AS n (target, change_id, outcome, reminders)
SELECT %(target)s, c.change_id, %(outcome)s, %(reminders)s
FROM driftline.alarm_change c WHERE c.change_id = ANY(%(change_ids)s)
ON CONFLICT (target, change_id) DO UPDATE
    SET reminders = greatest(n.reminders, excluded.reminders), sent_at = excluded.sent_at;

-- name: failed
UPDATE driftline.notification_target
SET failing_since = coalesce(failing_since, clock_timestamp()), error = %(error)s WHERE target = %(target)s;

-- name: works
UPDATE driftline.notification_target SET failing_since = NULL, error = NULL
WHERE target = %(target)s AND failing_since IS NOT NULL;

-- name: told
-- What became of each change of an alarm at each target that it concerns and that was served within a week, in order.
SELECT t.target, c.number, c.state, n.outcome, n.sent_at, coalesce(n.reminders, 0) AS reminders,
       CASE WHEN n.change_id IS NULL THEN t.error END AS error
FROM driftline.alarm_change c
JOIN driftline.run r USING (run_id)
JOIN driftline.notification_target t
    ON c.alarm ->> 'track' = ANY(t.tracks) AND (t.stream IS NULL OR c.alarm ->> 'stream' = t.stream)
LEFT JOIN driftline.notification n ON n.target = t.target AND n.change_id = c.change_id
WHERE c.alarm_id = %(alarm_id)s AND r.source IS DISTINCT FROM 'dummy'
  AND (n.change_id IS NOT NULL OR t.served_at > clock_timestamp() - interval '7 days')
ORDER BY t.target, c.number;

-- name: targets
-- Those that were served within a week; how much waits for each, and for how many seconds none of them was served.
SELECT t.target, t.error, t.failing_since, extract(epoch FROM clock_timestamp() - t.served_at)::float8 AS silent_s,
       (SELECT count(*) FROM driftline.alarm_change c JOIN driftline.run r USING (run_id)
        WHERE r.source IS DISTINCT FROM 'dummy' AND c.alarm ->> 'track' = ANY(t.tracks)
          AND (t.stream IS NULL OR c.alarm ->> 'stream' = t.stream)
          AND NOT EXISTS (SELECT FROM driftline.notification n
                          WHERE n.target = t.target AND n.change_id = c.change_id)) AS waiting
FROM driftline.notification_target t
WHERE t.served_at > clock_timestamp() - interval '7 days' ORDER BY t.target;
