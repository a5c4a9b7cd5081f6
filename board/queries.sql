-- What the board reads. Times go out as ms since the epoch.

-- name: become_board
-- Where the login may be the board's role it is from here on; as that role itself it stays what it is.
SELECT set_config('role', rolname, false) FROM pg_roles
WHERE rolname = 'driftline_board' AND pg_has_role(current_user, oid, 'MEMBER');

-- name: limit_time
SELECT set_config('statement_timeout', '15s', false), set_config('idle_in_transaction_session_timeout', '60s', false);

-- name: may_write
SELECT current_user::text, coalesce(has_table_privilege(to_regclass('driftline.run'), 'INSERT'), false)
       OR has_database_privilege(current_database(), 'CREATE');

-- name: listen_windows
LISTEN driftline_window;

-- name: listen_progress
LISTEN driftline_progress;

-- name: runs
SELECT r.run_id, r.source, (extract(epoch FROM r.started_at) * 1000)::bigint,
       (extract(epoch FROM r.finished_at) * 1000)::bigint, r.manifest ->> 'scenario',
       coalesce(w.sizes, '{}'), coalesce(w.counts, '{}')
FROM driftline.run r
LEFT JOIN (
    SELECT run_id, array_agg(size_s ORDER BY size_s) AS sizes, array_agg(n ORDER BY size_s) AS counts
    FROM (SELECT run_id, size_s, count(*) AS n FROM driftline.window_result
          WHERE stream = 'trips' AND segment = '' GROUP BY run_id, size_s) s
    GROUP BY run_id) w USING (run_id)
ORDER BY r.started_at DESC, r.run_id LIMIT 200;

-- name: newest_run
SELECT run_id FROM driftline.run ORDER BY started_at DESC, run_id LIMIT 1;

-- name: run
-- What a run is; its period and the hash of its model.
SELECT r.run_id, r.source, r.manifest ->> 'scenario' AS scenario, r.manifest -> 'period' AS period, r.lateness_ms,
       r.finished_at IS NOT NULL AS finished, r.model
FROM driftline.run r WHERE r.run_id = %(run)s;

-- name: sizes
SELECT size_s, count(*) FROM driftline.window_result
WHERE run_id = %(run)s AND stream = 'trips' AND segment = '' GROUP BY size_s ORDER BY size_s;

-- name: columns
-- Those that windows of this size were tested for: of the newest ones, since a column may be new.
SELECT DISTINCT column_name FROM driftline.column_metric
WHERE (run_id, stream, size_s, segment) = (%(run)s, 'trips', %(size_s)s, '') AND metric = 'drift'
  AND window_start IN (SELECT window_start FROM driftline.window_result
                       WHERE (run_id, stream, size_s, segment) = (%(run)s, 'trips', %(size_s)s, '')
                       ORDER BY window_start DESC LIMIT 2);

-- name: windows
-- Windows that start within a stretch, with the error of the same hours; the last figure changes with every writing.
SELECT (extract(epoch FROM w.window_start) * 1000)::bigint,
       (extract(epoch FROM coalesce(w.closed_at, w.written_at)) * 1000)::bigint,
       w.status, w.rows, w.revision, w.share_drifted, w.dataset_drift, w.columns_drifted, w.prediction_drift,
       o.mae, o.label_coverage, w.closed_at IS NOT NULL, (extract(epoch FROM w.written_at) * 1000000)::bigint
FROM driftline.window_result w
LEFT JOIN driftline.window_result o
       ON o.run_id = w.run_id AND o.stream = 'outcomes' AND o.size_s = w.size_s
      AND o.window_start = w.window_start AND o.segment = ''
WHERE w.run_id = %(run)s AND w.stream = 'trips' AND w.size_s = %(size_s)s AND w.segment = ''
  AND w.window_start >= %(from)s::timestamptz AND w.window_start <= %(to)s::timestamptz
ORDER BY w.window_start;

-- name: late
-- What came too late for each window of a stretch.
SELECT (extract(epoch FROM date_bin(%(size_s)s * interval '1 second', event_time, 'epoch')) * 1000)::bigint, count(*)
FROM driftline.dead_letter
WHERE run_id = %(run)s AND topic = 'trips' AND reason = 'late'
  AND event_time >= %(from)s::timestamptz AND event_time < %(to)s::timestamptz + %(size_s)s * interval '1 second'
GROUP BY 1;

-- name: severities
-- Each window's severities as float32 in network order, in the order of the columns; NaN: not computed.
SELECT (extract(epoch FROM w.window_start) * 1000)::bigint,
       (SELECT string_agg(float4send(coalesce(c.severity, 'NaN')::float4), '' ORDER BY k.place)
        FROM unnest(%(columns)s::text[]) WITH ORDINALITY AS k (name, place)
        LEFT JOIN driftline.column_metric c
               ON c.run_id = w.run_id AND c.stream = w.stream AND c.size_s = w.size_s
              AND c.window_start = w.window_start AND c.segment = w.segment
              AND c.column_name = k.name AND c.metric = 'drift')
FROM driftline.window_result w
WHERE w.run_id = %(run)s AND w.stream = 'trips' AND w.size_s = %(size_s)s AND w.segment = ''
  AND w.window_start >= %(from)s::timestamptz AND w.window_start <= %(to)s::timestamptz;

-- name: written_since
-- Windows of which either stream was written in the last seconds.
SELECT DISTINCT (extract(epoch FROM window_start) * 1000)::bigint FROM driftline.window_result
WHERE run_id = %(run)s AND size_s = %(size_s)s AND segment = ''
  AND written_at > clock_timestamp() - %(seconds)s * interval '1 second';

-- name: injected
SELECT (extract(epoch FROM starts_at) * 1000)::bigint, (extract(epoch FROM ends_at) * 1000)::bigint, label
FROM driftline.event WHERE run_id = %(run)s AND kind = 'injected' ORDER BY starts_at LIMIT 1000;

-- name: alarms
SELECT (extract(epoch FROM started_at) * 1000)::bigint, (extract(epoch FROM recovered_at) * 1000)::bigint,
       message, kind, severity
FROM driftline.alarm
WHERE run_id = %(run)s AND (size_s IS NULL OR size_s = %(size_s)s) ORDER BY started_at DESC LIMIT 1000;

-- name: tallies
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
       min(max_event_time_ms) FILTER (WHERE topic = 'trips'),
       coalesce(sum(accepted) FILTER (WHERE topic = 'trips'), 0)::bigint,
       coalesce(sum(late), 0)::bigint, coalesce(sum(future + invalid), 0)::bigint,
       coalesce(sum(duplicates), 0)::bigint, coalesce(sum(missing), 0)::bigint,
       coalesce(bool_and(finished), false),
       (SELECT coalesce(sum(greatest(log_end - next_offset, 0)), 0)::bigint FROM driftline.partition_progress),
       (SELECT (extract(epoch FROM max(written_at)) * 1000)::bigint FROM driftline.window_result WHERE run_id = %(run)s),
       (SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_ms)
        FROM (SELECT latency_ms FROM driftline.window_result
              WHERE run_id = %(run)s AND closed_at IS NOT NULL ORDER BY closed_at DESC LIMIT 200) l)
FROM driftline.run_progress WHERE run_id = %(run)s;

-- name: newest_window
-- The newest one that says something of drift, else the newest closed one, else the one that fills.
SELECT (extract(epoch FROM window_start) * 1000)::bigint, (extract(epoch FROM window_end) * 1000)::bigint,
       status, rows, columns_drifted, columns_tested, share_drifted, dataset_drift
FROM (SELECT * FROM driftline.window_result
      WHERE (run_id, stream, size_s, segment) = (%(run)s, 'trips', %(size_s)s, '')
      ORDER BY window_start DESC LIMIT 200) w
ORDER BY (status <> 'open' AND columns_tested > 0) DESC NULLS LAST, status <> 'open' DESC, window_start DESC LIMIT 1;

-- name: worst
SELECT column_name, severity FROM driftline.column_metric
WHERE (run_id, stream, size_s, segment) = (%(run)s, 'trips', %(size_s)s, '')
  AND window_start = %(start)s AND metric = 'drift' AND severity IS NOT NULL
ORDER BY severity DESC, column_name LIMIT 1;

-- name: stages
-- Who reported of late, and who last did for this run.
SELECT stage, instance, (extract(epoch FROM at) * 1000)::bigint, measures FROM driftline.health
WHERE run_id = %(run)s OR at > now() - interval '1 minute' ORDER BY stage, at DESC LIMIT 32;

-- name: covering
-- Event time: the window that a moment lies in.
SELECT (extract(epoch FROM window_start) * 1000)::bigint FROM driftline.window_result
WHERE (run_id, stream, size_s, segment) = (%(run)s, 'trips', %(size_s)s, '')
  AND window_start <= %(at)s AND window_end > %(at)s ORDER BY window_start DESC LIMIT 1;

-- name: closed_by
-- Wall time: the last window that was closed by then.
SELECT (extract(epoch FROM window_start) * 1000)::bigint FROM driftline.window_result
WHERE (run_id, stream, size_s, segment) = (%(run)s, 'trips', %(size_s)s, '')
  AND closed_at <= %(at)s ORDER BY closed_at DESC, window_start DESC LIMIT 1;
