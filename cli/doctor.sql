-- What doctor reads of the runs.

-- name: newest_times
-- Of runs whose newest event time, in ms, would be before 1973: see `schemas.durations.misread_unit`.
SELECT run_id, max(max_event_time_ms) FROM driftline.run_progress
GROUP BY run_id HAVING max(max_event_time_ms) BETWEEN 1 AND 100000000000 ORDER BY run_id LIMIT 10;
