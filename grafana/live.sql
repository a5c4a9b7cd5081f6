-- Of the dashboard `live`. Variables: run, size (seconds), segment (or `all`), column (several), axis (`event` or `wall`).
-- Buckets of $__interval_ms bound what a long range returns; a bucket shows its worst window, at the time of its first.

-- name: run
-- The newest first: that one is chosen. Where there are runs of several streams, each with the name of its own.
SELECT run_id AS __value, run_id || CASE WHEN streams > 1 THEN coalesce(', ' || stream, '') ELSE '' END AS __text
FROM driftline.run, (SELECT count(DISTINCT stream) AS streams FROM driftline.run) s
ORDER BY started_at DESC, run_id LIMIT 200;

-- name: size
-- Before the first window there is a choice too, so that no query is left without one.
SELECT driftline.size_text(size_s) AS __text, size_s AS __value
FROM (SELECT DISTINCT size_s FROM driftline.window_result WHERE run_id = '${run}' AND stream = 'events'
      UNION SELECT 3600 WHERE NOT EXISTS (SELECT FROM driftline.window_result WHERE run_id = '${run}' AND stream = 'events')) s
ORDER BY size_s;

-- name: segment
-- Of the whole stream at first. Their names hold a `=`.
SELECT 'whole stream' AS __text, 'all' AS __value
UNION ALL
SELECT segment, segment FROM (SELECT DISTINCT segment FROM driftline.window_result
                              WHERE run_id = '${run}' AND stream = 'events' AND segment <> '' ORDER BY 1) s;

-- name: column
-- Every window has them all.
SELECT column_name FROM driftline.column_by_event
WHERE run_id = '${run}' AND stream = 'events' AND size_s = ${size} AND window_start = (
    SELECT max(window_start) FROM driftline.window_result
    WHERE run_id = '${run}' AND stream = 'events' AND size_s = ${size})
ORDER BY 1;

-- name: injected
SELECT ${axis}_time AS time, ${axis}_end AS timeend, 'injected: ' || label AS text, kind AS tags
FROM driftline.timed_event
WHERE run_id = '${run}' AND kind = 'injected'
  AND ${axis}_time <= $__timeTo()::timestamptz AND coalesce(${axis}_end, ${axis}_time) >= $__timeFrom()::timestamptz
ORDER BY 1;

-- name: alarm
SELECT ${axis}_time AS time, ${axis}_end AS timeend, label AS text, kind AS tags
FROM driftline.timed_event
WHERE run_id = '${run}' AND kind = 'alarm' AND (size_s IS NULL OR size_s = ${size})
  AND ${axis}_time <= $__timeTo()::timestamptz AND coalesce(${axis}_end, ${axis}_time) >= $__timeFrom()::timestamptz
ORDER BY 1 LIMIT 500;

-- name: late
-- One mark for each window that rows came too late for: the 200 that missed most.
SELECT * FROM (
    SELECT min(${axis}_time) AS time, max(${axis}_time) AS timeend, count(*) || ' late rows' AS text, 'late' AS tags
    FROM driftline.timed_letter
    WHERE run_id = '${run}' AND reason = 'late' AND $__timeFilter(${axis}_time)
    GROUP BY date_bin(make_interval(secs => ${size}), event_time, 'epoch')
    ORDER BY count(*) DESC LIMIT 200) most
ORDER BY 1;

-- name: verdict
SELECT state FROM driftline.timed_window
WHERE run_id = '${run}' AND stream = 'events' AND size_s = ${size} AND status <> 'open'
ORDER BY event_time DESC LIMIT 1;

-- name: drifted
SELECT columns_drifted AS drifted FROM driftline.timed_window
WHERE run_id = '${run}' AND stream = 'events' AND size_s = ${size} AND status <> 'open'
ORDER BY event_time DESC LIMIT 1;

-- name: newest
SELECT 1000 * extract(epoch FROM event_end)::float8 AS ends FROM driftline.timed_window
WHERE run_id = '${run}' AND stream = 'events' AND size_s = ${size} AND status <> 'open'
ORDER BY event_time DESC LIMIT 1;

-- name: age
SELECT greatest(0, extract(epoch FROM now() - max(written_at)))::float8 AS age
FROM driftline.window_result WHERE run_id = '${run}';

-- name: latency
SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_ms) AS p95 FROM driftline.timed_window
WHERE run_id = '${run}' AND stream = 'events' AND size_s = ${size} AND $__timeFilter(${axis}_time);

-- name: late_rows
SELECT count(*) AS late FROM driftline.timed_letter
WHERE run_id = '${run}' AND reason = 'late' AND $__timeFilter(${axis}_time);

-- name: share
SELECT min(${axis}_time) AS time, max(s.share_drifted) AS "drifted columns"
FROM driftline.timed_window t JOIN driftline.window_result s USING (run_id, stream, size_s, window_start)
WHERE run_id = '${run}' AND s.segment = coalesce(nullif('${segment}', 'all'), '') AND stream = 'events' AND size_s = ${size} AND $__timeFilter(${axis}_time)
GROUP BY driftline.bucket(${axis}_time, $__interval_ms)
ORDER BY 1;

-- name: states
SELECT min(${axis}_time) AS time, driftline.size_text(size_s) AS metric, max(state) AS value
FROM driftline.timed_window
WHERE run_id = '${run}' AND stream = 'events' AND status <> 'open' AND $__timeFilter(${axis}_time)
GROUP BY size_s, driftline.bucket(${axis}_time, $__interval_ms)
ORDER BY 1;

-- name: severity
-- The windows of each bucket first: there are as many times fewer of them as there are columns. Two digits are shown:
-- rounded down, what has not reached its threshold does not read as if it had.
SELECT b.time, c.column_name AS metric,
       CASE WHEN max(c.severity) < 1 THEN floor(100 * max(c.severity)) / 100 ELSE max(c.severity) END AS value
FROM (SELECT min(${axis}_time) AS time, array_agg(window_start) AS windows FROM driftline.timed_window
      WHERE run_id = '${run}' AND stream = 'events' AND size_s = ${size} AND $__timeFilter(${axis}_time)
      GROUP BY driftline.bucket(${axis}_time, $__interval_ms)) b
JOIN driftline.column_metric c ON c.window_start = ANY (b.windows)
WHERE c.metric = 'drift' AND c.segment = coalesce(nullif('${segment}', 'all'), '') AND c.run_id = '${run}' AND c.stream = 'events' AND c.size_s = ${size}
  AND c.column_name = ANY (ARRAY[${column:sqlstring}]::text[])
GROUP BY b.time, c.column_name
ORDER BY 1;

-- name: worst
SELECT column_name AS metric, CASE WHEN severity < 1 THEN floor(100 * severity) / 100 ELSE severity END AS value
FROM driftline.column_metric
WHERE metric = 'drift' AND segment = coalesce(nullif('${segment}', 'all'), '') AND run_id = '${run}' AND stream = 'events' AND size_s = ${size} AND window_start = (
    SELECT max(window_start) FROM driftline.window_result
    WHERE segment = coalesce(nullif('${segment}', 'all'), '') AND run_id = '${run}' AND stream = 'events' AND size_s = ${size} AND status <> 'open')
ORDER BY severity DESC NULLS LAST, column_name LIMIT 15;

-- name: errors
-- Each with the unit that the definition of the stream gives.
SELECT w.time, e.name || coalesce(', ' || u.unit, '') AS metric, e.value
FROM (SELECT min(${axis}_time) AS time, avg(s.mae) AS mae, avg(s.rmse) AS rmse
      FROM driftline.timed_window t JOIN driftline.window_result s USING (run_id, stream, size_s, window_start)
      WHERE run_id = '${run}' AND s.segment = coalesce(nullif('${segment}', 'all'), '') AND stream = 'labels' AND size_s = ${size} AND $__timeFilter(${axis}_time)
      GROUP BY driftline.bucket(${axis}_time, $__interval_ms)) w
CROSS JOIN (SELECT max(s.definition ->> 'unit') AS unit FROM driftline.stream s
            JOIN driftline.run r ON r.stream = s.name AND r.stream_hash = s.hash WHERE r.run_id = '${run}') u
LEFT JOIN (SELECT r.run_id, f.mae FROM driftline.run r
           JOIN driftline.reference f ON f.model = coalesce(r.model, r.reference)) f ON f.run_id = '${run}'
CROSS JOIN LATERAL (VALUES ('MAE', w.mae), ('RMSE', w.rmse), ('MAE of the reference', f.mae)) e (name, value)
WHERE (e.name <> 'MAE of the reference' OR (f.mae IS NOT NULL AND coalesce(nullif('${segment}', 'all'), '') = '')) AND (e.name <> 'RMSE' OR coalesce(nullif('${segment}', 'all'), '') = '')
UNION ALL
SELECT min(${axis}_time), 'MAE, estimated before labels', avg(estimated_mae)
FROM driftline.timed_window t JOIN driftline.window_result w USING (run_id, stream, size_s, window_start, segment)
WHERE t.run_id = '${run}' AND t.stream = 'events' AND t.size_s = ${size} AND $__timeFilter(${axis}_time)
  AND w.estimated_mae IS NOT NULL AND coalesce(nullif('${segment}', 'all'), '') = ''
GROUP BY driftline.bucket(${axis}_time, $__interval_ms)
ORDER BY 1, 2;

-- name: bias
SELECT w.time, 'bias' || coalesce(', ' || u.unit, '') AS metric, w.bias AS value
FROM (SELECT min(${axis}_time) AS time, avg(s.bias) AS bias
      FROM driftline.timed_window t JOIN driftline.window_result s USING (run_id, stream, size_s, window_start)
      WHERE run_id = '${run}' AND s.segment = coalesce(nullif('${segment}', 'all'), '') AND stream = 'labels' AND size_s = ${size} AND $__timeFilter(${axis}_time)
      GROUP BY driftline.bucket(${axis}_time, $__interval_ms)) w
CROSS JOIN (SELECT max(s.definition ->> 'unit') AS unit FROM driftline.stream s
            JOIN driftline.run r ON r.stream = s.name AND r.stream_hash = s.hash WHERE r.run_id = '${run}') u
ORDER BY 1;

-- name: coverage
SELECT min(${axis}_time) AS time, min(s.label_coverage) AS "label coverage"
FROM driftline.timed_window t JOIN driftline.window_result s USING (run_id, stream, size_s, window_start)
WHERE run_id = '${run}' AND s.segment = coalesce(nullif('${segment}', 'all'), '') AND stream = 'labels' AND size_s = ${size} AND $__timeFilter(${axis}_time)
GROUP BY driftline.bucket(${axis}_time, $__interval_ms)
ORDER BY 1;

-- name: targets
-- A score of its own for each: what they share is only that more is further from the reference.
SELECT min(${axis}_time) AS time, max(s.prediction_drift) AS prediction, max(s.target_drift) AS target
FROM driftline.timed_window t JOIN driftline.window_result s USING (run_id, stream, size_s, window_start)
WHERE run_id = '${run}' AND s.segment = coalesce(nullif('${segment}', 'all'), '') AND size_s = ${size} AND $__timeFilter(${axis}_time)
GROUP BY driftline.bucket(${axis}_time, $__interval_ms)
ORDER BY 1;

-- name: missing
SELECT min(${axis}_time) AS time, max(s.share_missing) AS "missing values"
FROM driftline.timed_window t JOIN driftline.window_result s USING (run_id, stream, size_s, window_start)
WHERE run_id = '${run}' AND s.segment = coalesce(nullif('${segment}', 'all'), '') AND stream = 'events' AND size_s = ${size} AND $__timeFilter(${axis}_time)
GROUP BY driftline.bucket(${axis}_time, $__interval_ms)
ORDER BY 1;

-- name: rows
SELECT min(${axis}_time) AS time, avg(s.rows)::float8 AS "rows per window"
FROM driftline.timed_window t JOIN driftline.window_result s USING (run_id, stream, size_s, window_start)
WHERE run_id = '${run}' AND s.segment = coalesce(nullif('${segment}', 'all'), '') AND stream = 'events' AND size_s = ${size} AND $__timeFilter(${axis}_time)
GROUP BY driftline.bucket(${axis}_time, $__interval_ms)
ORDER BY 1;

-- name: windows
SELECT event_time AS "window", wall_time AS closed, status, state, rows, columns_drifted AS drifted,
       share_drifted AS share, prediction_drift AS prediction, latency_ms AS latency, revision, 'report' AS report,
       (extract(epoch FROM event_time) * 1000)::bigint::text AS start_ms
FROM driftline.timed_window
WHERE run_id = '${run}' AND stream = 'events' AND size_s = ${size} AND $__timeFilter(${axis}_time)
ORDER BY event_time DESC LIMIT 200;

-- name: alarms
-- Those that fire or have recovered, and incidents of the log, which have no state.
SELECT e.${axis}_time AS since, CASE WHEN a.recovered_at IS NOT NULL THEN e.${axis}_end END AS "until",
       coalesce(a.state, 'incident') AS state, split_part(a.message, E'\n', 1) AS what, a.severity AS evidence, k.verdict AS judged,
       a.alarm_id AS alarm
FROM driftline.timed_event e JOIN driftline.alarm a ON a.alarm_id = e.event_id LEFT JOIN LATERAL (
    SELECT verdict FROM driftline.alarm_ack k WHERE k.alarm_id = a.alarm_id ORDER BY ack_id DESC LIMIT 1) k ON true
WHERE e.run_id = '${run}' AND e.kind = 'alarm' AND e.${axis}_time <= $__timeTo()::timestamptz
  AND coalesce(e.${axis}_end, e.${axis}_time) >= $__timeFrom()::timestamptz
ORDER BY e.${axis}_time DESC LIMIT 200;

-- name: evidence
-- Of each size the most of any role, in units of the line.
SELECT min(w.${axis}_time) AS time, driftline.size_text(e.size_s) AS metric, max(e.value) AS value
FROM driftline.evidence e JOIN driftline.timed_window w USING (run_id, stream, size_s)
WHERE e.run_id = '${run}' AND e.segment = '' AND w.event_time = e.window_start AND $__timeFilter(w.${axis}_time)
GROUP BY e.size_s, driftline.bucket(w.${axis}_time, $__interval_ms)
ORDER BY 1;

-- name: alarm_states
-- After each of the smallest windows that are watched and have been looked at; a bucket shows its worst.
-- 0: calm, 1: suspected, 2: firing.
SELECT min(w.${axis}_time) AS time, 'alarm' AS metric, max(CASE WHEN EXISTS (
           SELECT FROM driftline.alarm a WHERE a.run_id = w.run_id AND a.track IN ('change', 'segments', 'harm') AND a.state IN ('firing', 'recovered')
           AND a.started_at <= w.event_end AND (a.recovered_at IS NULL OR a.recovered_at > w.event_end)) THEN 2
       WHEN EXISTS (
           SELECT FROM driftline.alarm a WHERE a.run_id = w.run_id AND a.track IN ('change', 'segments', 'harm') AND a.state IN ('pending', 'firing', 'recovered')
           AND a.pending_at <= w.event_end AND (a.recovered_at IS NULL OR a.recovered_at > w.event_end)) THEN 1
       ELSE 0 END) AS value
FROM driftline.evidence e JOIN driftline.timed_window w USING (run_id, stream, size_s)
WHERE e.run_id = '${run}' AND e.stream = 'events' AND e.segment = '' AND w.event_time = e.window_start AND $__timeFilter(w.${axis}_time)
  AND e.size_s = (SELECT min(s.size_s) FROM driftline.watch, unnest(sizes_s) s (size_s) WHERE run_id = '${run}')
GROUP BY driftline.bucket(w.${axis}_time, $__interval_ms)
ORDER BY 1;
