-- Times: `..._at`, window_start, window_end and pane_start are timestamptz; `..._ms` are whole milliseconds.
-- Event time is TLC's New York wall time taken as if it were UTC.

CREATE TABLE driftline.run (
    run_id              text PRIMARY KEY,
    source              text,
    started_at          timestamptz NOT NULL DEFAULT now(),
    finished_at         timestamptz,            -- every partition of every stream has seen the final heartbeat
    manifest            jsonb,
    pane_ms             bigint NOT NULL,
    lateness_ms         bigint NOT NULL,        -- of trips
    outcome_lateness_ms bigint NOT NULL,        -- of outcomes
    max_ahead_ms        bigint NOT NULL,
    model               text                    -- hash of the artifact that scored it; NULL: scored upstream
);
COMMENT ON TABLE driftline.run IS 'Pane, lateness and model belong to the run: whoever meets it first writes them down, all others read them here.';

CREATE TABLE driftline.partition_progress (
    topic           text NOT NULL,
    partition       int NOT NULL,
    next_offset     bigint NOT NULL,
    epoch           bigint NOT NULL DEFAULT 0,
    owner           text,
    beat_at         timestamptz,                -- the owner was alive
    log_end         bigint NOT NULL DEFAULT 0,  -- the broker's high watermark at that beat
    caught_up_since timestamptz,                -- nothing has arrived since; NULL while there is more to read
    PRIMARY KEY (topic, partition)
);
COMMENT ON TABLE driftline.partition_progress IS 'Position of the one consumer that owns a partition. Seeded for every partition of a topic, so that one never read blocks the watermark.';

CREATE TABLE driftline.run_progress (
    run_id            text NOT NULL,
    topic             text NOT NULL,
    partition         int NOT NULL,
    max_event_time_ms bigint,                   -- M; NULL: nothing valid yet
    last_seq          bigint NOT NULL DEFAULT -1,
    finished          boolean NOT NULL DEFAULT false,
    first_offset      bigint NOT NULL,
    accepted          bigint NOT NULL DEFAULT 0,
    duplicates        bigint NOT NULL DEFAULT 0,
    late              bigint NOT NULL DEFAULT 0,
    future            bigint NOT NULL DEFAULT 0,
    invalid           bigint NOT NULL DEFAULT 0,
    heartbeats        bigint NOT NULL DEFAULT 0,
    missing           bigint NOT NULL DEFAULT 0, -- sequence numbers that never came
    moved_at          timestamptz,              -- clock_timestamp() of the last flush that moved M or finished
    PRIMARY KEY (run_id, topic, partition)
);
COMMENT ON COLUMN driftline.run_progress.moved_at IS 'Set by the consumer, in the transaction that moves max_event_time_ms or sets finished. The monitor takes it for the moment at which a window closed (window_result.closed_at).';
COMMENT ON TABLE driftline.run_progress IS 'Event-time state and tallies of one run in one partition. The tallies add up to the offsets passed. run_id '''' holds records that could not be told to any run.';

CREATE VIEW driftline.progress AS
SELECT r.run_id, p.topic, p.partition, p.next_offset,
       timestamptz 'epoch' + r.max_event_time_ms * interval '1 millisecond' AS max_event_time,
       r.last_seq, p.epoch, p.owner, p.beat_at, p.log_end, p.log_end - p.next_offset AS lag,
       r.finished, r.accepted, r.duplicates, r.late, r.future, r.invalid, r.heartbeats, r.missing
FROM driftline.partition_progress p LEFT JOIN driftline.run_progress r USING (topic, partition);

CREATE TABLE driftline.chunk (
    run_id       text NOT NULL,
    topic        text NOT NULL,
    partition    int NOT NULL,
    first_offset bigint NOT NULL,
    last_offset  bigint NOT NULL,
    rows         int NOT NULL,
    payload      bytea NOT NULL,                -- Arrow IPC stream, zstd: rows sorted by (pane, offset)
    PRIMARY KEY (run_id, topic, partition, first_offset)
);
ALTER TABLE driftline.chunk ALTER COLUMN payload SET STORAGE EXTERNAL;
COMMENT ON TABLE driftline.chunk IS 'Rows of one run in one partition: of one flush, or of several small ones that a monitor has put together.';

CREATE TABLE driftline.pane (
    run_id       text NOT NULL,
    topic        text NOT NULL,
    pane_start   timestamptz NOT NULL,
    partition    int NOT NULL,
    first_offset bigint NOT NULL,               -- of its chunk
    first_row    int NOT NULL,                  -- in its chunk
    rows         int NOT NULL,
    PRIMARY KEY (run_id, topic, pane_start, partition, first_offset)
);

CREATE TABLE driftline.dead_letter (
    topic        text NOT NULL,
    partition    int NOT NULL,
    kafka_offset bigint NOT NULL,
    run_id       text NOT NULL DEFAULT '',      -- '' where the record could not be told to any run
    reason       text NOT NULL CHECK (reason IN ('undecodable', 'invalid', 'late', 'future')),
    detail       text NOT NULL DEFAULT '',
    event_time   timestamptz,
    key          bytea,
    raw          bytea,
    headers      jsonb,
    written_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition, kafka_offset)
);
CREATE INDEX dead_letter_by_run ON driftline.dead_letter (run_id, topic, event_time);

CREATE TABLE driftline.window_result (
    run_id           text NOT NULL,
    stream           text NOT NULL,
    size_s           int NOT NULL,
    window_start     timestamptz NOT NULL,
    segment          text NOT NULL DEFAULT '',
    window_end       timestamptz NOT NULL,
    status           text NOT NULL CHECK (status IN ('open', 'provisional', 'final', 'insufficient')),
    revision         int NOT NULL DEFAULT 0,
    rows             bigint NOT NULL,
    sampled          bigint NOT NULL,           -- rows the figures were computed from: fewer where capped
    columns_tested   int,
    columns_drifted  int,
    share_drifted    double precision,
    dataset_drift    boolean,
    prediction_drift double precision,
    share_missing    double precision,
    mae              double precision,
    rmse             double precision,
    bias             double precision,
    r2               double precision,
    target_drift     double precision,
    label_coverage   double precision,
    offsets          jsonb NOT NULL,            -- {"0": [first, last], ...} per partition, both inclusive
    joined_rows      bigint NOT NULL DEFAULT 0, -- outcomes: rows of the trips' window that they were joined with
    joined_offsets   jsonb NOT NULL DEFAULT '{}', -- ... and their ranges, as in `offsets`
    closed_at        timestamptz,               -- the flush that closed it; never changes on upsert
    written_at       timestamptz NOT NULL,
    PRIMARY KEY (run_id, stream, size_s, window_start, segment)
);
CREATE INDEX window_result_by_time ON driftline.window_result (run_id, written_at);

CREATE TABLE driftline.column_metric (
    run_id       text NOT NULL,
    stream       text NOT NULL,
    size_s       int NOT NULL,
    window_start timestamptz NOT NULL,
    segment      text NOT NULL DEFAULT '',
    column_name  text NOT NULL,
    metric       text NOT NULL,
    method       text,
    value        double precision,
    threshold    double precision,
    severity     double precision,              -- direction-free: 1 and above is drift
    status       text NOT NULL CHECK (status IN ('ok', 'drift', 'insufficient', 'failed')),
    reason       text,
    PRIMARY KEY (run_id, stream, size_s, window_start, segment, column_name, metric),
    FOREIGN KEY (run_id, stream, size_s, window_start, segment) REFERENCES driftline.window_result ON DELETE CASCADE
);

CREATE TABLE driftline.frontier (
    run_id        text NOT NULL,
    stream        text NOT NULL,
    size_s        int NOT NULL,
    next_start_ms bigint NOT NULL,              -- 2^62: the run is over, all its windows are final
    PRIMARY KEY (run_id, stream, size_s)
);
COMMENT ON TABLE driftline.frontier IS 'Every window that starts before next_start_ms is final: the monitor plans from there. Delete a run''s rows here together with its results, and they are computed again.';

CREATE VIEW driftline.window_overview AS
SELECT w.*, d.late, d.dead
FROM driftline.window_result w
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE l.reason = 'late') AS late, count(*) FILTER (WHERE l.reason <> 'late') AS dead
    FROM driftline.dead_letter l
    WHERE l.run_id = w.run_id AND l.topic = w.stream
      AND l.event_time >= w.window_start AND l.event_time < w.window_end
) d;
COMMENT ON VIEW driftline.window_overview IS 'Windows with what came too late for them, or was refused. Counted when asked: late rows come after a window is final.';

CREATE TABLE driftline.alarm (
    alarm_id      text PRIMARY KEY,
    run_id        text NOT NULL,
    size_s        int,
    started_at    timestamptz NOT NULL,
    ongoing_since timestamptz,
    recovered_at  timestamptz,
    severity      double precision,
    columns       text[] NOT NULL DEFAULT '{}',
    segment       text NOT NULL DEFAULT '',
    kind          text NOT NULL,
    message       text NOT NULL
);

CREATE TABLE driftline.event (
    event_id  text PRIMARY KEY,
    run_id    text NOT NULL,
    kind      text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at   timestamptz,
    label     text NOT NULL
);
CREATE INDEX event_by_run ON driftline.event (run_id, starts_at);

CREATE TABLE driftline.health (
    stage     text NOT NULL,
    instance  text NOT NULL,
    run_id    text,
    at        timestamptz NOT NULL DEFAULT now(),
    measures  jsonb NOT NULL,                   -- lag, rows_per_s, watermark_ms, ...: by stage
    PRIMARY KEY (stage, instance)
);
