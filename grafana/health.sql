-- Of the dashboard `health`: wall clock only. Variable: run, for what belongs to one; stages serve all runs.

-- name: visible
SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_ms) AS p95 FROM driftline.window_result
WHERE run_id = '${run}' AND latency_ms IS NOT NULL AND $__timeFilter(closed_at);

-- name: lag_now
-- Of this run: what is not read yet in the partitions where its end has not been seen.
SELECT driftline.run_lag('${run}')::float8 AS lag;

-- name: silent
-- A stage that stopped on purpose falls silent too: gone after a day.
SELECT count(*) AS silent FROM driftline.health WHERE at < now() - interval '30 seconds' AND at > now() - interval '1 day';

-- name: revised
SELECT count(*) AS revised FROM driftline.window_result
WHERE run_id = '${run}' AND segment = '' AND revision > 0 AND $__timeFilter(closed_at);

-- name: late_rows
SELECT count(*) AS late FROM driftline.timed_letter
WHERE run_id = '${run}' AND reason = 'late' AND $__timeFilter(wall_time);

-- name: refused
SELECT count(*) AS refused FROM driftline.timed_letter
WHERE run_id IN ('${run}', '') AND reason <> 'late' AND $__timeFilter(wall_time);

-- name: lag
SELECT driftline.bucket(wall_time, $__interval_ms) AS time, instance AS metric, max(lag) AS value
FROM driftline.health_history WHERE stage = 'consumer' AND $__timeFilter(wall_time)
GROUP BY 1, 2 ORDER BY 1;

-- name: rate
SELECT driftline.bucket(wall_time, $__interval_ms) AS time, instance AS metric, avg(rows_per_s) AS value
FROM driftline.health_history WHERE stage = 'consumer' AND $__timeFilter(wall_time)
GROUP BY 1, 2 ORDER BY 1;

-- name: window_rate
SELECT driftline.bucket(wall_time, $__interval_ms) AS time, instance AS metric, avg(windows_per_s) AS value
FROM driftline.health_history WHERE stage = 'monitor' AND $__timeFilter(wall_time)
GROUP BY 1, 2 ORDER BY 1;

-- name: watermark
SELECT driftline.bucket(wall_time, $__interval_ms) AS time, instance AS metric, max(watermark_age_s) AS value
FROM driftline.health_history WHERE stage = 'consumer' AND $__timeFilter(wall_time)
GROUP BY 1, 2 ORDER BY 1;

-- name: latency
SELECT driftline.bucket(closed_at, $__interval_ms) AS time,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_ms) AS p50,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_ms) AS p95,
       max(latency_ms) AS max
FROM driftline.window_result
WHERE run_id = '${run}' AND latency_ms IS NOT NULL AND $__timeFilter(closed_at)
GROUP BY 1 ORDER BY 1;

-- name: compute
-- The newest 10,000 in range.
SELECT * FROM (
    SELECT closed_at AS time, compute_ms AS "compute time" FROM driftline.window_result
    WHERE run_id = '${run}' AND compute_ms IS NOT NULL AND $__timeFilter(closed_at)
    ORDER BY closed_at DESC LIMIT 10000) newest
ORDER BY 1;

-- name: letters
SELECT driftline.bucket(wall_time, $__interval_ms) AS time, reason AS metric, count(*) AS value
FROM driftline.timed_letter WHERE run_id IN ('${run}', '') AND $__timeFilter(wall_time)
GROUP BY 1, 2 ORDER BY 1;

-- name: stages
SELECT stage, instance, run_id AS run, greatest(0, extract(epoch FROM now() - at))::float8 AS silent,
       (measures ->> 'lag')::float8 AS lag, (measures ->> 'rows_per_s')::float8 AS "rows/s",
       (measures ->> 'windows_per_s')::float8 AS "windows/s", (measures ->> 'pending')::float8 AS pending
FROM driftline.health WHERE at > now() - interval '1 day'
ORDER BY stage, instance LIMIT 100;
