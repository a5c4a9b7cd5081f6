-- name: runs_of_models
-- By the hash of the model that scored them or that they are compared with, the newest first. What was made up has none.
SELECT coalesce(model, reference), array_agg(run_id ORDER BY started_at DESC, run_id) FROM driftline.run
WHERE coalesce(model, reference) ~ '^[0-9a-f]{64}$' GROUP BY 1;

-- name: fence
-- Whoever reads these partitions remembers where the runs stand: let them begin anew from what is left in the tables.
UPDATE driftline.partition_progress p SET epoch = epoch + 1
FROM (SELECT q.topic, q.partition FROM driftline.partition_progress q
      WHERE EXISTS (SELECT FROM driftline.run_progress r
                    WHERE r.run_id = ANY(%(runs)s) AND (r.topic, r.partition) = (q.topic, q.partition))
      ORDER BY 1, 2 FOR UPDATE) held
WHERE (p.topic, p.partition) = (held.topic, held.partition);

-- name: lock_run
SELECT FROM driftline.run WHERE run_id = %(run_id)s FOR UPDATE;

-- name: holdings
-- What a run has, its rows and windows being those of events; seconds since it began, since a consumer moved it and since a record of it was rejected; whether it is
-- over, and how many records of it may be unread.
SELECT coalesce(c.rows, 0) AS rows, coalesce(c.labels, 0) AS labels,
       (SELECT count(*) FROM driftline.window_result
        WHERE run_id = r.run_id AND stream = 'events' AND segment = '') AS windows,
       (SELECT count(*) FROM driftline.dead_letter WHERE run_id = r.run_id) AS dead_letters,
       extract(epoch FROM clock_timestamp() - r.started_at)::float8 AS begun_s,
       extract(epoch FROM clock_timestamp() - greatest(
           (SELECT max(moved_at) FROM driftline.run_progress WHERE run_id = r.run_id),
           (SELECT max(written_at) FROM driftline.dead_letter WHERE run_id = r.run_id)))::float8 AS received_s,
       r.finished_at IS NOT NULL AS finished, driftline.run_lag(r.run_id) AS lag
FROM driftline.run r
CROSS JOIN LATERAL (
    SELECT sum(k.rows) FILTER (WHERE t.role = 'events')::bigint AS rows,
           sum(k.rows) FILTER (WHERE t.role = 'labels')::bigint AS labels
    FROM driftline.chunk k JOIN driftline.run_topic t USING (run_id, topic) WHERE k.run_id = r.run_id) c
WHERE r.run_id = %(run_id)s;

-- name: delete_progress
DELETE FROM driftline.run_progress WHERE run_id = %(run_id)s;

-- name: delete_chunks
DELETE FROM driftline.chunk WHERE run_id = %(run_id)s;

-- name: delete_panes
DELETE FROM driftline.pane WHERE run_id = %(run_id)s;

-- name: delete_dead_letters
DELETE FROM driftline.dead_letter WHERE run_id = %(run_id)s;

-- name: delete_events
DELETE FROM driftline.event WHERE run_id = %(run_id)s;

-- name: delete_watch
DELETE FROM driftline.watch WHERE run_id = %(run_id)s;

-- name: delete_evidence
DELETE FROM driftline.evidence WHERE run_id = %(run_id)s;

-- name: delete_calibrations
DELETE FROM driftline.calibration WHERE run_id = %(run_id)s;

-- name: delete_alarms
DELETE FROM driftline.alarm WHERE run_id = %(run_id)s;

-- name: delete_alarm_changes
DELETE FROM driftline.alarm_change WHERE run_id = %(run_id)s;

-- name: delete_alarm_acks
DELETE FROM driftline.alarm_ack WHERE run_id = %(run_id)s;

-- name: delete_unfolded
DELETE FROM driftline.unfolded WHERE run_id = %(run_id)s;

-- name: delete_frontier
DELETE FROM driftline.frontier WHERE run_id = %(run_id)s;

-- name: delete_windows
-- Their columns and summaries go with them.
DELETE FROM driftline.window_result WHERE run_id = %(run_id)s;

-- name: delete_run
DELETE FROM driftline.run WHERE run_id = %(run_id)s;
