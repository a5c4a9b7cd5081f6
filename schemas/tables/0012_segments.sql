-- Segments of a stream: what they held beside the whole, and how they are watched.

ALTER TABLE driftline.window_summary ADD COLUMN segments bytea;
ALTER TABLE driftline.window_summary ALTER COLUMN segments SET STORAGE EXTERNAL;
COMMENT ON COLUMN driftline.window_summary.segments IS 'The same of each segment, compressed. NULL: the stream was not divided then.';

ALTER TABLE driftline.watch ADD COLUMN segments text NOT NULL DEFAULT '';
COMMENT ON COLUMN driftline.watch.segments IS 'SHA-256 of how the stream is divided, as in summary_layout. Empty: its segments are not watched.';

ALTER TABLE driftline.calibration ADD COLUMN segments bytea;
COMMENT ON COLUMN driftline.calibration.segments IS 'What its segments are measured by: they have a line of their own. NULL: they are not watched.';


-- Alarms of segments are shown as those of the stream are.

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
    SELECT a.alarm_id, a.run_id, 'alarm', a.size_s, a.message, a.severity, a.started_at, a.until,
           driftline.wall_at(a.run_id, a.size_s, a.started_at),
           driftline.wall_at(a.run_id, a.size_s, a.until)
    FROM (SELECT *, CASE WHEN kind = 'gap' AND state IS NULL THEN started_at ELSE recovered_at END AS until
          FROM driftline.alarm
          WHERE state IS NULL OR track IN ('change', 'segments', 'harm') AND state IN ('firing', 'recovered')) a
) moved;
COMMENT ON VIEW driftline.timed_event IS 'Injected stretches, alarms of a change, of segments or of a larger error, and incidents of the log. The end of what is not over: the newest row of the run.';
