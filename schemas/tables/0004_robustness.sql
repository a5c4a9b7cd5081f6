-- What keeps one bad record, one old run or one changed topic from stopping a consumer or losing rows in silence.

-- The event-time clock of a partition.

ALTER TABLE driftline.run_progress
    ADD COLUMN candidate_ms bigint,
    ADD COLUMN agreed int NOT NULL DEFAULT 0;
COMMENT ON COLUMN driftline.run_progress.candidate_ms IS 'The largest event time of a row of data records that are too far ahead of M but agree with one another (while M is unset: of the record that waits for a second one); NULL without such a row. `agreed` counts them. When they are enough, M moves to it.';

-- Clocks that were set while a window waited: no latency is less than nothing.
UPDATE driftline.window_result SET latency_ms = NULL WHERE latency_ms < 0;


-- The identity and the partitions of topics.

ALTER TABLE driftline.partition_progress ADD COLUMN topic_id text;
COMMENT ON COLUMN driftline.partition_progress.topic_id IS 'Kafka''s id (KIP-516) of the topic that next_offset counts in: a topic that is deleted and recreated has another. NULL: not known yet, or a broker that gives none; whoever claims the partition next writes it down.';

-- numeric: a manifest is a record, and may say any number.
CREATE VIEW driftline.run_partition AS
SELECT n.run_id, p.topic, p.partition, p.next_offset, p.log_end, p.beat_at, p.caught_up_since,
       r.max_event_time_ms, coalesce(r.finished, false) AS finished, r.moved_at
FROM driftline.run n
CROSS JOIN driftline.partition_progress p
LEFT JOIN driftline.run_progress r ON r.run_id = n.run_id AND r.topic = p.topic AND r.partition = p.partition
WHERE r.max_event_time_ms IS NOT NULL OR r.accepted > 0
   OR (n.finished_at IS NULL
       AND (jsonb_typeof(n.manifest -> 'partitions') IS DISTINCT FROM 'number'
            OR p.partition < (n.manifest ->> 'partitions')::numeric));
COMMENT ON VIEW driftline.run_partition IS 'The partitions that a run waits for: those that its manifest counts, and any that was added later in which a record of it came; all, for a run without a manifest. The run is over when all of them have seen its end.';


-- Models and the runs that they scored.
-- model: a good record without a prediction, because another model scores its run or because the model failed on it.

ALTER TABLE driftline.dead_letter DROP CONSTRAINT dead_letter_reason_check,
    ADD CONSTRAINT dead_letter_reason_check CHECK (reason IN ('undecodable', 'invalid', 'late', 'future', 'model'));
COMMENT ON COLUMN driftline.run_progress.invalid IS 'Dead letters with reason undecodable, invalid or model.';



-- Claims, roles and limits in Postgres.

CREATE TABLE driftline.claim (slot int PRIMARY KEY);
INSERT INTO driftline.claim SELECT generate_series(0, 1023);
COMMENT ON TABLE driftline.claim IS 'Whoever computes a window has the row of its hash locked meanwhile. Who may only read can lock none.';



-- What a run still has to read.

CREATE FUNCTION driftline.run_lag(run text) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(sum(greatest(p.log_end - p.next_offset, 0)), 0)::bigint
    FROM driftline.partition_progress p
    LEFT JOIN driftline.run_progress r ON r.run_id = run AND r.topic = p.topic AND r.partition = p.partition
    WHERE NOT coalesce(r.finished, false)
$$;
COMMENT ON FUNCTION driftline.run_lag IS 'Records that are not read yet and may be of this run: those in the partitions where its end has not been read, whatever run they are of. 0 once the run is over.';


-- Bounds on what a record may bring.

-- What was let in before there were any.
UPDATE driftline.run SET source = left(source, 500) WHERE length(source) > 500;
UPDATE driftline.run SET manifest = manifest - 'period'
WHERE manifest @? '$.period[*] ? (@ < 0 || @ > 4102444800000)';
UPDATE driftline.run SET manifest = manifest - 'injected'
WHERE manifest @? '$.injected[*] ? (@.starts_at < 0 || @.starts_at > 4102444800000)';

SELECT;
