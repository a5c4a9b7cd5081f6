-- The stream as a value: windows and columns say which part of a stream they are of, its events or its labels, and a
-- run says which stream it is of.

SET LOCAL statement_timeout = 0;  -- half a minute for a million figures of columns, on a busy machine

-- All locks at once, the table that most queries begin with first: nobody is left waiting halfway.
LOCK TABLE driftline.run, driftline.window_result, driftline.column_metric, driftline.frontier, driftline.dead_letter
    IN ACCESS EXCLUSIVE MODE;


-- What a stream is, and of which one a run is.

CREATE TABLE driftline.stream (
    name          text NOT NULL,
    hash          text NOT NULL,                -- SHA-256 of the definition
    definition    jsonb NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, hash)
);
COMMENT ON TABLE driftline.stream IS 'Every definition of a stream that a run was begun with. A definition never changes: a changed one has another hash.';

ALTER TABLE driftline.run
    ADD COLUMN stream text,
    ADD COLUMN stream_hash text,
    ADD FOREIGN KEY (stream, stream_hash) REFERENCES driftline.stream,
    ADD CONSTRAINT run_stream_check CHECK ((stream IS NULL) = (stream_hash IS NULL));
COMMENT ON COLUMN driftline.run.stream IS 'The name of its stream; with stream_hash, its definition as it was when the run was begun. NULL: begun before definitions were stored.';

CREATE VIEW driftline.run_topic AS
SELECT r.run_id, t.role, t.topic
FROM driftline.run r
LEFT JOIN driftline.stream s ON s.name = r.stream AND s.hash = r.stream_hash
CROSS JOIN LATERAL (VALUES
    ('events', CASE WHEN s.hash IS NULL THEN 'trips' ELSE s.definition #>> '{events,topic}' END),
    ('labels', CASE WHEN s.hash IS NULL THEN 'outcomes' ELSE s.definition #>> '{labels,topic}' END)) t (role, topic)
WHERE t.topic IS NOT NULL;
COMMENT ON VIEW driftline.run_topic IS 'The topics that a run is in, without the prefix, and what they hold: `events` and, where the stream has any, `labels`.';


-- The role instead of the topic's name. It is in most indexes: they are built anew, which takes two thirds of the time and
-- leaves three quarters of the size (of a million figures: 34 s against 54 s, 417 MB against 541 MB, of 267 MB before).

ALTER TABLE driftline.column_metric
    DROP CONSTRAINT column_metric_run_id_stream_size_s_window_start_segment_fkey,
    DROP CONSTRAINT column_metric_pkey;
DROP INDEX driftline.column_metric_of_drift;
ALTER TABLE driftline.window_result DROP CONSTRAINT window_result_pkey;
DROP INDEX driftline.window_result_by_time, driftline.window_result_by_close, driftline.window_result_by_wall,
    driftline.window_result_by_flag;

UPDATE driftline.frontier SET stream = CASE stream WHEN 'trips' THEN 'events' WHEN 'outcomes' THEN 'labels' ELSE stream END;
UPDATE driftline.window_result SET stream = CASE stream WHEN 'trips' THEN 'events' WHEN 'outcomes' THEN 'labels' ELSE stream END;
UPDATE driftline.column_metric SET stream = CASE stream WHEN 'trips' THEN 'events' WHEN 'outcomes' THEN 'labels' ELSE stream END;

-- The checks refuse what a monitor of the version before would write.
ALTER TABLE driftline.frontier ADD CONSTRAINT frontier_stream_check CHECK (stream IN ('events', 'labels'));
ALTER TABLE driftline.window_result
    ADD PRIMARY KEY (run_id, stream, size_s, window_start, segment),
    ADD CONSTRAINT window_result_stream_check CHECK (stream IN ('events', 'labels'));
ALTER TABLE driftline.column_metric
    ADD PRIMARY KEY (run_id, stream, size_s, window_start, segment, column_name, metric),
    ADD FOREIGN KEY (run_id, stream, size_s, window_start, segment) REFERENCES driftline.window_result ON DELETE CASCADE;
CREATE INDEX window_result_by_time ON driftline.window_result (run_id, written_at) WHERE written_at IS NOT NULL;
CREATE INDEX window_result_by_close ON driftline.window_result (run_id, closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX window_result_by_wall ON driftline.window_result
    (run_id, stream, size_s, (coalesce(closed_at, written_at))) WHERE coalesce(closed_at, written_at) IS NOT NULL;
CREATE INDEX window_result_by_flag ON driftline.window_result (run_id, stream, size_s, window_start)
    INCLUDE (window_end, dataset_drift, status, segment) WHERE dataset_drift OR columns_drifted > 0;
CREATE INDEX column_metric_of_drift ON driftline.column_metric (run_id, stream, size_s, window_start, column_name)
    INCLUDE (severity) WHERE metric = 'drift' AND segment = '';

-- They would be planned for names that are gone. Not where they are empty: who plans for no rows plans no index.
DO $$ BEGIN
    IF EXISTS (SELECT FROM driftline.window_result) THEN
        ANALYZE driftline.window_result, driftline.column_metric, driftline.frontier;
    END IF;
END $$;


-- Views and functions, replaced in place: what was granted on them, and what others built on them, stays.

CREATE OR REPLACE VIEW driftline.window_overview AS
SELECT w.run_id, w.stream, w.size_s, w.window_start, w.segment, w.window_end, w.status, w.revision, w.rows, w.sampled,
       w.columns_tested, w.columns_drifted, w.share_drifted, w.dataset_drift, w.prediction_drift, w.share_missing,
       w.mae, w.rmse, w.bias, w.r2, w.target_drift, w.label_coverage, w.offsets, w.joined_rows, w.joined_offsets,
       w.closed_at, w.written_at, d.late, d.dead
FROM driftline.window_result w
LEFT JOIN driftline.run_topic t ON t.run_id = w.run_id AND t.role = w.stream
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE l.reason = 'late') AS late, count(*) FILTER (WHERE l.reason <> 'late') AS dead
    FROM driftline.dead_letter l
    WHERE l.run_id = w.run_id AND l.topic = t.topic
      AND l.event_time >= w.window_start AND l.event_time < w.window_end
) d;

CREATE OR REPLACE FUNCTION driftline.wall_at(run text, size int, moment timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    -- Known before the second query is planned: one step into the index.
    chosen int := coalesce(size, (SELECT min(w.size_s) FROM driftline.window_result w
                                  WHERE w.run_id = run AND w.stream = 'events'));
BEGIN
    RETURN (SELECT coalesce(w.closed_at, w.written_at) FROM driftline.window_result w
            WHERE w.run_id = run AND w.stream = 'events' AND w.size_s = chosen AND w.segment = ''
              AND w.window_start >= date_bin(make_interval(secs => chosen), moment, 'epoch')
            ORDER BY w.window_start LIMIT 1);
END $$;

CREATE OR REPLACE VIEW driftline.timed_event AS
SELECT moved.event_id, moved.run_id, moved.kind, moved.size_s, moved.label, moved.severity,
       moved.event_time, coalesce(moved.event_until, (
           SELECT w.window_end FROM driftline.window_result w
           WHERE w.run_id = moved.run_id AND w.stream = 'events' AND w.size_s = (
               SELECT min(s.size_s) FROM driftline.window_result s
               WHERE s.run_id = moved.run_id AND s.stream = 'events')
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

CREATE OR REPLACE VIEW driftline.timed_letter AS
SELECT d.run_id, (SELECT t.role FROM driftline.run_topic t WHERE t.run_id = d.run_id AND t.topic = d.topic) AS stream,
       d.partition, d.reason, d.event_time, d.written_at AS wall_time, d.topic
FROM driftline.dead_letter d;
COMMENT ON COLUMN driftline.timed_letter.stream IS 'NULL where no run could be read in the record.';

CREATE OR REPLACE VIEW driftline.size_score AS
SELECT closed.*, driftline.size_text(closed.size_s) AS size, found.injected, found.caught,
       found.delay_p50_s, found.delay_max_s, wrong.false_alarms,
       wrong.false_alarms::double precision / nullif(closed.tested, 0) AS false_alarm_rate
FROM (
    SELECT s.run_id, s.size_s,
           sum(s.windows) FILTER (WHERE s.stream = 'events')::bigint AS windows,
           sum(s.tested) FILTER (WHERE s.stream = 'events')::bigint AS tested,
           max(s.rows) FILTER (WHERE s.stream = 'events') AS rows_per_window,
           max(s.compute_ms) FILTER (WHERE s.stream = 'events') AS compute_ms,
           sum(s.windows * s.compute_ms) * 86.4
               / (s.size_s * nullif(sum(s.windows) FILTER (WHERE s.stream = 'events'), 0))::double precision
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
    WHERE f.run_id = closed.run_id AND f.stream = 'events' AND f.size_s = closed.size_s AND f.segment = ''
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
        WHERE f.run_id = closed.run_id AND f.stream = 'events' AND f.size_s = closed.size_s AND f.segment = ''
          AND f.status <> 'open' AND (f.dataset_drift OR f.columns_drifted > 0)
          AND f.window_start > i.starts_at - make_interval(secs => closed.size_s) AND f.window_start < i.ends_at
          AND (f.dataset_drift OR i.columns IS NULL OR EXISTS (
              SELECT FROM driftline.column_metric c
              WHERE c.run_id = f.run_id AND c.stream = 'events' AND c.size_s = f.size_s AND c.segment = ''
                AND c.window_start = f.window_start AND c.metric = 'drift' AND c.column_name = ANY (i.columns)
                AND c.severity >= 1))
    ) first
    WHERE i.run_id = closed.run_id
) found;

COMMENT ON VIEW driftline.size_score IS
'How well each window size of a run did, by its closed windows of events. An injected stretch is caught by the first window that overlaps it and in which a column that was bent has drifted, or the window as a whole: not by another column that happened to. Its delay, in event time, is from the start of the stretch to the end of that window. A false alarm is any window, outside of every stretch, with any drifted column: both are counted against the monitor.';

CREATE OR REPLACE VIEW driftline.ml_metrics AS
SELECT w.window_start AS timestamp, w.prediction_drift, w.columns_drifted AS num_drifted_columns,
       w.share_missing AS share_missing_values, w.dataset_drift, w.share_drifted AS drift_score,
       coalesce(newest.model, 'none') AS model_name, w.written_at AS created_at,
       w.run_id, w.size_s, w.window_end, w.status, w.rows, o.mae, o.rmse, o.bias, o.r2, o.target_drift, o.label_coverage,
       newest.stream
FROM (
    SELECT r.run_id, r.model, r.stream, (
        SELECT CASE WHEN bool_or(s.size_s = 86400) THEN 86400 ELSE max(s.size_s) END
        FROM driftline.window_result s WHERE s.run_id = r.run_id AND s.stream = 'events') AS size_s
    FROM driftline.run r
    WHERE EXISTS (SELECT FROM driftline.window_result c
                  WHERE c.run_id = r.run_id AND c.stream = 'events' AND c.status <> 'open')
    ORDER BY r.started_at DESC, r.run_id LIMIT 1
) newest
JOIN driftline.window_result w ON w.run_id = newest.run_id AND w.size_s = newest.size_s
    AND w.stream = 'events' AND w.segment = '' AND w.status <> 'open'
LEFT JOIN driftline.window_result o ON o.run_id = w.run_id AND o.stream = 'labels' AND o.size_s = w.size_s
    AND o.window_start = w.window_start AND o.segment = ''
ORDER BY w.window_start;
COMMENT ON COLUMN driftline.ml_metrics.stream IS 'The name of the run''s stream; NULL: begun before streams had one.';

-- Of its own stream: others may be in the same database.
CREATE OR REPLACE VIEW driftline.run_partition AS
SELECT n.run_id, p.topic, p.partition, p.next_offset, p.log_end, p.beat_at, p.caught_up_since,
       r.max_event_time_ms, coalesce(r.finished, false) AS finished, r.moved_at, t.role
FROM driftline.run n
JOIN driftline.run_topic t USING (run_id)
JOIN driftline.partition_progress p ON p.topic = t.topic
LEFT JOIN driftline.run_progress r ON r.run_id = n.run_id AND r.topic = p.topic AND r.partition = p.partition
WHERE r.max_event_time_ms IS NOT NULL OR r.accepted > 0
   OR (n.finished_at IS NULL
       AND (jsonb_typeof(n.manifest -> 'partitions') IS DISTINCT FROM 'number'
            OR p.partition < (n.manifest ->> 'partitions')::numeric));

CREATE VIEW driftline.run_watermark AS
SELECT p.run_id, p.role, p.max_event_time_ms,
       p.max_event_time_ms - CASE p.role WHEN 'events' THEN r.lateness_ms ELSE r.outcome_lateness_ms END AS watermark_ms
FROM (SELECT run_id, role, CASE WHEN bool_and(max_event_time_ms IS NOT NULL OR caught_up_since IS NOT NULL)
                                THEN min(max_event_time_ms) END AS max_event_time_ms
      FROM driftline.run_partition GROUP BY run_id, role) p
JOIN driftline.run r USING (run_id);
COMMENT ON VIEW driftline.run_watermark IS 'How far event time has come: the smallest M - L over the partitions that a run waits for. Left out: partitions in which nothing of it has come and that are read to their end. NULL while another one has not been read.';

CREATE OR REPLACE FUNCTION driftline.run_lag(run text) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(sum(greatest(p.log_end - p.next_offset, 0)), 0)::bigint
    FROM driftline.run_topic t
    JOIN driftline.partition_progress p ON p.topic = t.topic
    LEFT JOIN driftline.run_progress r ON r.run_id = run AND r.topic = p.topic AND r.partition = p.partition
    WHERE t.run_id = run AND NOT coalesce(r.finished, false)
$$;


-- Records of a run that belongs to another stream than the topic that they came in.

ALTER TABLE driftline.dead_letter DROP CONSTRAINT dead_letter_reason_check,
    ADD CONSTRAINT dead_letter_reason_check
        CHECK (reason IN ('undecodable', 'invalid', 'late', 'future', 'model', 'stream'));
COMMENT ON COLUMN driftline.run_progress.invalid IS 'Dead letters with reason undecodable, invalid, model or stream.';


-- Who may use runs may use their streams, whichever login brings the tables up to date. Above all the owner of the other
-- tables, where that is another one: the views above read with its privileges, and consumers write with them.

DO $$
DECLARE held record;
BEGIN
    FOR held IN SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS role, a.privilege_type AS privilege
                FROM pg_class c CROSS JOIN aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
                WHERE c.oid = 'driftline.run'::regclass AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
    LOOP
        EXECUTE format('GRANT %s ON driftline.stream TO %s', held.privilege, held.role);
        IF held.privilege = 'SELECT' THEN
            EXECUTE format('GRANT SELECT ON driftline.run_topic, driftline.run_watermark TO %s', held.role);
        END IF;
    END LOOP;
END $$;
