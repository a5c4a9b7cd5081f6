-- What the board reads. Times go out as ms since the epoch.

-- name: begin
-- For the session, or for the length of a transaction: behind a pooler the session is another's afterwards. Where the login may be the
-- board's role it is so from here on; as that role itself it stays what it is. Who made the role without being a
-- superuser is a member that may give it away, and may not be it; before PostgreSQL 16 every member may be it.
SELECT set_config('statement_timeout', '15s', %(local)s), set_config('idle_in_transaction_session_timeout', '60s', %(local)s),
       (SELECT set_config('role', rolname, %(local)s) FROM pg_roles
        WHERE rolname = 'driftline_board' AND pg_has_role(
            current_user, oid, CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END));

-- name: may_write
-- By the catalogue: to_regclass fails for whom the schema is closed.
SELECT current_user::text, has_database_privilege(current_database(), 'CREATE')
       OR EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                  WHERE n.nspname = 'driftline' AND c.relname = 'run' AND has_table_privilege(c.oid, 'INSERT'));

-- name: alive
SELECT run_id FROM driftline.run LIMIT 1;

-- name: runs
-- Those whose name holds `find`: of which a window was tested first, then of which there is a window, and the newest of
-- these; each with the number of all of them. Whoever writes to the topic may make runs, most of them of no use.
SELECT r.run_id, left(r.source, 300), (extract(epoch FROM r.started_at) * 1000)::bigint,
       (extract(epoch FROM r.finished_at) * 1000)::bigint, left(r.manifest ->> 'scenario', 300), r.stream,
       coalesce(w.sizes, '{}'), coalesce(w.windows, 0), count(*) OVER ()
FROM driftline.run r
LEFT JOIN (
    SELECT run_id, array_agg(size_s ORDER BY size_s) AS sizes, sum(n)::bigint AS windows, sum(tested) AS tested
    FROM (SELECT run_id, size_s, count(*) AS n, count(*) FILTER (WHERE columns_tested > 0) AS tested
          FROM driftline.window_result
          WHERE stream = 'events' AND segment = '' GROUP BY run_id, size_s) s
    GROUP BY run_id) w USING (run_id)
WHERE r.run_id !~ '[[:cntrl:]]' AND position(lower(%(find)s) IN lower(r.run_id)) > 0
ORDER BY coalesce(w.tested, 0) > 0 DESC, w.windows IS NOT NULL DESC, r.started_at DESC, r.run_id LIMIT %(limit)s;

-- name: newest_run
-- The first of `runs`.
SELECT r.run_id FROM driftline.run r
WHERE r.run_id !~ '[[:cntrl:]]'
ORDER BY EXISTS (SELECT FROM driftline.window_result w
                 WHERE w.run_id = r.run_id AND w.stream = 'events' AND w.segment = '' AND w.columns_tested > 0) DESC,
         EXISTS (SELECT FROM driftline.window_result w
                 WHERE w.run_id = r.run_id AND w.stream = 'events' AND w.segment = '') DESC,
         r.started_at DESC, r.run_id LIMIT 1;

-- name: run
-- What a run is; its period, the hash of the artifact that it is compared with and the definition of its stream.
SELECT r.run_id, left(r.source, 300) AS source, left(r.manifest ->> 'scenario', 300) AS scenario,
       r.manifest -> 'period' AS period, r.finished_at IS NOT NULL AS finished, coalesce(r.model, r.reference),
       (extract(epoch FROM r.started_at) * 1000)::bigint AS started_at, e.mae, s.definition
FROM driftline.run r LEFT JOIN driftline.stream s ON s.name = r.stream AND s.hash = r.stream_hash
LEFT JOIN driftline.reference e ON e.model = coalesce(r.model, r.reference)
WHERE r.run_id = %(run)s;

-- name: sizes
SELECT size_s, count(*) FROM driftline.window_result
WHERE run_id = %(run)s AND stream = 'events' AND segment = %(segment)s GROUP BY size_s ORDER BY size_s;

-- name: segments
SELECT DISTINCT segment FROM driftline.window_result
WHERE run_id = %(run)s AND stream = 'events' AND segment <> '' ORDER BY 1;

-- name: columns
-- Those that windows of this size were tested for: of the newest ones, since a column may be new.
SELECT DISTINCT column_name FROM driftline.column_metric
WHERE (run_id, stream, size_s, segment) = (%(run)s, 'events', %(size_s)s, %(segment)s) AND metric = 'drift'
  AND window_start IN (SELECT window_start FROM driftline.window_result
                       WHERE (run_id, stream, size_s, segment) = (%(run)s, 'events', %(size_s)s, %(segment)s)
                       ORDER BY window_start DESC LIMIT 2);

-- name: windows
-- Windows that start within a stretch, with the error of the same hours; the last figure changes with every writing.
SELECT (extract(epoch FROM w.window_start) * 1000)::bigint,
       (extract(epoch FROM coalesce(w.closed_at, w.written_at)) * 1000)::bigint,
       w.status, w.rows, w.revision, w.share_drifted, w.dataset_drift, w.columns_drifted, w.prediction_drift,
       o.mae, o.label_coverage, w.closed_at IS NOT NULL, (extract(epoch FROM w.written_at) * 1000000)::bigint,
       w.estimated_mae
FROM driftline.window_result w
LEFT JOIN driftline.window_result o
       ON o.run_id = w.run_id AND o.stream = 'labels' AND o.size_s = w.size_s
      AND o.window_start = w.window_start AND o.segment = w.segment
WHERE w.run_id = %(run)s AND w.stream = 'events' AND w.size_s = %(size_s)s AND w.segment = %(segment)s
  AND w.window_start >= %(from)s::timestamptz AND w.window_start <= %(to)s::timestamptz
ORDER BY w.window_start;

-- name: late
-- What came too late for each window of a stretch.
SELECT (extract(epoch FROM date_bin(%(size_s)s * interval '1 second', event_time, 'epoch')) * 1000)::bigint, count(*)
FROM driftline.dead_letter
WHERE run_id = %(run)s AND reason = 'late'
  AND topic = (SELECT topic FROM driftline.run_topic WHERE run_id = %(run)s AND role = 'events')
  AND event_time >= %(from)s::timestamptz AND event_time < %(to)s::timestamptz + %(size_s)s * interval '1 second'
GROUP BY 1;

-- name: severities
-- Each window's columns, by name and separated by a character that is in none, and their severities in the same order
-- as float32 in network order; NaN: not computed. Rows come in the order of an index, which holds all that is asked.
SELECT (extract(epoch FROM window_start) * 1000)::bigint,
       string_agg(column_name, E'\x1f' ORDER BY column_name),
       string_agg(float4send(coalesce(severity, 'NaN')::float4), ''::bytea ORDER BY column_name)
FROM driftline.column_metric
WHERE run_id = %(run)s AND stream = 'events' AND size_s = %(size_s)s AND segment = %(segment)s AND metric = 'drift'
  AND window_start >= %(from)s::timestamptz AND window_start <= %(to)s::timestamptz
GROUP BY window_start;

-- name: written_since
-- Windows of which events or labels were written in the last seconds.
SELECT DISTINCT (extract(epoch FROM window_start) * 1000)::bigint FROM driftline.window_result
WHERE run_id = %(run)s AND size_s = %(size_s)s AND segment = ''
  AND written_at > clock_timestamp() - %(seconds)s * interval '1 second';

-- name: annotations
-- Drift that was injected, and alarms, on both clocks: by the wall, from the first to the last closed window that they
-- overlap. A gap in the log is a moment. Of alarms the newest.
WITH annotation AS (
    (SELECT 'injected' AS what, starts_at, ends_at, left(label, 300) AS label, kind, NULL::float8 AS severity, NULL::text AS alarm
     FROM driftline.event WHERE run_id = %(run)s AND kind = 'injected' ORDER BY starts_at LIMIT 1000)
    UNION ALL
    (SELECT 'alarm', started_at, CASE WHEN kind = 'gap' AND state IS NULL THEN started_at ELSE recovered_at END,
            left(split_part(message, E'\n', 1), 300), kind, severity, CASE WHEN state IS NOT NULL THEN alarm_id END
     FROM driftline.alarm WHERE run_id = %(run)s AND (size_s IS NULL OR size_s = %(size_s)s)
       AND (state IS NULL OR track IN ('change', 'segments', 'harm') AND state IN ('firing', 'recovered'))
     ORDER BY started_at DESC LIMIT 1000))
SELECT what, (extract(epoch FROM starts_at) * 1000)::bigint, (extract(epoch FROM ends_at) * 1000)::bigint,
       label, kind, severity, alarm,
       (SELECT (extract(epoch FROM w.closed_at) * 1000)::bigint FROM driftline.window_result w
        WHERE (w.run_id, w.stream, w.size_s, w.segment) = (%(run)s, 'events', %(size_s)s, '')
          AND w.window_start > starts_at - %(size_s)s * interval '1 second'
          AND w.window_start <= coalesce(ends_at, 'infinity') AND w.closed_at IS NOT NULL
        ORDER BY w.window_start LIMIT 1),
       CASE WHEN ends_at IS NOT NULL THEN (
        SELECT (extract(epoch FROM w.closed_at) * 1000)::bigint FROM driftline.window_result w
        WHERE (w.run_id, w.stream, w.size_s, w.segment) = (%(run)s, 'events', %(size_s)s, '')
          AND w.window_start > starts_at - %(size_s)s * interval '1 second'
          AND w.window_start < greatest(ends_at, starts_at + interval '1 millisecond') AND w.closed_at IS NOT NULL
        ORDER BY w.window_start DESC LIMIT 1) END
FROM annotation ORDER BY starts_at;

-- name: tallies
-- Progress of the run: rows are those of events; dead letters, late ones among them, those of events and labels.
-- `seq` counts from 0, and what came without one is not in it.
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
       (SELECT watermark_ms FROM driftline.run_watermark w WHERE w.run_id = %(run)s AND w.role = 'events'),
       coalesce(sum(accepted) FILTER (WHERE role = 'events'), 0)::bigint,
       coalesce(sum(late), 0)::bigint, coalesce(sum(late + future + invalid), 0)::bigint,
       coalesce(sum(duplicates), 0)::bigint, coalesce(sum(missing), 0)::bigint,
       coalesce(sum(last_seq + 1 - missing), 0)::bigint,
       greatest(0, coalesce(sum(accepted + late + future) - sum(last_seq + 1 - missing), 0))::bigint,
       EXISTS (SELECT FROM driftline.window_result WHERE run_id = %(run)s AND size_s = %(size_s)s)
       AND NOT EXISTS (SELECT FROM driftline.frontier
                       WHERE run_id = %(run)s AND size_s = %(size_s)s AND next_start_ms < 1::bigint << 62),
       driftline.run_lag(%(run)s),
       (SELECT (extract(epoch FROM max(written_at)) * 1000)::bigint FROM driftline.window_result WHERE run_id = %(run)s),
       (SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_ms)
        FROM (SELECT latency_ms FROM driftline.window_result
              WHERE run_id = %(run)s AND stream = 'events' AND size_s = %(size_s)s AND closed_at IS NOT NULL
              ORDER BY closed_at DESC LIMIT 200) l)
FROM driftline.run_progress LEFT JOIN driftline.run_topic USING (run_id, topic) WHERE run_id = %(run)s;

-- name: of_no_run
-- Rejected records in which no run could be read, as `dead_letters` lists them: up to a thousand, and one for more.
SELECT count(*) FROM (
    SELECT FROM driftline.dead_letter d JOIN driftline.run r ON r.run_id = %(run)s
    WHERE d.run_id = '' AND d.written_at BETWEEN r.started_at AND coalesce(r.finished_at, 'infinity')
      AND d.topic IN (SELECT t.topic FROM driftline.run_topic t WHERE t.run_id = %(run)s)
    LIMIT 1001) l;

-- name: rejected
-- Rejected records of whatever run, or of none: up to a thousand, and one for more.
SELECT count(*) FROM (SELECT FROM driftline.dead_letter LIMIT 1001) l;

-- name: filling
-- The newest window with rows, where it was not written: a monitor does not before it has closed or has enough rows.
SELECT (extract(epoch FROM n.start) * 1000)::bigint,
       (SELECT sum(p.rows)::bigint FROM driftline.pane p
        WHERE p.run_id = %(run)s AND p.topic = n.topic AND p.pane_start >= n.start)
FROM (SELECT t.topic, date_bin(%(size_s)s * interval '1 second', (
          SELECT max(p.pane_start) FROM driftline.pane p WHERE p.run_id = %(run)s AND p.topic = t.topic), 'epoch') AS start
      FROM driftline.run_topic t WHERE t.run_id = %(run)s AND t.role = 'events') n
WHERE n.start IS NOT NULL
  AND NOT EXISTS (SELECT FROM driftline.window_result w
                  WHERE (w.run_id, w.stream, w.size_s, w.segment, w.window_start) = (%(run)s, 'events', %(size_s)s, '', n.start));

-- name: newest_window
-- The newest one that says something of drift, else the newest closed one, else the one that fills.
SELECT (extract(epoch FROM window_start) * 1000)::bigint, (extract(epoch FROM window_end) * 1000)::bigint,
       status, rows, columns_drifted, columns_tested, share_drifted, dataset_drift
FROM (SELECT * FROM driftline.window_result
      WHERE (run_id, stream, size_s, segment) = (%(run)s, 'events', %(size_s)s, %(segment)s)
      ORDER BY window_start DESC LIMIT 200) w
ORDER BY (status <> 'open' AND columns_tested > 0) DESC NULLS LAST, status <> 'open' DESC, window_start DESC LIMIT 1;

-- name: scarcity
-- Windows of the size that are not open any more, those of which a column was tested, and their usual rows; and the
-- smallest larger size of which a window was tested.
SELECT count(*), count(*) FILTER (WHERE columns_tested > 0), percentile_disc(0.5) WITHIN GROUP (ORDER BY rows),
       (SELECT min(o.size_s) FROM driftline.window_result o
        WHERE (o.run_id, o.stream, o.segment) = (%(run)s, 'events', %(segment)s)
          AND o.size_s > %(size_s)s AND o.columns_tested > 0)
FROM driftline.window_result
WHERE (run_id, stream, size_s, segment) = (%(run)s, 'events', %(size_s)s, %(segment)s) AND status <> 'open';

-- name: worst
SELECT column_name, severity FROM driftline.column_metric
WHERE (run_id, stream, size_s, segment) = (%(run)s, 'events', %(size_s)s, %(segment)s)
  AND window_start = %(start)s AND metric = 'drift' AND severity IS NOT NULL
ORDER BY severity DESC, column_name LIMIT 1;

-- name: remark
-- Why no column of a window was tested: what failed before what has too few values, and of each the most frequent.
SELECT reason FROM driftline.column_metric
WHERE (run_id, stream, size_s, segment) = (%(run)s, 'events', %(size_s)s, %(segment)s)
  AND window_start = %(start)s AND metric = 'drift' AND reason IS NOT NULL
GROUP BY reason ORDER BY bool_or(status = 'failed') DESC, count(*) DESC, reason LIMIT 1;

-- name: stages
-- Who reported of late, and who last did for this run.
SELECT stage, instance, (extract(epoch FROM at) * 1000)::bigint, measures FROM driftline.health
WHERE run_id = %(run)s OR at > now() - interval '1 minute' ORDER BY stage, at DESC LIMIT 32;

-- name: covering
-- Event time: the window that a moment lies in.
SELECT (extract(epoch FROM window_start) * 1000)::bigint FROM driftline.window_result
WHERE (run_id, stream, size_s, segment) = (%(run)s, 'events', %(size_s)s, '')
  AND window_start <= %(at)s AND window_end > %(at)s ORDER BY window_start DESC LIMIT 1;

-- name: closed_by
-- Wall time: the last window that was closed by then.
SELECT (extract(epoch FROM window_start) * 1000)::bigint FROM driftline.window_result
WHERE (run_id, stream, size_s, segment) = (%(run)s, 'events', %(size_s)s, '')
  AND closed_at <= %(at)s ORDER BY closed_at DESC, window_start DESC LIMIT 1;

-- name: figures
-- A window's results, of events and labels, each with its dead letters, late ones among them.
SELECT w.stream, (extract(epoch FROM w.window_end) * 1000)::bigint AS "end", w.status, w.revision, w.rows, w.sampled,
       w.columns_tested, w.columns_drifted, w.share_drifted, w.dataset_drift, w.prediction_drift, w.share_missing,
       w.mae, w.rmse, w.bias, w.r2, w.target_drift, w.label_coverage, w.joined_rows, w.latency_ms, w.compute_ms,
       (extract(epoch FROM w.closed_at) * 1000)::bigint, (extract(epoch FROM w.written_at) * 1000)::bigint, w.offsets,
       d.late, d.dead_letters, w.estimated_mae
FROM driftline.window_result w LEFT JOIN driftline.run_topic t ON t.run_id = w.run_id AND t.role = w.stream
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE l.reason = 'late') AS late, count(*) AS dead_letters
    FROM driftline.dead_letter l
    WHERE l.run_id = w.run_id AND l.topic = t.topic
      AND l.event_time >= w.window_start AND l.event_time < w.window_end) d
WHERE (w.run_id, w.size_s, w.window_start, w.segment) = (%(run)s, %(size_s)s, %(start)s, '')
  AND w.stream IN ('events', 'labels') ORDER BY w.stream = 'events' DESC;

-- name: neighbours
-- The windows before and after.
SELECT (SELECT (extract(epoch FROM max(window_start)) * 1000)::bigint FROM driftline.window_result
        WHERE (run_id, stream, size_s, segment) = (%(run)s, 'events', %(size_s)s, '') AND window_start < %(start)s),
       (SELECT (extract(epoch FROM min(window_start)) * 1000)::bigint FROM driftline.window_result
        WHERE (run_id, stream, size_s, segment) = (%(run)s, 'events', %(size_s)s, '') AND window_start > %(start)s);

-- name: column_figures
SELECT stream, column_name, metric, method, value, threshold, severity, status, reason
FROM driftline.column_metric
WHERE (run_id, size_s, window_start, segment) = (%(run)s, %(size_s)s, %(start)s, '') AND stream IN ('events', 'labels')
ORDER BY stream = 'events' DESC, column_name;

-- name: injected_in
SELECT left(label, 300) FROM driftline.event
WHERE run_id = %(run)s AND kind = 'injected' AND starts_at < %(end)s AND coalesce(ends_at, 'infinity') > %(start)s
ORDER BY starts_at;

-- name: versions
-- What a window's report is made of: another when more rows have joined.
SELECT stream, rows, revision FROM driftline.window_result
WHERE (run_id, size_s, window_start, segment) = (%(run)s, %(size_s)s, %(start)s, '') ORDER BY stream = 'events' DESC;

-- name: dead_letter_counts
-- Dead letters by when they were written, in some hundred stretches; apart from the run's own, those in which no run
-- could be read and which came in its topics while this one was read.
WITH letter AS (
    SELECT d.topic, d.reason, d.run_id = '' AS no_run, d.written_at FROM driftline.dead_letter d WHERE d.run_id = %(run)s
    UNION ALL
    SELECT d.topic, d.reason, true, d.written_at FROM driftline.dead_letter d JOIN driftline.run r ON r.run_id = %(run)s
    WHERE d.run_id = '' AND d.written_at BETWEEN r.started_at AND coalesce(r.finished_at, 'infinity')
      AND d.topic IN (SELECT t.topic FROM driftline.run_topic t WHERE t.run_id = %(run)s)
), span AS (
    SELECT greatest(1000, ceil(extract(epoch FROM max(written_at) - min(written_at)) * 10 / 1000) * 1000)::bigint AS ms
    FROM letter
)
SELECT l.topic, l.reason, l.no_run, span.ms, ((extract(epoch FROM l.written_at) * 1000)::bigint / span.ms * span.ms) AS at,
       count(*)
FROM letter l CROSS JOIN span LEFT JOIN driftline.run_topic t ON t.run_id = %(run)s AND t.topic = l.topic
GROUP BY 1, 2, 3, 4, 5, t.role ORDER BY t.role = 'events' DESC NULLS LAST, 1, 2, 3, 5;

-- name: dead_letters
SELECT d.topic, d.partition, d.kafka_offset, d.reason, left(d.detail, 1000),
       (extract(epoch FROM d.event_time) * 1000)::bigint, (extract(epoch FROM d.written_at) * 1000)::bigint,
       substring(d.key FROM 1 FOR 1000), substring(d.raw FROM 1 FOR 8000), coalesce(octet_length(d.raw), 0)
FROM driftline.dead_letter d JOIN driftline.run r ON r.run_id = %(run)s
WHERE d.run_id = %(run)s
   OR (d.run_id = '' AND d.written_at BETWEEN r.started_at AND coalesce(r.finished_at, 'infinity')
       AND d.topic IN (SELECT t.topic FROM driftline.run_topic t WHERE t.run_id = %(run)s))
ORDER BY d.written_at DESC, d.topic, d.partition, d.kafka_offset DESC LIMIT 50;

-- name: watched
-- How a run is watched, by what its newest season is measured, and from when to when; no row before one has begun.
SELECT w.sizes_s, w.promise, w.done, (extract(epoch FROM w.updated_at) * 1000)::bigint,
       c.promise, left(c.refused, 500), left(c.about, 1000), cardinality(c.weeks), c.set_by,
       (SELECT (extract(epoch FROM e.window_start) * 1000)::bigint FROM driftline.evidence e
        WHERE e.run_id = w.run_id AND e.segment = '' ORDER BY e.season_start, e.due_at LIMIT 1),
       (SELECT (extract(epoch FROM e.window_start) * 1000)::bigint + 1000 * e.size_s FROM driftline.evidence e
        WHERE e.run_id = w.run_id AND e.segment = '' ORDER BY e.season_start DESC, e.due_at DESC LIMIT 1)
FROM driftline.watch w CROSS JOIN LATERAL (
    SELECT * FROM driftline.calibration c WHERE c.run_id = w.run_id ORDER BY c.season_start DESC LIMIT 1) c
WHERE w.run_id = %(run)s;

-- name: record
-- How the promise was kept: alarms that fired and were not withdrawn, and what people judged of them.
SELECT count(*), count(*) FILTER (WHERE k.verdict = 'false'), count(*) FILTER (WHERE k.verdict = 'known'),
       count(*) FILTER (WHERE k.verdict = 'real')
FROM driftline.alarm a LEFT JOIN LATERAL (
    SELECT verdict FROM driftline.alarm_ack k WHERE k.alarm_id = a.alarm_id ORDER BY ack_id DESC LIMIT 1) k ON true
WHERE a.run_id = %(run)s AND a.track = 'change' AND a.state IN ('firing', 'recovered');

-- name: newest_evidence
-- Of each role and size after its newest window of the newest season: by how much the line is reached, and by what.
SELECT DISTINCT ON (stream, size_s) stream, size_s, value, signal FROM driftline.evidence
WHERE run_id = %(run)s AND segment = ''
  AND season_start = (SELECT max(season_start) FROM driftline.calibration WHERE run_id = %(run)s)
ORDER BY stream, size_s, window_start DESC;

-- name: evidence
-- The evidence curve, by role and size. By the wall, when each window was closed; NULL of one without rows.
SELECT e.stream, e.size_s, array_agg((extract(epoch FROM e.window_start) * 1000)::bigint ORDER BY e.window_start),
       array_agg(e.value ORDER BY e.window_start), array_agg(e.signal ORDER BY e.window_start),
       array_agg((extract(epoch FROM w.closed_at) * 1000)::bigint ORDER BY e.window_start)
FROM driftline.evidence e
LEFT JOIN driftline.window_result w ON %(wall)s AND (w.run_id, w.stream, w.size_s, w.window_start, w.segment)
    = (e.run_id, e.stream, e.size_s, e.window_start, e.segment)
WHERE e.run_id = %(run)s AND e.segment = '' GROUP BY e.stream, e.size_s ORDER BY e.size_s, e.stream;

-- name: calibrations
-- By what each season of a run is measured, the newest first.
SELECT (extract(epoch FROM season_start) * 1000)::bigint, calibration_id, promise, left(refused, 500), left(about, 1000),
       cardinality(weeks), set_by, unwatched, signals, lines
FROM driftline.calibration WHERE run_id = %(run)s ORDER BY season_start DESC LIMIT 1000;

-- name: alarms
-- Alarms of a run, the newest first, with what was judged last; only one where it is named.
SELECT a.alarm_id, a.state, a.track, a.kind, a.harm, left(a.message, 2000), a.stream, a.window_size_s,
       (extract(epoch FROM a.window_start) * 1000)::bigint, (extract(epoch FROM a.first_evidence) * 1000)::bigint,
       (extract(epoch FROM a.pending_at) * 1000)::bigint,
       CASE WHEN a.state IS DISTINCT FROM 'pending' THEN (extract(epoch FROM a.started_at) * 1000)::bigint END,
       (extract(epoch FROM a.recovered_at) * 1000)::bigint, (extract(epoch FROM a.withdrawn_at) * 1000)::bigint,
       a.severity, a.columns[1:100], a.members, a.calibration_id, a.promise, a.estimated, a.unestimated,
       k.verdict, left(k.note, 1000), left(k.author, 200), (extract(epoch FROM k.acked_at) * 1000)::bigint
FROM driftline.alarm a LEFT JOIN LATERAL (
    SELECT * FROM driftline.alarm_ack k WHERE k.alarm_id = a.alarm_id ORDER BY ack_id DESC LIMIT 1) k ON true
WHERE a.run_id = %(run)s AND (%(alarm)s::text IS NULL OR a.alarm_id = %(alarm)s) AND (%(all)s OR a.state <> 'withdrawn' AND a.track IN ('change', 'segments', 'harm'))
ORDER BY coalesce(a.pending_at, a.started_at) DESC, a.alarm_id LIMIT %(limit)s;

-- name: silences
-- Of whom nobody is told at the moment.
SELECT track, column_name, (extract(epoch FROM ends_at) * 1000)::bigint, left(author, 200), left(reason, 500)
FROM driftline.silence WHERE (run_id IS NULL OR run_id = %(run)s) AND starts_at <= now() AND ends_at > now()
ORDER BY ends_at DESC LIMIT 50;

-- name: told
-- What became of each change of an alarm at each target that it concerns and that was served within a week, in order.
SELECT t.target, c.state, n.outcome, (extract(epoch FROM n.sent_at) * 1000)::bigint, coalesce(n.reminders, 0),
       CASE WHEN n.change_id IS NULL THEN left(t.error, 200) END
FROM driftline.alarm_change c
JOIN driftline.run r USING (run_id)
JOIN driftline.notification_target t
    ON c.alarm ->> 'track' = ANY(t.tracks) AND (t.stream IS NULL OR c.alarm ->> 'stream' = t.stream)
LEFT JOIN driftline.notification n ON n.target = t.target AND n.change_id = c.change_id
WHERE c.alarm_id = %(alarm)s AND c.run_id = %(run)s AND r.source IS DISTINCT FROM 'dummy'
  AND (n.change_id IS NOT NULL OR t.served_at > clock_timestamp() - interval '7 days')
ORDER BY t.target, c.number LIMIT 200;

-- name: scores
-- What the windows of some seasons said, in the order of the signals of their calibration.
SELECT stream, size_s, (extract(epoch FROM season_start) * 1000)::bigint,
       (extract(epoch FROM window_start) * 1000)::bigint, rows, value, signal, z
FROM driftline.evidence
WHERE run_id = %(run)s AND segment = '' AND season_start >= %(from)s AND season_start <= %(to)s
ORDER BY season_start, due_at, size_s, stream LIMIT 20000;

-- name: segment_evidence
-- Of all segments together after the windows of some seasons, as `scores`.
SELECT stream, size_s, (extract(epoch FROM season_start) * 1000)::bigint,
       (extract(epoch FROM window_start) * 1000)::bigint, rows, value, signal, z
FROM driftline.evidence
WHERE run_id = %(run)s AND segment = '*' AND season_start >= %(from)s AND season_start <= %(to)s
ORDER BY season_start, due_at, size_s, stream LIMIT 20000;

-- name: errors
-- Of windows of labels: those with an error, their absolute errors added up, and what these usually are.
SELECT (extract(epoch FROM window_start) * 1000)::bigint, (extract(epoch FROM window_start) * 1000)::bigint + 1000 * size_s, errors
FROM driftline.evidence WHERE run_id = %(run)s AND stream = 'labels' AND segment = '' AND size_s = %(size_s)s
  AND errors IS NOT NULL AND window_start >= %(from)s AND window_start < %(to)s ORDER BY window_start LIMIT 5000;

-- name: recoveries
-- After an alarm has recovered, evidence begins at nothing.
SELECT (extract(epoch FROM recovered_at) * 1000)::bigint FROM driftline.alarm
WHERE run_id = %(run)s AND track = 'change' AND state = 'recovered' AND recovered_at IS NOT NULL ORDER BY 1;

-- name: alarm_layout
-- The bins of a run's summaries, and the calibration whose line an alarm crossed.
SELECT l.layout::text, c.payload
FROM driftline.watch w JOIN driftline.summary_layout l ON l.hash = w.layout
JOIN driftline.calibration c ON c.run_id = w.run_id AND c.calibration_id = %(calibration)s
WHERE w.run_id = %(run)s LIMIT 1;

-- name: alarm_summaries
-- What the smallest windows that are watched held.
SELECT (extract(epoch FROM s.window_start) * 1000)::bigint, s.payload
FROM driftline.window_summary s JOIN driftline.watch w ON w.run_id = s.run_id AND w.layout = s.layout
WHERE s.run_id = %(run)s AND s.stream = %(role)s AND s.segment = ''
  AND s.size_s = (SELECT min(size) FROM unnest(w.sizes_s) size)
  AND s.window_start >= %(start)s AND s.window_start < %(end)s
ORDER BY 1 LIMIT 5000;
