-- name: runs
-- Rows and windows of events, labels beside them; dead letters of both, by reason. Tallies count late and future ones, and
-- all others together: of these the dead letters themselves tell one from the other.
SELECT r.run_id, r.source, r.started_at, r.finished_at,
       timestamptz 'epoch' + w.watermark_ms * interval '1 millisecond' AS watermark, p.rows, p.labels,
       p.late + p.future + p.invalid AS dead_letters,
       jsonb_strip_nulls(coalesce(d.reasons, '{}')
                         || jsonb_build_object('late', nullif(p.late, 0), 'future', nullif(p.future, 0))) AS reasons,
       p.duplicates, p.missing, driftline.run_lag(r.run_id) AS lag,
       (SELECT count(*) FROM driftline.window_result w
        WHERE w.run_id = r.run_id AND w.stream = 'events' AND w.segment = '') AS windows,
       r.manifest ->> 'scenario' AS scenario, r.model, coalesce(r.model, r.reference) AS reference, r.stream, r.pane_ms
FROM driftline.run r
CROSS JOIN LATERAL (
    SELECT coalesce(sum(q.accepted) FILTER (WHERE t.role = 'events'), 0)::bigint AS rows,
           coalesce(sum(q.accepted) FILTER (WHERE t.role = 'labels'), 0)::bigint AS labels,
           coalesce(sum(q.late), 0)::bigint AS late,
           coalesce(sum(q.future), 0)::bigint AS future, coalesce(sum(q.invalid), 0)::bigint AS invalid,
           coalesce(sum(q.duplicates), 0)::bigint AS duplicates, coalesce(sum(q.missing), 0)::bigint AS missing
    FROM driftline.run_progress q LEFT JOIN driftline.run_topic t USING (run_id, topic) WHERE q.run_id = r.run_id
) p
LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(c.reason, c.number) AS reasons
    FROM (SELECT reason, count(*) AS number FROM driftline.dead_letter
          WHERE p.invalid > 0 AND run_id = r.run_id AND reason NOT IN ('late', 'future') GROUP BY reason) c
) d ON true
LEFT JOIN driftline.run_watermark w ON w.run_id = r.run_id AND w.role = 'events'
ORDER BY r.started_at DESC, r.run_id;

-- name: monitors
SELECT run_id, measures ->> 'model' AS model, measures ->> 'stream' AS stream,
       (SELECT array_agg(s.size_s::int) FROM jsonb_array_elements_text(measures -> 'sizes_s') s (size_s)) AS sizes_s
FROM driftline.health
WHERE stage = 'monitor' AND abs(extract(epoch FROM clock_timestamp() - at)) < 30
ORDER BY at DESC;

-- name: windows
-- Of the whole stream ('') or of a segment. Dead letters are counted only for what is listed; nobody knows those of a
-- segment, nor the error that the model had there in training.
SELECT o.stream, o.size_s, o.window_start, o.window_end, o.status, o.revision, o.rows, o.sampled,
       CASE WHEN o.segment = '' THEN o.late END AS late, CASE WHEN o.segment = '' THEN o.late + o.dead END AS dead_letters,
       o.columns_tested, o.columns_drifted, o.share_drifted, o.dataset_drift, o.prediction_drift, o.share_missing,
       o.mae, e.mae AS reference_mae, o.rmse, o.bias, o.r2, o.target_drift, o.label_coverage, w.estimated_mae, o.offsets, o.closed_at, o.written_at,
       c.column_name AS worst_column, c.severity AS worst_severity,
       CASE WHEN o.status IN ('provisional', 'final')
                 AND (coalesce(o.columns_tested, 0) = 0 OR (o.stream = 'labels' AND o.mae IS NULL)) THEN (
           SELECT m.reason FROM driftline.column_metric m
           WHERE (m.run_id, m.stream, m.size_s, m.window_start) = (o.run_id, o.stream, o.size_s, o.window_start)
             AND m.segment = o.segment AND m.metric IN ('drift', 'mae') AND m.reason IS NOT NULL
           GROUP BY m.reason ORDER BY bool_or(m.status = 'failed') DESC, count(*) DESC, m.reason LIMIT 1) END AS remark
FROM driftline.window_overview o
LEFT JOIN LATERAL (
    SELECT m.column_name, m.severity FROM driftline.column_metric m
    WHERE (m.run_id, m.stream, m.size_s, m.window_start) = (o.run_id, o.stream, o.size_s, o.window_start)
      AND m.segment = o.segment AND m.metric = 'drift' AND m.severity IS NOT NULL
    ORDER BY m.severity DESC, m.column_name LIMIT 1
) c ON true
JOIN driftline.window_result w USING (run_id, stream, size_s, window_start, segment)
LEFT JOIN driftline.run r ON r.run_id = o.run_id
LEFT JOIN driftline.reference e ON e.model = coalesce(r.model, r.reference) AND o.mae IS NOT NULL AND o.segment = ''
WHERE o.run_id = %(run_id)s AND o.segment = %(segment)s
  AND (%(size_s)s::int IS NULL OR o.size_s = %(size_s)s)
  AND (%(stream)s::text IS NULL OR o.stream = %(stream)s)
ORDER BY o.window_start DESC, o.size_s, o.stream = 'events' DESC
LIMIT %(limit)s;

-- name: sufficiency
-- The sizes of which most closed windows had too few rows, and the smallest usual size that would do: nine of its
-- windows in ten, of those with any rows, have enough. That adds up all panes of the run, where there is such a size.
WITH short AS MATERIALIZED (
    SELECT size_s, count(*) AS windows, count(*) FILTER (WHERE status <> 'insufficient') AS sufficient
    FROM driftline.window_result
    WHERE run_id = %(run_id)s AND stream = 'events' AND segment = '' AND status <> 'open'
    GROUP BY size_s HAVING 2 * count(*) FILTER (WHERE status <> 'insufficient') < count(*)
)
SELECT short.*, (
    SELECT min(size_s) FROM (
        SELECT w.size_s FROM (
            SELECT u.size_s, sum(p.rows) AS rows
            FROM driftline.run r
            JOIN driftline.run_topic t ON t.run_id = r.run_id AND t.role = 'events'
            JOIN driftline.pane p ON p.run_id = r.run_id AND p.topic = t.topic
            CROSS JOIN unnest(ARRAY[300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400]) AS u (size_s)
            WHERE r.run_id = %(run_id)s AND 1000 * u.size_s %% r.pane_ms = 0
            GROUP BY u.size_s, date_bin(make_interval(secs => u.size_s), p.pane_start, 'epoch')
        ) w GROUP BY w.size_s HAVING avg((w.rows >= %(min_rows)s)::int) >= 0.9
    ) useful
) AS useful_s
FROM short ORDER BY size_s;

-- name: dead_letters
-- Of one run, or of all and of none; the newest first.
SELECT d.written_at, d.run_id, d.topic, d.partition, d.kafka_offset AS "offset", d.reason, d.detail, d.event_time,
       d.key, d.raw, d.headers
FROM driftline.dead_letter d
WHERE (%(run_id)s::text IS NULL OR d.run_id = %(run_id)s)
  AND (%(reasons)s::text[] IS NULL OR d.reason = ANY(%(reasons)s))
ORDER BY d.written_at DESC, d.topic, d.partition, d.kafka_offset DESC LIMIT %(limit)s;

-- name: dead_letter_counts
-- How many there are in all, and how many in which no run could be read.
SELECT count(*) FILTER (WHERE %(run_id)s::text IS NULL OR d.run_id = %(run_id)s) AS listed,
       count(*) FILTER (WHERE d.run_id = '') AS of_no_run
FROM driftline.dead_letter d
WHERE (%(run_id)s::text IS NULL OR d.run_id IN (%(run_id)s, ''))
  AND (%(reasons)s::text[] IS NULL OR d.reason = ANY(%(reasons)s));

-- name: rejected_of_no_run
-- Of names that are no run; from name to name by the index, since a run may have millions of dead letters.
WITH RECURSIVE name AS (
    (SELECT run_id FROM driftline.dead_letter ORDER BY run_id LIMIT 1)
    UNION ALL
    SELECT (SELECT d.run_id FROM driftline.dead_letter d WHERE d.run_id > n.run_id ORDER BY d.run_id LIMIT 1)
    FROM name n WHERE n.run_id IS NOT NULL
)
SELECT coalesce(sum((SELECT count(*) FROM driftline.dead_letter d WHERE d.run_id = n.run_id)), 0)
FROM name n WHERE n.run_id IS NOT NULL AND NOT EXISTS (SELECT FROM driftline.run r WHERE r.run_id = n.run_id);

-- name: sizes
SELECT DISTINCT size_s FROM driftline.window_result WHERE run_id = %(run_id)s AND segment = %(segment)s ORDER BY 1;

-- name: segments
SELECT DISTINCT segment FROM driftline.window_result
WHERE run_id = %(run_id)s AND stream = 'events' AND segment <> '' ORDER BY 1;

-- name: columns
SELECT c.stream, c.column_name, c.metric, c.method, c.value, c.threshold, c.severity, c.status, c.reason
FROM driftline.column_metric c
WHERE c.run_id = %(run_id)s AND c.size_s = %(size_s)s AND c.window_start = %(window_start)s AND c.segment = %(segment)s
ORDER BY c.stream = 'events' DESC, c.column_name, c.metric <> 'drift', c.metric;
