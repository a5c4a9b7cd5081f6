-- Annotations and lists of dashboards show what the board does: a stream that has aged is a ticket, and no event.

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
          WHERE state IS NULL OR track IN ('change', 'harm') AND state IN ('firing', 'recovered')) a
) moved;
COMMENT ON VIEW driftline.timed_event IS 'Injected stretches, alarms of a change or of a larger error, and incidents of the log. The end of what is not over: the newest row of the run.';


-- What errors of a run are held against.

CREATE TABLE driftline.reference (
    model text PRIMARY KEY,                     -- hash of the artifact: run.model, or run.reference
    mae   double precision                      -- mean absolute error, held out in training; NULL: without labels
);
COMMENT ON TABLE driftline.reference IS 'The error of each model that a monitor had loaded, in the unit of the label.';

DO $$
DECLARE
    held record;
BEGIN
    FOR held IN SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS role, a.privilege_type AS privilege
                FROM pg_class c CROSS JOIN aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
                WHERE c.oid = 'driftline.run'::regclass AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
    LOOP
        EXECUTE format('GRANT %s ON driftline.reference TO %s', held.privilege, held.role);
    END LOOP;
END $$;


-- Of windows of labels, how large the errors are, and how large they usually are.

ALTER TABLE driftline.evidence ADD COLUMN errors double precision[];
COMMENT ON COLUMN driftline.evidence.errors IS 'Labels with an error, their absolute errors added up, and what labels of the same hours usually add up to, in one unit. NULL: not of labels, or not known.';
