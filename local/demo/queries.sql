-- What the live view and the summary read.

-- name: progress
-- One row: tallies of the run over all its topics, lag, and how far event time has come.
SELECT coalesce(sum(r.accepted) FILTER (WHERE t.role = 'events'), 0)::bigint AS events,
       coalesce(sum(r.accepted) FILTER (WHERE t.role = 'labels'), 0)::bigint AS labels,
       coalesce(sum(r.duplicates), 0)::bigint AS duplicates,
       coalesce(sum(r.late), 0)::bigint       AS late,
       coalesce(sum(r.future), 0)::bigint     AS future,
       coalesce(sum(r.invalid), 0)::bigint    AS invalid,
       coalesce(sum(r.missing), 0)::bigint    AS missing,
       coalesce(bool_and(r.finished), false)  AS finished,
       min(r.max_event_time_ms) FILTER (WHERE t.role = 'events') AS event_time_ms,
       (SELECT watermark_ms FROM driftline.run_watermark w WHERE w.run_id = %(run)s AND w.role = 'events') AS watermark_ms,
       driftline.run_lag(%(run)s) AS lag,
       EXISTS (SELECT FROM driftline.health WHERE stage = 'monitor' AND run_id = %(run)s
               AND NOT measures ? 'starting') AS watched
FROM driftline.run_progress r LEFT JOIN driftline.run_topic t USING (run_id, topic) WHERE r.run_id = %(run)s;

-- name: frontiers
-- Of each window size that a monitor of the run computes: up to which event time windows of events are complete.
SELECT s.size_s, f.next_start_ms
FROM (SELECT DISTINCT jsonb_array_elements_text(measures -> 'sizes_s')::int AS size_s
      FROM driftline.health WHERE stage = 'monitor' AND run_id = %(run)s) s
LEFT JOIN driftline.frontier f ON f.run_id = %(run)s AND f.stream = 'events' AND f.size_s = s.size_s;

-- name: tallies
-- Per topic: every record that was sent, by its sequence numbers, and what became of it. Events first.
SELECT topic, sum(last_seq + 1)::bigint AS sent, sum(accepted)::bigint AS accepted, sum(late)::bigint AS late,
       sum(future)::bigint AS future, sum(invalid)::bigint AS invalid, sum(duplicates)::bigint AS duplicates
FROM driftline.run_progress LEFT JOIN driftline.run_topic USING (run_id, topic)
WHERE run_id = %(run)s GROUP BY topic, role ORDER BY role = 'events' DESC NULLS LAST, topic;

-- name: injected
-- What the manifest says was bent, the first times.
SELECT (i->>'starts_at')::bigint AS starts_at_ms, (i->>'ends_at')::bigint AS ends_at_ms, i->>'label' AS label,
       ARRAY(SELECT jsonb_array_elements_text(i->'columns')) AS columns
FROM driftline.run, jsonb_array_elements(manifest->'injected') AS i WHERE run_id = %(run)s ORDER BY 1 LIMIT %(limit)s;

-- name: worth_a_look
-- One closed window of events: of the day in which most columns drifted, the first within the injected drift if any.
SELECT w.size_s, w.window_start
FROM driftline.window_result w LEFT JOIN driftline.event e ON e.run_id = w.run_id AND e.kind = 'injected'
WHERE w.run_id = %(run)s AND w.stream = 'events' AND w.segment = '' AND w.status = 'final'
ORDER BY w.size_s = 86400 DESC, coalesce(w.window_start >= e.starts_at AND w.window_end <= e.ends_at, false) DESC,
         w.columns_drifted DESC NULLS LAST, w.window_start LIMIT 1;

-- name: windows_by_status
SELECT size_s, stream, status, count(*)::int AS windows, sum(rows)::bigint AS rows
FROM driftline.window_result WHERE run_id = %(run)s AND segment = '' GROUP BY 1, 2, 3 ORDER BY size_s, stream = 'events' DESC, status;

-- name: newest_windows
-- The newest windows of one size of events, of those that start before a moment or of all, with the severity of every column and the error of the same hours.
SELECT w.window_start, w.status, w.rows, w.share_drifted, w.dataset_drift, o.mae,
       (SELECT e.mae FROM driftline.run r JOIN driftline.reference e ON e.model = coalesce(r.model, r.reference)
        WHERE r.run_id = w.run_id) AS reference_mae,
       (SELECT jsonb_object_agg(c.column_name, c.severity) FROM driftline.column_metric c
        WHERE (c.run_id, c.stream, c.size_s, c.window_start, c.segment)
            = (w.run_id, w.stream, w.size_s, w.window_start, w.segment) AND c.metric = 'drift') AS severity
FROM driftline.window_result w
LEFT JOIN driftline.window_result o
       ON (o.run_id, o.stream, o.size_s, o.window_start, o.segment) = (w.run_id, 'labels', w.size_s, w.window_start, w.segment)
WHERE w.run_id = %(run)s AND w.stream = 'events' AND w.size_s = %(size_s)s AND w.segment = ''
  AND w.window_start < coalesce(%(before)s, 'infinity'::timestamptz)
ORDER BY w.window_start DESC LIMIT %(limit)s;

-- name: alarms
-- Those of changes that fired and stand, the earliest first.
SELECT pending_at, started_at AS fired_at, recovered_at, message
FROM driftline.alarm WHERE run_id = %(run)s AND track = 'change' AND state IN ('firing', 'recovered') ORDER BY started_at;

-- name: promise
-- Of the run's first season: false alarms a month; NULL where nothing could be promised.
SELECT promise FROM driftline.calibration WHERE run_id = %(run)s ORDER BY season_start LIMIT 1;

-- name: errors
-- Per part of the replay, before, during and after an injected drift: the model's mean absolute error, by the smallest
-- windows, which lie wholly in one of them.
SELECT CASE WHEN w.window_end <= %(starts_at)s THEN 'before' WHEN w.window_start >= %(ends_at)s THEN 'after'
            ELSE 'during' END AS part, sum(w.mae * w.rows) / sum(w.rows) AS mae
FROM driftline.window_result w
WHERE w.run_id = %(run)s AND w.stream = 'labels' AND w.segment = '' AND w.mae IS NOT NULL AND w.rows > 0
  AND w.size_s = (SELECT min(size_s) FROM driftline.window_result WHERE run_id = %(run)s AND stream = 'labels')
  AND NOT (w.window_start < %(starts_at)s AND w.window_end > %(starts_at)s)
  AND NOT (w.window_start < %(ends_at)s AND w.window_end > %(ends_at)s)
GROUP BY 1;
