-- name: alarms
-- Of one run, or of all, the newest first; with what people judged last.
SELECT a.alarm_id, a.run_id, a.state, a.track, a.kind, a.harm, a.message, a.severity, a.first_evidence, a.pending_at,
       a.started_at, a.recovered_at, a.withdrawn_at, a.stream, coalesce(a.window_size_s, a.size_s) AS size_s,
       a.window_start, a.columns, a.members, a.promise, a.calibration_id, a.estimated, a.unestimated, k.verdict, k.note, k.author AS judged_by,
       k.acked_at AS judged_at
FROM driftline.alarm a
LEFT JOIN LATERAL (
    SELECT * FROM driftline.alarm_ack k WHERE k.alarm_id = a.alarm_id ORDER BY k.ack_id DESC LIMIT 1
) k ON true
WHERE (%(run_id)s::text IS NULL OR a.run_id = %(run_id)s)
  AND (%(part)s::text IS NULL OR strpos(a.alarm_id, %(part)s) > 0)
ORDER BY a.started_at DESC, a.alarm_id;

-- name: covered
-- Event time of which it is stored what the windows of a run held; NULL without any.
SELECT min(window_start), max(window_start + size_s * interval '1 second') FROM driftline.window_summary
WHERE run_id = %(run_id)s AND stream = 'events' AND segment = '';

-- name: changes
SELECT number, state, created_at, published_at FROM driftline.alarm_change WHERE alarm_id = %(alarm_id)s ORDER BY number;

-- name: evidence
-- After the windows that overlap [from, to), in the order in which they were folded; with the names of the signals.
SELECT e.stream, e.size_s, e.window_start, e.rows, e.value, e.signal, e.z, e.shares, c.signals -> e.stream
FROM driftline.evidence e
JOIN driftline.calibration c USING (run_id, season_start)
WHERE e.run_id = %(run_id)s AND e.segment = ''
  AND (%(from)s::timestamptz IS NULL OR e.window_start + e.size_s * interval '1 second' > %(from)s)
  AND (%(to)s::timestamptz IS NULL OR e.window_start < %(to)s)
ORDER BY e.season_start, e.due_at, e.size_s, e.stream;

-- name: calibrations
SELECT season_start, calibration_id, weeks, promise, set_by, refused, about, signals, lines, unwatched, created_at
FROM driftline.calibration WHERE run_id = %(run_id)s ORDER BY season_start DESC;

-- name: records
-- Of each run that is watched: what was said of its newest season, for how many days it was watched, and what fired.
SELECT w.run_id, n.about, (
           SELECT extract(epoch FROM max(e.window_start + e.size_s * interval '1 second') - min(e.window_start)) / 86400.0
           FROM driftline.evidence e WHERE e.run_id = w.run_id)::float8 AS days,
       f.alarms, f.judged_false, f.judged_known, f.judged_real
FROM driftline.watch w
LEFT JOIN LATERAL (
    SELECT c.about FROM driftline.calibration c WHERE c.run_id = w.run_id ORDER BY c.season_start DESC LIMIT 1
) n ON true
CROSS JOIN LATERAL (
    SELECT count(*) AS alarms, count(*) FILTER (WHERE k.verdict = 'false') AS judged_false,
           count(*) FILTER (WHERE k.verdict = 'known') AS judged_known,
           count(*) FILTER (WHERE k.verdict = 'real') AS judged_real
    FROM driftline.alarm a
    LEFT JOIN LATERAL (
        SELECT verdict FROM driftline.alarm_ack k WHERE k.alarm_id = a.alarm_id ORDER BY k.ack_id DESC LIMIT 1
    ) k ON true
    WHERE a.run_id = w.run_id AND a.track = 'change' AND a.state IN ('firing', 'recovered')
) f
WHERE %(run_id)s::text IS NULL OR w.run_id = %(run_id)s;
