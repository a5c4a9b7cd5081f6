-- What a dummy run writes. {columns}: those of the rows, in their order.

-- name: lock
-- One at a time of each name, till the transaction ends.
SELECT slot FROM driftline.claim WHERE slot = hashtext('dummy ' || %(run_id)s) & 1023 FOR UPDATE;

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
     watches AS (DELETE FROM driftline.watch WHERE run_id = %(run_id)s),
     evidence AS (DELETE FROM driftline.evidence WHERE run_id = %(run_id)s),
     calibrations AS (DELETE FROM driftline.calibration WHERE run_id = %(run_id)s),
     changes AS (DELETE FROM driftline.alarm_change WHERE run_id = %(run_id)s),
     acks AS (DELETE FROM driftline.alarm_ack WHERE run_id = %(run_id)s),
     unfolded AS (DELETE FROM driftline.unfolded WHERE run_id = %(run_id)s),
     alarms AS (DELETE FROM driftline.alarm WHERE run_id = %(run_id)s),
     events AS (DELETE FROM driftline.event WHERE run_id = %(run_id)s),
     states AS (DELETE FROM driftline.run_progress WHERE run_id = %(run_id)s),
     frontiers AS (DELETE FROM driftline.frontier WHERE run_id = %(run_id)s),
     stages AS (DELETE FROM driftline.health WHERE run_id = %(run_id)s),
     samples AS (DELETE FROM driftline.health_sample WHERE run_id = %(run_id)s)
DELETE FROM driftline.run WHERE run_id = %(run_id)s;

-- name: forget
-- What a step of a live run writes again.
WITH windows AS (DELETE FROM driftline.window_result WHERE run_id = %(run_id)s AND status = 'open'),
     states AS (DELETE FROM driftline.run_progress WHERE run_id = %(run_id)s)
DELETE FROM driftline.health WHERE run_id = %(run_id)s;

-- name: reference
-- What the errors of dummy runs are held against.
INSERT INTO driftline.reference AS r (model, mae) VALUES (%(model)s, %(mae)s) ON CONFLICT (model) DO NOTHING;

-- name: layout
-- In the place of bins: there are no summaries.
INSERT INTO driftline.summary_layout (hash, layout) VALUES (%(hash)s, '{}') ON CONFLICT DO NOTHING;

-- name: published
-- Changes of alarms that no monitor is to publish.
UPDATE driftline.alarm_change SET published_at = clock_timestamp() WHERE run_id = %(run_id)s AND published_at IS NULL;

-- name: finish
WITH states AS (UPDATE driftline.run_progress SET finished = true WHERE run_id = %(run_id)s)
UPDATE driftline.run SET finished_at = %(at)s WHERE run_id = %(run_id)s;

-- name: copy
COPY driftline.{table} ({columns}) FROM STDIN;

-- name: written_since
SELECT stream, size_s, (extract(epoch FROM window_start) * 1000)::bigint AS start, status
FROM driftline.window_result WHERE run_id = %(run_id)s AND written_at >= %(since)s;
