-- name: acknowledge
INSERT INTO driftline.alarm_ack (alarm_id, run_id, verdict, note, author)
VALUES (%(alarm_id)s, %(run_id)s, %(verdict)s, %(note)s, %(author)s);

-- name: ask_to_fold_stream
-- As `ask_to_fold`, of all runs of a stream. Runs of the version before name none.
INSERT INTO driftline.unfolded (run_id)
SELECT w.run_id FROM driftline.watch w JOIN driftline.run r USING (run_id)
WHERE coalesce(r.stream, %(stream)s) = %(stream)s
RETURNING run_id;

-- name: silences
-- The one that ends last first; by default those that have not ended.
SELECT silence_id, run_id, track, column_name, starts_at, ends_at, author, reason,
       CASE WHEN ends_at <= clock_timestamp() THEN 'ended' WHEN starts_at > clock_timestamp() THEN 'pending'
            ELSE 'active' END AS state
FROM driftline.silence
WHERE %(ended)s OR ends_at > clock_timestamp()
ORDER BY ends_at DESC, silence_id DESC;

-- name: add_silence
INSERT INTO driftline.silence (run_id, track, column_name, ends_at, author, reason)
SELECT %(run_id)s, %(track)s, %(column)s, coalesce(%(until)s, now() + %(duration)s), %(author)s, %(reason)s
WHERE coalesce(%(until)s, now() + %(duration)s) > now()
RETURNING silence_id, ends_at;

-- name: end_silence
UPDATE driftline.silence SET ends_at = clock_timestamp()
WHERE silence_id = %(silence_id)s AND starts_at < clock_timestamp() AND ends_at > clock_timestamp()
RETURNING silence_id;

-- name: excluded_weeks
SELECT stream, season_start, reason, author, excluded_at
FROM driftline.excluded_week WHERE stream = %(stream)s ORDER BY season_start DESC;

-- name: exclude
INSERT INTO driftline.excluded_week (stream, season_start, reason, author)
SELECT %(stream)s, s, %(reason)s, %(author)s FROM unnest(%(starts)s::timestamptz[]) s
ON CONFLICT (stream, season_start) DO UPDATE
    SET reason = excluded.reason, author = excluded.author, excluded_at = clock_timestamp();

-- name: include
DELETE FROM driftline.excluded_week
WHERE stream = %(stream)s AND season_start = ANY(%(starts)s) RETURNING season_start;
