-- What dashboards read. `timed_...` views carry both clocks: event_time, and wall_time, which is when a window closed.
-- Views run with their owner's rights: none of them may show a record.

-- Of the wall clock; of drift alone, which is one row in nine of a column's; of the few windows with any.
-- (The first names what is always so for the reason that 0002 gives.)
CREATE INDEX window_result_by_wall ON driftline.window_result
    (run_id, stream, size_s, (coalesce(closed_at, written_at))) WHERE coalesce(closed_at, written_at) IS NOT NULL;
CREATE INDEX column_metric_of_drift ON driftline.column_metric (run_id, stream, size_s, window_start, column_name)
    INCLUDE (severity) WHERE metric = 'drift' AND segment = '';
CREATE INDEX window_result_by_flag ON driftline.window_result (run_id, stream, size_s, window_start)
    INCLUDE (window_end, dataset_drift, status, segment) WHERE dataset_drift OR columns_drifted > 0;

CREATE FUNCTION driftline.size_text(size_s int) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN size_s % 86400 = 0 THEN size_s / 86400 || 'd'
                WHEN size_s % 3600 = 0 THEN size_s / 3600 || 'h'
                WHEN size_s % 60 = 0 THEN size_s / 60 || 'm'
                ELSE size_s || 's' END
$$;
COMMENT ON FUNCTION driftline.size_text IS 'A window size as the command line and the board take it: 1h, 6h, 1d.';

CREATE FUNCTION driftline.bucket(moment timestamptz, ms bigint) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT date_bin(make_interval(secs => ms / 1000.0), moment, timestamptz 'epoch')
$$;
COMMENT ON FUNCTION driftline.bucket IS 'As Grafana''s $__timeGroup, without its arithmetic on decimals, which takes several times as long.';

CREATE FUNCTION driftline.wall_at(run text, size int, moment timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    -- Known before the second query is planned: one step into the index.
    chosen int := coalesce(size, (SELECT min(w.size_s) FROM driftline.window_result w
                                  WHERE w.run_id = run AND w.stream = 'trips'));
BEGIN
    RETURN (SELECT coalesce(w.closed_at, w.written_at) FROM driftline.window_result w
            WHERE w.run_id = run AND w.stream = 'trips' AND w.size_s = chosen AND w.segment = ''
              AND w.window_start >= date_bin(make_interval(secs => chosen), moment, 'epoch')
            ORDER BY w.window_start LIMIT 1);
END $$;
COMMENT ON FUNCTION driftline.wall_at IS 'When the window closed that covers a moment of event time, or the next one that has rows; NULL: none has yet. size: NULL is the smallest of the run.';

CREATE VIEW driftline.timed_window AS
SELECT w.*, w.window_start AS event_time, w.window_end AS event_end,
       coalesce(w.closed_at, w.written_at) AS wall_time,
       driftline.size_text(w.size_s) AS size,
       CASE WHEN w.dataset_drift THEN 2 WHEN w.columns_drifted > 0 THEN 1 WHEN w.columns_tested > 0 THEN 0 ELSE -1
       END AS state
FROM driftline.window_result w WHERE w.segment = '';
COMMENT ON COLUMN driftline.timed_window.state IS '2: the window as a whole has drifted; 1: some of its columns have; 0: none has; -1: none could be tested.';

CREATE VIEW driftline.column_by_event AS
SELECT c.run_id, c.stream, c.size_s, c.window_start, c.column_name, c.severity
FROM driftline.column_metric c WHERE c.metric = 'drift' AND c.segment = '';

CREATE VIEW driftline.timed_event AS
SELECT moved.event_id, moved.run_id, moved.kind, moved.size_s, moved.label, moved.severity,
       moved.event_time, coalesce(moved.event_until, (
           SELECT w.window_end FROM driftline.window_result w
           WHERE w.run_id = moved.run_id AND w.stream = 'trips' AND w.size_s = (
               SELECT min(s.size_s) FROM driftline.window_result s
               WHERE s.run_id = moved.run_id AND s.stream = 'trips')
           ORDER BY w.window_start DESC LIMIT 1)) AS event_end,
       moved.wall_time, CASE WHEN moved.wall_time IS NOT NULL THEN coalesce(moved.wall_until, (
           SELECT max(w.written_at) FROM driftline.window_result w WHERE w.run_id = moved.run_id)) END AS wall_end
FROM (
    SELECT e.event_id, e.run_id, e.kind, NULL::int AS size_s, e.label, NULL::double precision AS severity,
           e.starts_at AS event_time, e.ends_at AS event_until,
           driftline.wall_at(e.run_id, NULL, e.starts_at) AS wall_time,
           driftline.wall_at(e.run_id, NULL, e.ends_at - interval '1 millisecond') AS wall_until
    FROM driftline.event e WHERE e.kind = 'injected'
    UNION ALL
    SELECT a.alarm_id, a.run_id, 'alarm', a.size_s, a.message, a.severity,
           a.started_at, CASE WHEN a.kind = 'gap' THEN a.started_at ELSE a.recovered_at END,
           driftline.wall_at(a.run_id, a.size_s, a.started_at),
           driftline.wall_at(a.run_id, a.size_s, CASE WHEN a.kind = 'gap' THEN a.started_at ELSE a.recovered_at END)
    FROM driftline.alarm a
) moved;
COMMENT ON VIEW driftline.timed_event IS 'Injected stretches and alarms. The end of what is not over: the newest row of the run.';

CREATE VIEW driftline.timed_letter AS
SELECT d.run_id, d.topic AS stream, d.partition, d.reason, d.event_time, d.written_at AS wall_time
FROM driftline.dead_letter d;
COMMENT ON VIEW driftline.timed_letter IS 'Dead letters, without what was in them.';

CREATE VIEW driftline.health_history AS
SELECT h.at AS wall_time, h.stage, h.instance, h.run_id,
       (h.measures ->> 'lag')::double precision AS lag,
       (h.measures ->> 'rows_per_s')::double precision AS rows_per_s,
       (h.measures ->> 'windows_per_s')::double precision AS windows_per_s,
       (h.measures ->> 'watermark_age_s')::double precision AS watermark_age_s,
       (h.measures ->> 'pending')::double precision AS pending
FROM driftline.health_sample h;

CREATE VIEW driftline.injected AS
SELECT e.event_id, e.run_id, e.label, e.starts_at, coalesce(e.ends_at, 'infinity') AS ends_at, told.columns
FROM driftline.event e
LEFT JOIN driftline.run r USING (run_id)
LEFT JOIN LATERAL (
    SELECT array(SELECT jsonb_array_elements_text(i -> 'columns')) AS columns
    FROM jsonb_array_elements(CASE WHEN jsonb_typeof(r.manifest -> 'injected') = 'array'
                              THEN r.manifest -> 'injected' END) i
    WHERE i ->> 'label' = e.label AND jsonb_typeof(i -> 'columns') = 'array'
      AND (i ->> 'starts_at')::bigint = (extract(epoch FROM e.starts_at) * 1000)::bigint
    LIMIT 1
) told ON cardinality(told.columns) > 0
WHERE e.kind = 'injected';
COMMENT ON COLUMN driftline.injected.columns IS 'What the scenario bent, by the manifest of the run; NULL where it does not say.';

CREATE VIEW driftline.size_score AS
SELECT closed.*, driftline.size_text(closed.size_s) AS size, found.injected, found.caught,
       found.delay_p50_s, found.delay_max_s, wrong.false_alarms,
       wrong.false_alarms::double precision / nullif(closed.tested, 0) AS false_alarm_rate
FROM (
    SELECT s.run_id, s.size_s,
           sum(s.windows) FILTER (WHERE s.stream = 'trips')::bigint AS windows,
           sum(s.tested) FILTER (WHERE s.stream = 'trips')::bigint AS tested,
           max(s.rows) FILTER (WHERE s.stream = 'trips') AS rows_per_window,
           max(s.compute_ms) FILTER (WHERE s.stream = 'trips') AS compute_ms,
           sum(s.windows * s.compute_ms) * 86.4
               / (s.size_s * nullif(sum(s.windows) FILTER (WHERE s.stream = 'trips'), 0))::double precision
               AS compute_s_per_day
    FROM (SELECT w.run_id, w.size_s, w.stream, count(*) AS windows, count(nullif(w.columns_tested, 0)) AS tested,
                 avg(w.rows::double precision) AS rows, avg(w.compute_ms) AS compute_ms
          FROM driftline.window_result w
          WHERE w.segment = '' AND w.status <> 'open'
          GROUP BY w.run_id, w.size_s, w.stream) s
    GROUP BY s.run_id, s.size_s
) closed
CROSS JOIN LATERAL (
    SELECT count(*) AS false_alarms
    FROM driftline.window_result f
    WHERE f.run_id = closed.run_id AND f.stream = 'trips' AND f.size_s = closed.size_s AND f.segment = ''
      AND f.status <> 'open' AND (f.dataset_drift OR f.columns_drifted > 0)
      AND NOT EXISTS (
          SELECT FROM driftline.event i
          WHERE i.run_id = closed.run_id AND i.kind = 'injected' AND i.starts_at < f.window_end
            AND coalesce(i.ends_at, 'infinity') > f.window_start)
) wrong
CROSS JOIN LATERAL (
    SELECT count(*) AS injected, count(first.seen_at) AS caught,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM first.seen_at - i.starts_at)::float8)
               AS delay_p50_s,
           max(extract(epoch FROM first.seen_at - i.starts_at)::float8) AS delay_max_s
    FROM driftline.injected i
    CROSS JOIN LATERAL (
        SELECT min(f.window_end) AS seen_at
        FROM driftline.window_result f
        WHERE f.run_id = closed.run_id AND f.stream = 'trips' AND f.size_s = closed.size_s AND f.segment = ''
          AND f.status <> 'open' AND (f.dataset_drift OR f.columns_drifted > 0)
          AND f.window_start > i.starts_at - make_interval(secs => closed.size_s) AND f.window_start < i.ends_at
          AND (f.dataset_drift OR i.columns IS NULL OR EXISTS (
              SELECT FROM driftline.column_metric c
              WHERE c.run_id = f.run_id AND c.stream = 'trips' AND c.size_s = f.size_s AND c.segment = ''
                AND c.window_start = f.window_start AND c.metric = 'drift' AND c.column_name = ANY (i.columns)
                AND c.severity >= 1))
    ) first
    WHERE i.run_id = closed.run_id
) found;
COMMENT ON VIEW driftline.size_score IS
'How well each window size of a run did, by its closed windows of trips. An injected stretch is caught by the first window that overlaps it and in which a column that was bent has drifted, or the window as a whole: not by another column that happened to. Its delay, in event time, is from the start of the stretch to the end of that window. A false alarm is any window, outside of every stretch, with any drifted column: both are counted against the monitor.';

CREATE VIEW driftline.ml_metrics AS
SELECT w.window_start AS timestamp, w.prediction_drift, w.columns_drifted AS num_drifted_columns,
       w.share_missing AS share_missing_values, w.dataset_drift, w.share_drifted AS drift_score,
       coalesce(newest.model, 'none') AS model_name, w.written_at AS created_at,
       w.run_id, w.size_s, w.window_end, w.status, w.rows, o.mae, o.rmse, o.bias, o.r2, o.target_drift, o.label_coverage
FROM (
    SELECT r.run_id, r.model, (
        SELECT CASE WHEN bool_or(s.size_s = 86400) THEN 86400 ELSE max(s.size_s) END
        FROM driftline.window_result s WHERE s.run_id = r.run_id AND s.stream = 'trips') AS size_s
    FROM driftline.run r
    WHERE EXISTS (SELECT FROM driftline.window_result c
                  WHERE c.run_id = r.run_id AND c.stream = 'trips' AND c.status <> 'open')
    ORDER BY r.started_at DESC, r.run_id LIMIT 1
) newest
JOIN driftline.window_result w ON w.run_id = newest.run_id AND w.size_s = newest.size_s
    AND w.stream = 'trips' AND w.segment = '' AND w.status <> 'open'
LEFT JOIN driftline.window_result o ON o.run_id = w.run_id AND o.stream = 'outcomes' AND o.size_s = w.size_s
    AND o.window_start = w.window_start AND o.segment = ''
ORDER BY w.window_start;
COMMENT ON VIEW driftline.ml_metrics IS 'The table of the classic tutorials: closed windows of the newest run, by day where there are days, as their batches; drift_score is the share of drifted columns.';

CREATE VIEW driftline.dummy_metrics AS
SELECT timestamp, prediction_drift, num_drifted_columns, share_missing_values FROM driftline.ml_metrics;
COMMENT ON VIEW driftline.dummy_metrics IS 'The same under the name that the tutorial''s panels ask for.';
