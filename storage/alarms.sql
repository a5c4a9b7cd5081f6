-- Evidence and alarms, as the monitor folds them. %(...)s: parameters.

-- name: to_fold
-- Runs among these that have something left to fold: windows that are not evidence yet, or an end that is not reached.
SELECT DISTINCT u.run_id FROM driftline.unfolded u WHERE u.run_id = ANY(%(run_ids)s)
UNION
SELECT w.run_id FROM driftline.watch w WHERE w.run_id = ANY(%(run_ids)s) AND NOT w.done;

-- name: begin_watch
-- Not of a run that was removed meanwhile; whoever comes second keeps what is there.
INSERT INTO driftline.watch (run_id, layout, sizes_s, promise, holidays, segments)
SELECT r.run_id, %(layout)s, %(sizes_s)s, %(promise)s, %(holidays)s, %(segments)s
FROM driftline.run r WHERE r.run_id = %(run_id)s
FOR KEY SHARE
ON CONFLICT DO NOTHING;

-- name: lock_watch
-- Until the transaction ends, nobody else folds this run, and nobody removes it.
SELECT w.layout, w.sizes_s, w.promise, w.holidays, w.segments, w.state, w.excluded, w.done
FROM driftline.watch w JOIN driftline.run r USING (run_id)
WHERE w.run_id = %(run_id)s
FOR UPDATE OF w SKIP LOCKED FOR KEY SHARE OF r SKIP LOCKED;

-- name: watch
SELECT layout, sizes_s, promise, holidays, segments, state, excluded, done FROM driftline.watch WHERE run_id = %(run_id)s;

-- name: watched
SELECT FROM driftline.watch WHERE run_id = %(run_id)s;

-- name: layout
SELECT layout::text FROM driftline.summary_layout WHERE hash = %(hash)s;

-- name: first_missing
-- The first window that has rows, begins in [from, to) and has no closed result.
SELECT min(h.window_start)
FROM (SELECT DISTINCT date_bin(%(size_s)s * interval '1 second', pane_start, 'epoch') AS window_start
      FROM driftline.pane
      WHERE run_id = %(run_id)s AND topic = %(topic)s AND pane_start >= %(from)s AND pane_start < %(to)s) h
LEFT JOIN driftline.window_result w
    ON w.run_id = %(run_id)s AND w.stream = %(stream)s AND w.size_s = %(size_s)s
   AND w.window_start = h.window_start AND w.segment = ''
WHERE w.status IS NULL OR w.status = 'open';

-- name: unfolded
SELECT id, stream, size_s, window_start FROM driftline.unfolded WHERE run_id = %(run_id)s ORDER BY id;

-- name: excluded
SELECT season_start FROM driftline.excluded_week WHERE stream = %(stream)s ORDER BY 1;

-- name: windows
-- Rows and summaries of windows of one role and size that start in [from, to). No layout: rows that cannot be read.
SELECT w.window_start, w.rows, s.layout, s.payload, s.segments
FROM driftline.window_result w
LEFT JOIN driftline.window_summary s USING (run_id, stream, size_s, window_start, segment)
WHERE w.run_id = %(run_id)s AND w.stream = %(stream)s AND w.size_s = %(size_s)s AND w.segment = ''
  AND w.window_start >= %(from)s AND w.window_start < %(to)s AND w.status <> 'open';

-- name: scores
-- What was folded of one season.
SELECT stream, size_s, window_start, calibration_id, rows, z, shares::text, errors
FROM driftline.evidence WHERE run_id = %(run_id)s AND season_start = %(season)s AND segment = '';

-- name: evidence_since
-- Of all windows that begin at `from` or later, and of their segments.
SELECT stream, segment, size_s, window_start, season_start, due_at, calibration_id, rows, value, signal, z, errors, shares::text
FROM driftline.evidence WHERE run_id = %(run_id)s AND window_start >= %(from)s;

-- name: calibrations_since
-- Of the season that begins at `from`, and those after it.
SELECT season_start, calibration_id, weeks, promise, refused, about,
       ARRAY[coalesce(set_by, 'null')::text, signals::text, lines::text, unwatched::text]
FROM driftline.calibration WHERE run_id = %(run_id)s AND season_start >= %(from)s;

-- name: stored_alarms
-- Those that were raised by windows or seasons which start at `from` or later, and those of these ids.
SELECT alarm_id, state, track, kind, harm, severity, columns, message, stream, window_size_s, window_start,
       first_evidence, pending_at, started_at, recovered_at, calibration_id, promise, estimated, unestimated,
       members::text
FROM driftline.alarm
WHERE run_id = %(run_id)s AND track IS NOT NULL AND state <> 'withdrawn'
  AND (window_start >= %(from)s OR alarm_id = ANY(%(alarm_ids)s));

-- name: newest
-- The newest window of each role and size that was folded.
SELECT stream, size_s, max(window_start) FROM driftline.evidence WHERE run_id = %(run_id)s AND segment = '' GROUP BY 1, 2;

-- name: calibration_id
SELECT calibration_id FROM driftline.calibration WHERE run_id = %(run_id)s AND season_start = %(season)s;

-- name: calibration
SELECT payload, segments FROM driftline.calibration WHERE run_id = %(run_id)s AND season_start = %(season)s;

-- name: state_before
SELECT state FROM driftline.calibration WHERE run_id = %(run_id)s AND season_start = %(season)s;

-- name: seasons
SELECT season_start FROM driftline.calibration WHERE run_id = %(run_id)s ORDER BY 1;

-- name: alarms_since
-- Alarms raised by windows or seasons that start at `from` or later, but for those that were withdrawn.
SELECT alarm_id, state FROM driftline.alarm
WHERE run_id = %(run_id)s AND track IS NOT NULL AND state <> 'withdrawn' AND window_start >= %(from)s;

-- name: last_changes
SELECT DISTINCT ON (alarm_id) alarm_id, number, state FROM driftline.alarm_change
WHERE alarm_id = ANY(%(alarm_ids)s) ORDER BY alarm_id, number DESC;

-- name: forget_evidence
DELETE FROM driftline.evidence WHERE run_id = %(run_id)s AND season_start >= %(season)s;

-- name: forget_calibrations
DELETE FROM driftline.calibration WHERE run_id = %(run_id)s AND season_start > %(season)s;

-- name: write_evidence
INSERT INTO driftline.evidence (
    run_id, stream, segment, size_s, window_start, season_start, due_at, calibration_id, rows, value, signal, z, shares,
    errors)
SELECT %(run_id)s, e.stream, e.segment, e.size_s, e.window_start, e.season_start, e.due_at, e.calibration_id, e.rows, e.value,
       e.signal, e.z::real[], e.shares::jsonb, e.errors::float8[]
FROM unnest(
    %(streams)s::text[], %(segments)s::text[], %(sizes_s)s::int[], %(starts)s::timestamptz[], %(seasons)s::timestamptz[],
    %(due)s::timestamptz[], %(calibrations)s::text[], %(rows)s::bigint[], %(values)s::float8[], %(signals)s::text[],
    %(z)s::text[], %(shares)s::text[], %(errors)s::text[])
    AS e (
        stream, segment, size_s, window_start, season_start, due_at, calibration_id, rows, value, signal, z, shares,
        errors)
ON CONFLICT (run_id, stream, size_s, window_start, segment) DO UPDATE SET
    season_start = excluded.season_start, due_at = excluded.due_at, calibration_id = excluded.calibration_id,
    rows = excluded.rows, value = excluded.value, signal = excluded.signal, z = excluded.z, shares = excluded.shares,
    errors = excluded.errors;

-- name: write_calibration
INSERT INTO driftline.calibration (
    run_id, season_start, calibration_id, weeks, promise, set_by, refused, about, signals, lines, unwatched, payload,
    segments, state)
VALUES (%(run_id)s, %(season)s, %(calibration_id)s, %(weeks)s, %(promise)s, %(set_by)s, %(refused)s, %(about)s,
        %(signals)s, %(lines)s, %(unwatched)s, %(payload)s, %(segments)s, %(state)s)
ON CONFLICT (run_id, season_start) DO UPDATE SET
    calibration_id = excluded.calibration_id, weeks = excluded.weeks, promise = excluded.promise,
    set_by = excluded.set_by, refused = excluded.refused, about = excluded.about, signals = excluded.signals,
    lines = excluded.lines, unwatched = excluded.unwatched, payload = excluded.payload, segments = excluded.segments,
    state = excluded.state, created_at = clock_timestamp();

-- name: write_alarm
INSERT INTO driftline.alarm (
    alarm_id, run_id, started_at, recovered_at, severity, columns, kind, message, state, track, harm, stream,
    window_size_s, window_start, first_evidence, pending_at, members, calibration_id, promise, estimated, unestimated)
VALUES (%(alarm_id)s, %(run_id)s, %(started_at)s, %(recovered_at)s, %(value)s, %(columns)s, %(kind)s, %(message)s,
        %(state)s, %(track)s, %(harm)s, %(role)s, %(size_s)s, %(window_start)s, %(first_evidence)s, %(pending_at)s,
        %(members)s, %(calibration_id)s, %(promise)s, %(estimated)s, %(unestimated)s)
ON CONFLICT (alarm_id) DO UPDATE SET
    started_at = excluded.started_at, recovered_at = excluded.recovered_at, severity = excluded.severity,
    columns = excluded.columns, kind = excluded.kind, message = excluded.message, state = excluded.state,
    harm = excluded.harm, first_evidence = excluded.first_evidence, pending_at = excluded.pending_at,
    withdrawn_at = NULL, members = excluded.members, calibration_id = excluded.calibration_id,
    promise = excluded.promise, estimated = excluded.estimated, unestimated = excluded.unestimated;

-- name: drop_suspicions
DELETE FROM driftline.alarm WHERE alarm_id = ANY(%(alarm_ids)s) AND state = 'pending';

-- name: withdraw
UPDATE driftline.alarm SET state = 'withdrawn', withdrawn_at = clock_timestamp()
WHERE alarm_id = ANY(%(alarm_ids)s) AND state IN ('firing', 'recovered')
RETURNING alarm_id;

-- name: write_change
INSERT INTO driftline.alarm_change (alarm_id, run_id, number, state, alarm)
VALUES (%(alarm_id)s, %(run_id)s, %(number)s, %(state)s, %(alarm)s);

-- name: last_record
-- The alarm as its last change left it.
SELECT alarm::text FROM driftline.alarm_change WHERE alarm_id = %(alarm_id)s ORDER BY number DESC LIMIT 1;

-- name: delete_unfolded
DELETE FROM driftline.unfolded WHERE id = ANY(%(ids)s);

-- name: keep_state
UPDATE driftline.watch SET state = %(state)s, season = %(season)s, excluded = %(excluded)s, done = %(done)s,
    updated_at = clock_timestamp()
WHERE run_id = %(run_id)s;

-- name: ask_to_fold
-- After people have decided something: whoever watches the run folds it again as far as that matters.
INSERT INTO driftline.unfolded (run_id) SELECT run_id FROM driftline.watch WHERE run_id = %(run_id)s;
