-- name: known_partitions
SELECT topic, partition FROM driftline.partition_progress;

-- name: seed_partition
-- From the start of the log; a partition that nobody has read yet blocks the watermark by being here. Added to a topic
-- that was begun before, it belongs to that one.
INSERT INTO driftline.partition_progress (topic, partition, next_offset, log_end, topic_id)
VALUES (%(topic)s, %(partition)s, %(first)s, %(end)s,
        coalesce((SELECT max(topic_id) FROM driftline.partition_progress WHERE topic = %(topic)s), %(topic_id)s))
ON CONFLICT DO NOTHING;

-- name: claim_partition
-- Takes it from whoever had it: the epoch fences them. What was begun before topics had ids gets that of today.
UPDATE driftline.partition_progress
SET epoch = epoch + 1, owner = %(owner)s, beat_at = clock_timestamp(), caught_up_since = NULL,
    topic_id = coalesce(topic_id, (SELECT max(topic_id) FROM driftline.partition_progress WHERE topic = %(topic)s),
                        %(topic_id)s)
WHERE topic = %(topic)s AND partition = %(partition)s
RETURNING epoch, next_offset, topic_id;

-- name: runs_of_partition
SELECT run_id, first_offset, max_event_time_ms, last_seq, finished, candidate_ms, agreed,
       accepted, duplicates, late, future, invalid, heartbeats, missing
FROM driftline.run_progress WHERE topic = %(topic)s AND partition = %(partition)s;

-- name: advance
-- Compare and set: writes one row, or this consumer no longer owns the partition.
UPDATE driftline.partition_progress
SET next_offset = %(next_offset)s, log_end = greatest(log_end, %(next_offset)s),
    beat_at = clock_timestamp(), caught_up_since = NULL
WHERE topic = %(topic)s AND partition = %(partition)s AND epoch = %(epoch)s AND next_offset = %(expected)s;

-- name: is_ours_still
-- Of partitions whose epoch was raised: whether this consumer owns them all, so that no other has claimed any.
SELECT coalesce(bool_and(p.owner = %(instance)s), false)
FROM unnest(%(topics)s::text[], %(partitions)s::int[], %(epochs)s::bigint[]) AS ours (topic, partition, epoch)
JOIN driftline.partition_progress p USING (topic, partition)
WHERE p.epoch <> ours.epoch;

-- name: write_run_progress
INSERT INTO driftline.run_progress AS r
    (run_id, topic, partition, max_event_time_ms, last_seq, finished, candidate_ms, agreed, first_offset,
     accepted, duplicates, late, future, invalid, heartbeats, missing, moved_at)
SELECT run_id, %(topic)s, %(partition)s, max_time, last_seq, finished, candidate, agreed, first_offset,
       accepted, duplicates, late, future, invalid, heartbeats, missing,
       CASE WHEN max_time IS NOT NULL OR finished THEN clock_timestamp() END
FROM jsonb_to_recordset(%(runs)s) AS run
    (run_id text, max_time bigint, last_seq bigint, finished boolean, candidate bigint, agreed int,
     first_offset bigint, accepted bigint, duplicates bigint, late bigint, future bigint, invalid bigint,
     heartbeats bigint, missing bigint)
ON CONFLICT (run_id, topic, partition) DO UPDATE SET
    max_event_time_ms = excluded.max_event_time_ms, last_seq = excluded.last_seq, finished = excluded.finished,
    candidate_ms = excluded.candidate_ms, agreed = excluded.agreed,
    accepted = excluded.accepted, duplicates = excluded.duplicates, late = excluded.late, future = excluded.future,
    invalid = excluded.invalid, heartbeats = excluded.heartbeats, missing = excluded.missing,
    moved_at = CASE WHEN (r.max_event_time_ms, r.finished)
                         IS DISTINCT FROM (excluded.max_event_time_ms, excluded.finished)
                    THEN clock_timestamp() ELSE r.moved_at END;

-- name: write_dead_letters
-- Not by COPY: Postgres does not end a transaction as idle whose client stops, or is cut off, in the middle of one.
INSERT INTO driftline.dead_letter
    (topic, partition, kafka_offset, run_id, reason, detail, event_time, key, raw, headers)
SELECT %(topic)s, %(partition)s, d.*
FROM unnest(%(offsets)s::bigint[], %(run_ids)s::text[], %(reasons)s::text[], %(details)s::text[],
            %(times)s::timestamptz[], %(keys)b::bytea[], %(raws)b::bytea[], %(headers)s::jsonb[]) AS d;

-- name: register_runs
INSERT INTO driftline.run
    (run_id, pane_ms, lateness_ms, outcome_lateness_ms, max_ahead_ms, model, stream, stream_hash)
SELECT run_id, %(pane_ms)s, %(lateness_ms)s, %(label_lateness_ms)s, %(max_ahead_ms)s, %(model)s, %(stream)s,
       %(stream_hash)s
FROM unnest(%(run_ids)s::text[]) AS new (run_id)
ON CONFLICT DO NOTHING;

-- name: runs
SELECT r.run_id, r.pane_ms, r.lateness_ms, r.outcome_lateness_ms, r.max_ahead_ms, r.model, r.stream, r.stream_hash,
       t.topic
FROM driftline.run r LEFT JOIN driftline.run_topic t ON t.run_id = r.run_id AND t.role = 'events'
WHERE r.run_id = ANY(%(run_ids)s);

-- name: keep_runs
-- Nobody removes them until this transaction ends.
SELECT run_id FROM driftline.run WHERE run_id = ANY(%(run_ids)s) ORDER BY run_id FOR KEY SHARE;

-- name: run
SELECT FROM driftline.run WHERE run_id = %(run_id)s;

-- name: write_manifest
-- The first one to be read stays: every partition carries it, and a restarted producer sends it again. Not one that
-- comes in a topic of another stream than the run's.
UPDATE driftline.run SET source = %(source)s, manifest = %(manifest)s
WHERE run_id = %(run_id)s AND manifest IS NULL
  AND EXISTS (SELECT FROM driftline.run_topic t WHERE t.run_id = run.run_id AND t.topic = %(topic)s);

-- name: write_event
INSERT INTO driftline.event (event_id, run_id, kind, starts_at, ends_at, label)
VALUES (%(event_id)s, %(run_id)s, %(kind)s, timestamptz 'epoch' + %(starts_at)s::bigint * interval '1 millisecond',
        timestamptz 'epoch' + %(ends_at)s::bigint * interval '1 millisecond', %(label)s)
ON CONFLICT DO NOTHING;

-- name: write_gap_events
INSERT INTO driftline.event (event_id, run_id, kind, starts_at, label)
SELECT name, run_id, 'gap', timestamptz 'epoch' + at * interval '1 millisecond', message
FROM unnest(%(names)s::text[], %(runs)s::text[], %(times)s::bigint[], %(messages)s::text[])
     AS gap (name, run_id, at, message)
ON CONFLICT DO NOTHING;

-- name: write_gap_alarms
INSERT INTO driftline.alarm (alarm_id, run_id, kind, started_at, message)
SELECT name, run_id, 'gap', timestamptz 'epoch' + at * interval '1 millisecond', message
FROM unnest(%(names)s::text[], %(runs)s::text[], %(times)s::bigint[], %(messages)s::text[])
     AS gap (name, run_id, at, message)
ON CONFLICT DO NOTHING;

-- name: write_unscored_alarm
-- From the first record that was not scored to the last, whichever flush comes first.
INSERT INTO driftline.alarm AS a (alarm_id, run_id, kind, started_at, recovered_at, message)
VALUES (%(alarm_id)s, %(run_id)s, %(kind)s, timestamptz 'epoch' + %(first)s::bigint * interval '1 millisecond',
        timestamptz 'epoch' + %(last)s::bigint * interval '1 millisecond', %(message)s)
ON CONFLICT (alarm_id) DO UPDATE SET started_at = least(a.started_at, excluded.started_at),
    recovered_at = greatest(a.recovered_at, excluded.recovered_at);

-- name: lock_runs
-- Two consumers that finish a run's last partitions at once must see one another. In one order, so that none waits
-- for a run of somebody who waits for one of its own. Both have a key share lock already, by `keep_runs`, which
-- FOR UPDATE would wait for.
SELECT FROM driftline.run WHERE run_id = ANY(%(run_ids)s) ORDER BY run_id FOR NO KEY UPDATE;

-- name: finish_run
-- Once every partition of every topic that the run waits for has seen the final heartbeat.
UPDATE driftline.run SET finished_at = clock_timestamp()
WHERE run_id = %(run_id)s AND finished_at IS NULL
  AND (SELECT count(DISTINCT p.topic) = cardinality(%(topics)s::text[]) AND bool_and(p.finished)
       FROM driftline.run_partition p WHERE p.run_id = %(run_id)s AND p.topic = ANY(%(topics)s));

-- name: reopen_runs
-- Over, and now a record of it in a partition that was added later, which no window waited for. A topic of another
-- stream has none.
WITH reopened AS (
    UPDATE driftline.run r SET finished_at = NULL
    WHERE r.run_id = ANY(%(run_ids)s) AND r.finished_at IS NOT NULL
      AND EXISTS (SELECT FROM driftline.run_topic t WHERE t.run_id = r.run_id AND t.topic = %(topic)s)
    RETURNING r.run_id)
DELETE FROM driftline.frontier f USING reopened r WHERE f.run_id = r.run_id;

-- name: is_finished
SELECT coalesce((SELECT finished_at IS NOT NULL FROM driftline.run WHERE run_id = %(run_id)s), false);

-- name: beat
-- Only what is still ours. caught_up_since begins anew with every flush, and where the clock was set back.
UPDATE driftline.partition_progress p
SET beat_at = clock_timestamp(), log_end = greatest(b.log_end, p.next_offset),
    caught_up_since = CASE WHEN b.caught_up THEN least(p.caught_up_since, clock_timestamp()) END
FROM unnest(%(topics)s::text[], %(partitions)s::int[], %(epochs)s::bigint[], %(log_ends)s::bigint[],
            %(caught_up)s::bool[]) AS b (topic, partition, epoch, log_end, caught_up)
WHERE p.topic = b.topic AND p.partition = b.partition AND p.epoch = b.epoch;
