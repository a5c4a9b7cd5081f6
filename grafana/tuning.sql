-- Of the dashboard `tuning`. Variable: run (several). All but `share` ignore the time range: a run is history.

-- name: run
SELECT run_id AS __value, run_id || CASE WHEN streams > 1 THEN coalesce(', ' || stream, '') ELSE '' END AS __text
FROM driftline.run, (SELECT count(DISTINCT stream) AS streams FROM driftline.run) s
ORDER BY started_at DESC, run_id LIMIT 50;

-- name: scores
SELECT run_id AS run, size, size_s, windows, rows_per_window AS rows, caught || ' of ' || injected AS caught,
       delay_p50_s AS delay, delay_max_s AS longest, false_alarms AS "false", false_alarm_rate AS rate,
       compute_ms AS compute, compute_s_per_day AS day
FROM driftline.size_score WHERE run_id = ANY (ARRAY[${run:sqlstring}]::text[])
ORDER BY size_s, run_id LIMIT 200;

-- name: delay
SELECT size, avg(delay_p50_s) AS median, max(delay_max_s) AS longest
FROM driftline.size_score WHERE run_id = ANY (ARRAY[${run:sqlstring}]::text[])
GROUP BY size, size_s ORDER BY size_s;

-- name: alarms
SELECT size, (100.0 * sum(false_alarms) / nullif(sum(tested), 0))::float8 AS "false alarms"
FROM driftline.size_score WHERE run_id = ANY (ARRAY[${run:sqlstring}]::text[])
GROUP BY size, size_s ORDER BY size_s;

-- name: cost
SELECT size, avg(compute_s_per_day) AS "seconds"
FROM driftline.size_score WHERE run_id = ANY (ARRAY[${run:sqlstring}]::text[])
GROUP BY size, size_s ORDER BY size_s;

-- name: balance
SELECT 100 * false_alarm_rate AS "false alarms", delay_p50_s AS delay, size, run_id AS run
FROM driftline.size_score WHERE run_id = ANY (ARRAY[${run:sqlstring}]::text[]) AND caught > 0
ORDER BY size_s, run_id LIMIT 200;

-- name: share
SELECT min(event_time) AS time, run_id || ' ' || driftline.size_text(size_s) AS metric, max(share_drifted) AS value
FROM driftline.timed_window
WHERE run_id = ANY (ARRAY[${run:sqlstring}]::text[]) AND stream = 'events' AND status <> 'open'
  AND $__timeFilter(event_time)
GROUP BY run_id, size_s, driftline.bucket(event_time, $__interval_ms)
ORDER BY 1;

-- name: runs
-- The first and the last window of each are two steps into the index.
SELECT r.run_id AS run, r.stream, r.source, r.manifest ->> 'scenario' AS scenario, r.started_at AS started,
       r.finished_at AS finished, first.starts, last.ends,
       (extract(epoch FROM first.starts) * 1000)::bigint::text AS from_ms,
       (extract(epoch FROM last.ends) * 1000)::bigint::text AS to_ms
FROM (SELECT * FROM driftline.run ORDER BY started_at DESC, run_id LIMIT 50) r
CROSS JOIN LATERAL (
    SELECT w.size_s, w.window_start AS starts FROM driftline.window_result w
    WHERE w.run_id = r.run_id AND w.stream = 'events' ORDER BY w.size_s, w.window_start LIMIT 1) first
CROSS JOIN LATERAL (
    SELECT w.window_end AS ends FROM driftline.window_result w
    WHERE w.run_id = r.run_id AND w.stream = 'events' AND w.size_s = first.size_s
    ORDER BY w.window_start DESC LIMIT 1) last
ORDER BY r.started_at DESC;
