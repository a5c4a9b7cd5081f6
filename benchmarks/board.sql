-- A long run as monitors would have left it, made in the database itself: what a board has to show of a year.

-- name: run
INSERT INTO driftline.run (run_id, source, manifest, pane_ms, lateness_ms, outcome_lateness_ms, max_ahead_ms, finished_at)
VALUES (%(run)s, 'made up', jsonb_build_object('source', 'made up', 'scenario', 'made-up', 'period',
        jsonb_build_array((extract(epoch FROM %(start)s::timestamptz) * 1000)::bigint,
                          (extract(epoch FROM %(start)s::timestamptz) * 1000)::bigint + %(windows)s::bigint * %(size_s)s * 1000::bigint)),
        300000, 600000, 7200000, 86400000, clock_timestamp());

-- name: progress
INSERT INTO driftline.run_progress (run_id, topic, partition, max_event_time_ms, finished, first_offset, accepted, late)
SELECT %(run)s, topic, partition,
       (extract(epoch FROM %(start)s::timestamptz) * 1000)::bigint + %(windows)s::bigint * %(size_s)s * 1000::bigint,
       true, 0, %(windows)s::bigint * 25, 7
FROM unnest('{trips,outcomes}'::text[]) topic, generate_series(0, 3) partition;

-- name: windows
-- One after another, each closed a second after the one before, the last one a second ago.
INSERT INTO driftline.window_result (
    run_id, stream, size_s, window_start, window_end, status, rows, sampled, columns_tested, columns_drifted,
    share_drifted, dataset_drift, prediction_drift, share_missing, mae, rmse, label_coverage, offsets,
    closed_at, latency_ms, compute_ms, written_at)
SELECT %(run)s, stream, %(size_s)s, at, at + %(size_s)s * interval '1 second', 'final', 100, 100, %(columns)s,
       (n %% 97 = 0)::int * 11, (n %% 97 = 0)::int * 0.55, n %% 97 = 0, 0.02 * (n %% 7), 0.01,
       CASE stream WHEN 'labels' THEN 3 + sin(n / 50.0) END, CASE stream WHEN 'labels' THEN 5 END,
       CASE stream WHEN 'labels' THEN 0.98 END, '{"0": [0, 99]}',
       clock_timestamp() - (%(windows)s::bigint - n) * interval '1 second', 40, 12,
       clock_timestamp() - (%(windows)s::bigint - n) * interval '1 second'
FROM generate_series(0, %(windows)s::bigint - 1) n,
     LATERAL (SELECT %(start)s::timestamptz + n * %(size_s)s * interval '1 second' AS at) w,
     unnest('{events,labels}'::text[]) stream;

-- name: columns
-- Of each window of events every column, with these figures.
INSERT INTO driftline.column_metric (
    run_id, stream, size_s, window_start, column_name, metric, method, value, threshold, severity, status)
SELECT run_id, stream, size_s, window_start, name, metric,
       CASE metric WHEN 'drift' THEN 'wasserstein' END, 0.05 + 0.01 * place,
       CASE metric WHEN 'drift' THEN 0.1 END,
       CASE metric WHEN 'drift' THEN 0.3 + 0.03 * place + dataset_drift::int END,
       CASE WHEN metric = 'drift' AND dataset_drift AND place > 5 THEN 'drift' ELSE 'ok' END
FROM driftline.window_result, unnest(%(names)s::text[]) WITH ORDINALITY AS c (name, place),
     unnest(%(metrics)s::text[]) metric
WHERE run_id = %(run)s AND stream = 'events' AND size_s = %(size_s)s;
