-- name: runs
-- Runs whose windows of these sizes are not all final, or not all folded, that with the most rows first; only one where
-- it is named. What is watched in other sizes is left to whoever computes those.
SELECT r.run_id, r.pane_ms, r.lateness_ms, r.outcome_lateness_ms, coalesce(r.model, r.reference), r.started_at
FROM driftline.run r
WHERE (%(only)s::text IS NULL OR r.run_id = %(only)s)
  AND ((SELECT count(*) FROM driftline.frontier f
        WHERE f.run_id = r.run_id AND f.size_s = ANY(%(sizes_s)s) AND f.next_start_ms >= %(end)s)
       < cardinality(%(sizes_s)s::int[]) * (SELECT count(*) FROM driftline.run_topic t WHERE t.run_id = r.run_id)
       OR %(folds)s AND coalesce((SELECT w.sizes_s <@ %(sizes_s)s::int[] AND NOT w.done FROM driftline.watch w
                                  WHERE w.run_id = r.run_id), false)
       OR %(folds)s AND EXISTS (SELECT FROM driftline.unfolded u WHERE u.run_id = r.run_id)
          AND NOT EXISTS (SELECT FROM driftline.watch w WHERE w.run_id = r.run_id AND NOT w.sizes_s <@ %(sizes_s)s::int[]))
ORDER BY (SELECT sum(p.accepted) FROM driftline.run_progress p WHERE p.run_id = r.run_id) DESC NULLS LAST,
         r.started_at, r.run_id;

-- name: run
SELECT r.run_id, r.pane_ms, r.lateness_ms, r.outcome_lateness_ms, coalesce(r.model, r.reference), r.started_at
FROM driftline.run r WHERE r.run_id = %(run_id)s;

-- name: frontiers
SELECT run_id, stream, size_s, next_start_ms FROM driftline.frontier WHERE run_id = ANY(%(run_ids)s);

-- name: advance
-- Never back: another monitor may be ahead. Nor of a run that was removed meanwhile.
INSERT INTO driftline.frontier AS f (run_id, stream, size_s, next_start_ms)
SELECT r.run_id, %(stream)s, %(size_s)s, %(next_start_ms)s FROM driftline.run r WHERE r.run_id = %(run_id)s
FOR KEY SHARE
ON CONFLICT (run_id, stream, size_s) DO UPDATE SET next_start_ms = excluded.next_start_ms
WHERE f.next_start_ms < excluded.next_start_ms;

-- name: set_back
-- Rows were found behind the frontier, which cannot be by the rules: plan again from there.
UPDATE driftline.frontier SET next_start_ms = %(next_start_ms)s
WHERE run_id = %(run_id)s AND stream = %(stream)s AND size_s = %(size_s)s AND next_start_ms > %(next_start_ms)s;

-- name: progress
-- Every partition that the run waits for, met by it or not; and the time by the database, by which consumers stamp too.
SELECT (extract(epoch FROM statement_timestamp()) * 1000)::bigint, p.role, p.next_offset, p.log_end, p.max_event_time_ms, p.finished,
       (extract(epoch FROM p.beat_at) * 1000)::bigint,
       (extract(epoch FROM p.caught_up_since) * 1000)::bigint,
       (extract(epoch FROM p.moved_at) * 1000)::bigint
FROM driftline.run_partition p
WHERE p.run_id = %(run_id)s;

-- name: first_pane
SELECT min(pane_start) FROM driftline.pane
WHERE run_id = %(run_id)s AND topic = %(topic)s AND pane_start >= %(at)s;

-- name: last_pane
SELECT max(pane_start) FROM driftline.pane WHERE run_id = %(run_id)s AND topic = %(topic)s;

-- name: rows
-- Rows of each window that has any.
SELECT date_bin(%(size_s)s * interval '1 second', pane_start, 'epoch'), sum(rows)::bigint
FROM driftline.pane
WHERE run_id = %(run_id)s AND topic = %(topic)s AND pane_start >= %(from)s AND pane_start < %(to)s
GROUP BY 1;

-- name: written
SELECT window_start, status, rows, joined_rows
FROM driftline.window_result
WHERE run_id = %(run_id)s AND stream = %(stream)s AND size_s = %(size_s)s AND segment = ''
  AND window_start >= %(from)s AND window_start < %(to)s;

-- name: index
-- Where a window's rows lie: in each chunk side by side, since it is sorted by pane. Panes are written together with
-- their chunk, so xmin differs between chunks of one place, should a run be deleted and another be given its name.
SELECT partition, first_offset, min(first_row), sum(rows)::bigint, max(xmin::text)
FROM driftline.pane
WHERE run_id = %(run_id)s AND topic = %(topic)s AND pane_start >= %(from)s AND pane_start < %(to)s
GROUP BY partition, first_offset
ORDER BY partition, first_offset;

-- name: chunks
SELECT c.partition, c.first_offset, c.payload
FROM unnest(%(partitions)s::int[], %(first_offsets)s::bigint[]) AS k (partition, first_offset)
JOIN driftline.chunk c ON c.run_id = %(run_id)s AND c.topic = %(topic)s
  AND c.partition = k.partition AND c.first_offset = k.first_offset;

-- name: chunk_ranges
-- The offsets that a window's chunks cover: an upper bound of its own.
SELECT c.partition, min(c.first_offset), max(c.last_offset)
FROM driftline.chunk c
JOIN driftline.pane p USING (run_id, topic, partition, first_offset)
WHERE p.run_id = %(run_id)s AND p.topic = %(topic)s AND p.pane_start >= %(from)s AND p.pane_start < %(to)s
GROUP BY c.partition;

-- name: stored
SELECT rows, offsets, joined_rows, joined_offsets,
       columns_tested, columns_drifted, share_drifted, dataset_drift, prediction_drift, share_missing,
       mae, rmse, bias, r2, target_drift, label_coverage, estimated_mae, sampled
FROM driftline.window_result
WHERE run_id = %(run_id)s AND stream = %(stream)s AND size_s = %(size_s)s AND window_start = %(window_start)s
  AND segment = '';

-- name: stored_columns
SELECT column_name, metric, method, value, threshold, severity, status, reason
FROM driftline.column_metric
WHERE run_id = %(run_id)s AND stream = %(stream)s AND size_s = %(size_s)s AND window_start = %(window_start)s
  AND segment = '';

-- name: summary
SELECT layout, rows, payload, segments FROM driftline.window_summary
WHERE run_id = %(run_id)s AND stream = %(stream)s AND size_s = %(size_s)s AND window_start = %(window_start)s
  AND segment = '';

-- name: topic_id
SELECT max(topic_id) FROM driftline.partition_progress WHERE topic = %(topic)s;

-- name: dead
-- Dead letters in stretches of the log, of whatever run.
SELECT d.partition, d.kafka_offset
FROM unnest(%(partitions)s::int[], %(firsts)s::bigint[], %(lasts)s::bigint[]) AS r (partition, first, last)
JOIN driftline.dead_letter d ON d.topic = %(topic)s AND d.partition = r.partition
  AND d.kafka_offset BETWEEN r.first AND r.last;

-- name: claim
-- Until the transaction ends, by commit or by death: no other monitor computes this window.
-- Of two windows with the same slot one waits; unlike an advisory lock, no reader can take it.
SELECT slot FROM driftline.claim WHERE slot = hashtext(%(name)s) & 1023 FOR UPDATE SKIP LOCKED;

-- name: bind_reference
-- The first monitor decides. Another one waits here until it has committed.
UPDATE driftline.run SET reference = %(reference)s
WHERE run_id = %(run_id)s AND model IS NULL AND reference IS NULL;

-- name: reference
SELECT coalesce(model, reference) FROM driftline.run WHERE run_id = %(run_id)s;

-- name: publish
-- Never fewer rows, never a lower status: `above` and `below` are those of higher and lower rank than the new one. A
-- revision is a closed window whose rows changed. Nothing of a run that was removed meanwhile; until the end of the
-- transaction nobody removes it.
INSERT INTO driftline.window_result AS w (
    run_id, stream, size_s, window_start, window_end, status, rows, sampled,
    columns_tested, columns_drifted, share_drifted, dataset_drift, prediction_drift, share_missing,
    mae, rmse, bias, r2, target_drift, label_coverage, estimated_mae,
    offsets, joined_rows, joined_offsets, compute_ms, closed_at, latency_ms, written_at)
SELECT
    %(run_id)s, %(stream)s, %(size_s)s, %(window_start)s, %(window_end)s, %(status)s, %(rows)s, %(sampled)s,
    %(columns_tested)s, %(columns_drifted)s, %(share_drifted)s, %(dataset_drift)s, %(prediction_drift)s,
    %(share_missing)s, %(mae)s, %(rmse)s, %(bias)s, %(r2)s, %(target_drift)s, %(label_coverage)s,
    %(estimated_mae)s, %(offsets)s, %(joined_rows)s, %(joined_offsets)s, %(compute_ms)s, %(closed_at)s,
    CASE WHEN %(timed)s::bool AND clock_timestamp() >= %(closed_at)s::timestamptz
         THEN (extract(epoch FROM clock_timestamp() - %(closed_at)s::timestamptz) * 1000)::float8 END,
    clock_timestamp()
FROM driftline.run r WHERE r.run_id = %(run_id)s FOR KEY SHARE
ON CONFLICT (run_id, stream, size_s, window_start, segment) DO UPDATE SET
    status = excluded.status, rows = excluded.rows, sampled = excluded.sampled,
    columns_tested = excluded.columns_tested, columns_drifted = excluded.columns_drifted,
    share_drifted = excluded.share_drifted, dataset_drift = excluded.dataset_drift,
    prediction_drift = excluded.prediction_drift, share_missing = excluded.share_missing,
    mae = excluded.mae, rmse = excluded.rmse, bias = excluded.bias, r2 = excluded.r2,
    target_drift = excluded.target_drift, label_coverage = excluded.label_coverage,
    estimated_mae = excluded.estimated_mae,
    offsets = excluded.offsets, joined_rows = excluded.joined_rows, joined_offsets = excluded.joined_offsets,
    compute_ms = excluded.compute_ms, written_at = excluded.written_at,
    closed_at = coalesce(w.closed_at, excluded.closed_at),
    latency_ms = CASE WHEN w.closed_at IS NULL THEN excluded.latency_ms ELSE w.latency_ms END,
    revision = w.revision + (
        w.status <> 'open' AND (w.rows, w.joined_rows) <> (excluded.rows, excluded.joined_rows))::int
WHERE w.rows <= excluded.rows AND w.joined_rows <= excluded.joined_rows
  AND w.status <> ALL(%(above)s)
  AND ((w.rows, w.joined_rows) <> (excluded.rows, excluded.joined_rows) OR w.status = ANY(%(below)s))
RETURNING revision, latency_ms;

-- name: clear_columns
DELETE FROM driftline.column_metric
WHERE run_id = %(run_id)s AND stream = %(stream)s AND size_s = %(size_s)s AND window_start = %(window_start)s
  AND segment = '';

-- name: write_columns
INSERT INTO driftline.column_metric (
    run_id, stream, size_s, window_start, column_name, metric, method, value, threshold, severity, status, reason)
SELECT %(run_id)s, %(stream)s, %(size_s)s, %(window_start)s, c.*
FROM unnest(
    %(column)s::text[], %(metric)s::text[], %(method)s::text[], %(value)s::float8[], %(threshold)s::float8[],
    %(severity)s::float8[], %(status)s::text[], %(reason)s::text[]) AS c;

-- name: clear_segments
-- Their columns go with them.
DELETE FROM driftline.window_result
WHERE run_id = %(run_id)s AND stream = %(stream)s AND size_s = %(size_s)s AND window_start = %(window_start)s
  AND segment <> '';

-- name: write_segments
-- What is known of the window as a whole is as there. The offsets are not those of a segment, and its figures take no
-- time of their own.
INSERT INTO driftline.window_result (
    run_id, stream, size_s, window_start, segment, window_end, status, revision, rows, sampled,
    columns_tested, columns_drifted, share_drifted, dataset_drift, prediction_drift, share_missing,
    mae, rmse, bias, r2, target_drift, label_coverage, estimated_mae, offsets, joined_rows, closed_at, written_at)
SELECT w.run_id, w.stream, w.size_s, w.window_start, s.segment, w.window_end,
       CASE WHEN w.status = 'provisional' THEN w.status WHEN s.sufficient THEN 'final' ELSE 'insufficient' END,
       w.revision, s.rows, s.sampled, s.columns_tested, s.columns_drifted, s.share_drifted, s.dataset_drift,
       s.prediction_drift, s.share_missing, s.mae, s.rmse, s.bias, s.r2, s.target_drift, s.label_coverage,
       s.estimated_mae, '{}', s.joined_rows, w.closed_at, w.written_at
FROM driftline.window_result w, unnest(
    %(segment)s::text[], %(sufficient)s::bool[], %(rows)s::bigint[], %(sampled)s::bigint[], %(joined_rows)s::bigint[],
    %(columns_tested)s::int[], %(columns_drifted)s::int[], %(share_drifted)s::float8[], %(dataset_drift)s::bool[],
    %(prediction_drift)s::float8[], %(share_missing)s::float8[], %(mae)s::float8[], %(rmse)s::float8[],
    %(bias)s::float8[], %(r2)s::float8[], %(target_drift)s::float8[], %(label_coverage)s::float8[],
    %(estimated_mae)s::float8[]) AS s (
    segment, sufficient, rows, sampled, joined_rows, columns_tested, columns_drifted, share_drifted, dataset_drift,
    prediction_drift, share_missing, mae, rmse, bias, r2, target_drift, label_coverage, estimated_mae)
WHERE (w.run_id, w.stream, w.size_s, w.window_start, w.segment)
    = (%(run_id)s, %(stream)s, %(size_s)s, %(window_start)s, '');

-- name: write_segment_columns
INSERT INTO driftline.column_metric (
    run_id, stream, size_s, window_start, segment, column_name, metric, method, value, threshold, severity, status, reason)
SELECT %(run_id)s, %(stream)s, %(size_s)s, %(window_start)s, c.*
FROM unnest(
    %(segment)s::text[], %(column)s::text[], %(metric)s::text[], %(method)s::text[], %(value)s::float8[],
    %(threshold)s::float8[], %(severity)s::float8[], %(status)s::text[], %(reason)s::text[]) AS c;

-- name: stored_segments
SELECT segment, rows, joined_rows,
       columns_tested, columns_drifted, share_drifted, dataset_drift, prediction_drift, share_missing,
       mae, rmse, bias, r2, target_drift, label_coverage, estimated_mae, sampled
FROM driftline.window_result
WHERE run_id = %(run_id)s AND stream = %(stream)s AND size_s = %(size_s)s AND window_start = %(window_start)s
  AND segment <> '';

-- name: stored_segment_columns
SELECT segment, column_name, metric, method, value, threshold, severity, status, reason
FROM driftline.column_metric
WHERE run_id = %(run_id)s AND stream = %(stream)s AND size_s = %(size_s)s AND window_start = %(window_start)s
  AND segment <> '';

-- name: keep_reference
INSERT INTO driftline.reference AS r (model, mae) VALUES (%(model)s, %(mae)s)
ON CONFLICT (model) DO UPDATE SET mae = excluded.mae WHERE r.mae IS DISTINCT FROM excluded.mae;

-- name: keep_layout
INSERT INTO driftline.summary_layout (hash, layout) VALUES (%(hash)s, %(layout)s::json) ON CONFLICT DO NOTHING;

-- name: write_summary
-- Where the rows cannot be read there is none; that it closed has to be known all the same.
WITH gone AS (
    DELETE FROM driftline.window_summary
    WHERE NOT %(is_known)s::bool AND run_id = %(run_id)s AND stream = %(stream)s AND size_s = %(size_s)s
      AND window_start = %(window_start)s AND segment = ''
), written AS (
    INSERT INTO driftline.window_summary (run_id, stream, size_s, window_start, layout, rows, payload, segments)
    SELECT %(run_id)s, %(stream)s, %(size_s)s, %(window_start)s, %(layout)s, %(rows)s, %(payload)s, %(segments)s
    WHERE %(is_known)s::bool
    ON CONFLICT (run_id, stream, size_s, window_start, segment) DO UPDATE SET
        layout = excluded.layout, rows = excluded.rows, payload = excluded.payload, segments = excluded.segments
)
INSERT INTO driftline.unfolded (run_id, stream, size_s, window_start)
VALUES (%(run_id)s, %(stream)s, %(size_s)s, %(window_start)s);

-- name: chunk_sizes
SELECT partition, first_offset, rows FROM driftline.chunk
WHERE run_id = %(run_id)s AND topic = %(topic)s ORDER BY partition, first_offset;

-- name: take_chunks
DELETE FROM driftline.chunk
WHERE run_id = %(run_id)s AND topic = %(topic)s AND partition = %(partition)s AND first_offset = ANY(%(firsts)s)
RETURNING first_offset, last_offset, payload;

-- name: take_panes
WITH taken AS (
    DELETE FROM driftline.pane
    WHERE run_id = %(run_id)s AND topic = %(topic)s AND partition = %(partition)s AND first_offset = ANY(%(firsts)s)
      AND pane_start BETWEEN %(from)s AND %(to)s
    RETURNING rows)
SELECT coalesce(sum(rows), 0)::bigint FROM taken;

-- name: behind
-- The earliest window whose result has fewer rows than its panes hold.
SELECT min(h.window_start)
FROM (SELECT date_bin(%(size_s)s * interval '1 second', pane_start, 'epoch') AS window_start, sum(rows) AS rows
      FROM driftline.pane WHERE run_id = %(run_id)s AND topic = %(topic)s GROUP BY 1) h
LEFT JOIN driftline.window_result w
    ON w.run_id = %(run_id)s AND w.stream = %(stream)s AND w.size_s = %(size_s)s
   AND w.window_start = h.window_start AND w.segment = ''
WHERE w.rows IS NULL OR w.rows < h.rows;

-- name: panes
-- Of the newest runs, or of one: its pane, and whether it is over.
SELECT run_id, pane_ms, finished_at IS NOT NULL FROM driftline.run
WHERE %(only)s::text IS NULL OR run_id = %(only)s ORDER BY started_at DESC LIMIT 100;
