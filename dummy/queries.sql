-- What a dummy run writes. {columns}: those of the rows, in their order.

-- name: lock
-- One at a time of each name, till the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('dummy ' || %(run_id)s, 7595448453092895091));

-- name: source
-- Of a run that is there already; and whether results of this name are there.
SELECT (SELECT source FROM driftline.run WHERE run_id = %(run_id)s),
       EXISTS (SELECT FROM driftline.run WHERE run_id = %(run_id)s)
       OR EXISTS (SELECT FROM driftline.window_result WHERE run_id = %(run_id)s)
       OR EXISTS (SELECT FROM driftline.run_progress WHERE run_id = %(run_id)s);

-- name: clear
-- Figures of columns would go with their windows too, but one window at a time.
WITH figures AS (DELETE FROM driftline.column_metric WHERE run_id = %(run_id)s),
     windows AS (DELETE FROM driftline.window_result WHERE run_id = %(run_id)s),
     letters AS (DELETE FROM driftline.dead_letter WHERE run_id = %(run_id)s AND kafka_offset < 0),
     alarms AS (DELETE FROM driftline.alarm WHERE run_id = %(run_id)s),
     events AS (DELETE FROM driftline.event WHERE run_id = %(run_id)s),
     states AS (DELETE FROM driftline.run_progress WHERE run_id = %(run_id)s),
     frontiers AS (DELETE FROM driftline.frontier WHERE run_id = %(run_id)s),
     stages AS (DELETE FROM driftline.health WHERE run_id = %(run_id)s),
     samples AS (DELETE FROM driftline.health_sample WHERE run_id = %(run_id)s)
DELETE FROM driftline.run WHERE run_id = %(run_id)s;

-- name: write_run
INSERT INTO driftline.run (run_id, source, started_at, finished_at, manifest, pane_ms, lateness_ms,
                           outcome_lateness_ms, max_ahead_ms, model)
VALUES (%(run_id)s, %(source)s, %(started_at)s, %(finished_at)s, %(manifest)s, %(pane_ms)s, %(lateness_ms)s,
        %(outcome_lateness_ms)s, %(max_ahead_ms)s, %(source)s);

-- name: write_progress
INSERT INTO driftline.run_progress AS r (run_id, topic, partition, max_event_time_ms, last_seq, finished,
    first_offset, accepted, late, future, invalid, missing, moved_at)
VALUES (%(run_id)s, %(topic)s, %(partition)s, %(max_time)s, %(last_seq)s, %(finished)s, 0, %(accepted)s, %(late)s,
        %(future)s, %(invalid)s, %(missing)s, clock_timestamp())
ON CONFLICT (run_id, topic, partition) DO UPDATE SET max_event_time_ms = excluded.max_event_time_ms,
    last_seq = excluded.last_seq, accepted = excluded.accepted, moved_at = excluded.moved_at;

-- name: write_frontier
-- All is final, for whoever computes windows: there is nothing here to compute.
INSERT INTO driftline.frontier (run_id, stream, size_s, next_start_ms)
SELECT %(run_id)s, s, z, %(end)s FROM unnest(%(streams)s::text[]) AS s, unnest(%(sizes_s)s::int[]) AS z;

-- name: count_windows
ANALYZE driftline.window_result;

-- name: copy
COPY driftline.{table} ({columns}) FROM STDIN;

-- name: forget_windows
-- Of those that are written again.
DELETE FROM driftline.window_result w
USING unnest(%(streams)s::text[], %(sizes_s)s::int[], %(starts)s::timestamptz[]) AS k (stream, size_s, window_start)
WHERE w.run_id = %(run_id)s AND w.stream = k.stream AND w.size_s = k.size_s AND w.window_start = k.window_start;

-- name: write_health
INSERT INTO driftline.health AS h (stage, instance, run_id, at, measures)
VALUES (%(stage)s, %(instance)s, %(run_id)s, %(at)s, %(measures)s)
ON CONFLICT (stage, instance) DO UPDATE SET run_id = excluded.run_id, at = excluded.at, measures = excluded.measures;

-- name: tell_window
SELECT pg_notify('driftline_window', jsonb_build_object(
    'run', %(run_id)s::text, 'stream', %(stream)s::text, 'size_s', %(size_s)s::int, 'start', %(start)s::bigint,
    'status', %(status)s::text)::text);

-- name: is_ours
-- Locked until the transaction ends: nobody replaces the run in between.
SELECT source FROM driftline.run WHERE run_id = %(run_id)s FOR UPDATE;
