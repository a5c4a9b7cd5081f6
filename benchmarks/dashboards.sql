-- A database as after ten replays of most of a year each. Parameters: runs, days, columns.

-- name: runs
-- The newest replay is going on: all its windows closed within the last ten minutes.
INSERT INTO driftline.run (run_id, source, started_at, finished_at, manifest, pane_ms, lateness_ms, outcome_lateness_ms, max_ahead_ms)
SELECT 'run-' || r, 'made up', now() - (%(runs)s - r) * interval '1 day' - interval '10 minutes',
       CASE WHEN r < %(runs)s THEN now() - (%(runs)s - r) * interval '1 day' END,
       jsonb_build_object('scenario', 'made up', 'injected', (
           SELECT jsonb_agg(jsonb_build_object('label', 'drift ' || n, 'columns', jsonb_build_array('c3'),
                  'starts_at', (extract(epoch FROM timestamptz '2022-01-01' + n * interval '60 days') * 1000)::bigint))
           FROM generate_series(1, 4) n)),
       300000, 600000, 7200000, 86400000
FROM generate_series(1, %(runs)s) r;

-- name: windows
INSERT INTO driftline.window_result (
    run_id, stream, size_s, window_start, window_end, status, rows, sampled, columns_tested, columns_drifted,
    share_drifted, dataset_drift, prediction_drift, share_missing, mae, rmse, bias, label_coverage, target_drift,
    offsets, closed_at, written_at, compute_ms, latency_ms)
SELECT run, stream, size_s, at, at + size_s * interval '1 second', 'final', size_s / 10, size_s / 10,
       CASE stream WHEN 'events' THEN %(columns)s END, CASE stream WHEN 'events' THEN drifted END,
       CASE stream WHEN 'events' THEN drifted / %(columns)s::float8 END, CASE stream WHEN 'events' THEN drifted >= %(columns)s / 2 END,
       CASE stream WHEN 'events' THEN random() / 5 END, 0.02, 3 + random(), 5 + random(), random() - 0.5,
       0.9 + random() / 10, CASE stream WHEN 'labels' THEN random() / 5 END, '{"0": [1, 2]}', closed, closed + interval '80 milliseconds',
       20 + 20 * random(), 40 + 60 * random()
FROM (SELECT 'run-' || r AS run, stream, size_s, at, CASE WHEN random() < 0.03 THEN 1 + floor(random() * 3)::int ELSE 0 END AS drifted,
             now() - (%(runs)s - r) * interval '1 day' - interval '10 minutes' * (1 - extract(epoch FROM at - '2022-01-01') / 86400 / %(days)s) AS closed
      FROM generate_series(1, %(runs)s) r, unnest(ARRAY['events', 'labels']) stream, unnest(ARRAY[3600, 21600, 86400]) size_s,
           generate_series(timestamptz '2022-01-01', timestamptz '2022-01-01' + %(days)s * interval '1 day' - interval '1 second',
                           size_s * interval '1 second') at) w;

-- name: columns
INSERT INTO driftline.column_metric (run_id, stream, size_s, window_start, column_name, metric, method, value, threshold, severity, status)
SELECT w.run_id, w.stream, w.size_s, w.window_start, 'c' || c, 'drift', 'wasserstein', s / 10, 0.1, s,
       CASE WHEN s < 1 THEN 'ok' ELSE 'drift' END
FROM driftline.window_result w, generate_series(1, %(columns)s) c,
     LATERAL (SELECT CASE WHEN c <= w.columns_drifted THEN 1 + random() ELSE random() * 0.99 END AS s) severity
WHERE w.stream = 'events';

-- name: events
INSERT INTO driftline.event (event_id, run_id, kind, starts_at, ends_at, label)
SELECT r.run_id || n, r.run_id, 'injected', timestamptz '2022-01-01' + n * interval '60 days',
       timestamptz '2022-01-11' + n * interval '60 days', 'drift ' || n
FROM driftline.run r, generate_series(1, 4) n;

-- name: alarms
INSERT INTO driftline.alarm (alarm_id, run_id, size_s, started_at, recovered_at, severity, kind, message)
SELECT r.run_id || n, r.run_id, 3600, timestamptz '2022-01-01' + n * interval '2 days', timestamptz '2022-01-01' + n * interval '2 days 3 hours', 1.5, 'drift', 'c3'
FROM driftline.run r, generate_series(1, 150) n;

-- name: letters
INSERT INTO driftline.dead_letter (topic, partition, kafka_offset, run_id, reason, event_time, raw, written_at)
SELECT 'trips', r, n, 'run-' || r, CASE WHEN n %% 5 > 0 THEN 'late' ELSE 'invalid' END,
       timestamptz '2022-01-01' + random() * %(days)s * interval '1 day', 'x',
       now() - (%(runs)s - r) * interval '1 day' - random() * interval '10 minutes'
FROM generate_series(1, %(runs)s) r, generate_series(1, 20000) n;

-- name: health
INSERT INTO driftline.health_sample (at, stage, instance, run_id, measures)
SELECT at, stage, stage || ':' || n, 'run-1', '{"lag": 10, "rows_per_s": 5000.5, "windows_per_s": 3, "pending": 0, "watermark_age_s": 1}'
FROM generate_series(now() - interval '1 day', now(), interval '5 seconds') at, unnest(ARRAY['consumer', 'monitor']) stage, generate_series(1, 3) n;

-- name: stages
INSERT INTO driftline.health SELECT DISTINCT ON (stage, instance) stage, instance, run_id, at, measures
FROM driftline.health_sample ORDER BY stage, instance, at DESC;

-- name: progress
INSERT INTO driftline.partition_progress (topic, partition, next_offset, log_end) SELECT 'trips', n, 100, 120 FROM generate_series(0, 3) n;

-- name: run_progress
INSERT INTO driftline.run_progress (run_id, topic, partition, first_offset)
SELECT run_id, topic, partition, 0 FROM driftline.run, driftline.partition_progress;
