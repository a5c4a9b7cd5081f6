-- What two stretches of time held, for a comparison.

-- name: smallest
-- The smallest windows of a run that have summaries, in seconds, and where they begin and end; of those that are divided,
-- where segments are wanted.
SELECT size_s, min(window_start), max(window_start) + size_s * interval '1 second'
FROM driftline.window_summary WHERE run_id = %(run)s AND segment = '' AND (NOT %(divided)s::bool OR segments IS NOT NULL)
GROUP BY size_s ORDER BY size_s LIMIT 1;

-- name: summaries
-- Of windows that overlap [from, to); of their segments, too, where they are wanted.
SELECT stream, layout, payload, CASE WHEN %(divided)s THEN segments END FROM driftline.window_summary
WHERE run_id = %(run)s AND size_s = %(size_s)s AND segment = ''
  AND window_start + size_s * interval '1 second' > %(from)s AND window_start < %(to)s
ORDER BY window_start LIMIT %(most)s;

-- name: layout
SELECT layout::text FROM driftline.summary_layout WHERE hash = %(hash)s;

-- name: segments
-- How the stream of a run is divided.
SELECT l.layout::text FROM driftline.watch w JOIN driftline.summary_layout l ON l.hash = w.segments
WHERE w.run_id = %(run)s;
