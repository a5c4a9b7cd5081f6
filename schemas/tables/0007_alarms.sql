-- Alarms for a whole stream: what windows held, in bins that add up; the evidence that it is not as it was; and what was
-- made of it.

-- All locks at once: nobody is left waiting halfway.
LOCK TABLE driftline.run, driftline.window_result, driftline.alarm IN ACCESS EXCLUSIVE MODE;


-- What a window held, to be compared with other weeks without reading its rows again.

CREATE TABLE driftline.summary_layout (
    hash   text PRIMARY KEY,                    -- SHA-256 of the layout
    layout json NOT NULL                        -- as it was hashed, to the last digit
);
COMMENT ON TABLE driftline.summary_layout IS 'The bins that summaries count in, by role and column. They are drawn from the reference of a model.';

CREATE TABLE driftline.window_summary (
    run_id       text NOT NULL,
    stream       text NOT NULL,
    size_s       int NOT NULL,
    window_start timestamptz NOT NULL,
    segment      text NOT NULL DEFAULT '',
    layout       text NOT NULL REFERENCES driftline.summary_layout,
    rows         bigint NOT NULL,
    payload      bytea NOT NULL,                -- counts by hour and bin, compressed
    PRIMARY KEY (run_id, stream, size_s, window_start, segment),
    FOREIGN KEY (run_id, stream, size_s, window_start, segment) REFERENCES driftline.window_result ON DELETE CASCADE
);
ALTER TABLE driftline.window_summary ALTER COLUMN payload SET STORAGE EXTERNAL;
COMMENT ON TABLE driftline.window_summary IS 'Written in the transaction that writes the closed window. Sums of summaries are summaries of longer stretches.';

CREATE TABLE driftline.unfolded (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id       text NOT NULL,
    stream       text,                          -- NULL: not a window; people have decided something
    size_s       int,
    window_start timestamptz
);
CREATE INDEX unfolded_by_run ON driftline.unfolded (run_id);
COMMENT ON TABLE driftline.unfolded IS 'Windows whose summaries were written and have not become evidence yet. Written together with the summary, deleted together with what followed from it.';


-- How a run is watched.

CREATE TABLE driftline.watch (
    run_id     text PRIMARY KEY,
    layout     text NOT NULL REFERENCES driftline.summary_layout,
    sizes_s    int[] NOT NULL,
    promise    double precision NOT NULL,       -- false alarms a month that are asked for
    holidays   text NOT NULL DEFAULT '',        -- calendar, such as US-NY
    state      bytea,                           -- evidence and open alarm after the last window that was folded
    season     timestamptz,                     -- that window's
    excluded   timestamptz[] NOT NULL DEFAULT '{}', -- seasons that people have excluded, as of then
    done       boolean NOT NULL DEFAULT false,  -- the run is over, and all its windows were folded
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE driftline.watch IS 'Sizes, promise and calendar belong to the run: whoever folds its first window writes them down, all others read them here. Whoever folds has the row locked meanwhile.';

CREATE TABLE driftline.calibration (
    run_id         text NOT NULL,
    season_start   timestamptz NOT NULL,
    calibration_id text NOT NULL,               -- of all that it follows from
    weeks          timestamptz[] NOT NULL,      -- starts of the calm seasons
    promise        double precision,            -- false alarms a month that are promised; NULL: nothing is
    set_by         jsonb,                       -- season, role, size and signal that set the line; NULL: nothing did
    refused        text,                        -- why nothing is promised
    about          text NOT NULL,               -- all this in a sentence
    signals        jsonb NOT NULL,              -- their names, by role, in the order of evidence.z
    lines          jsonb NOT NULL,              -- by role and size: of each signal, the evidence at which an alarm fires
    unwatched      jsonb NOT NULL,              -- by role and size: why it is not watched
    payload        bytea NOT NULL,
    state          bytea NOT NULL,              -- watch.state before the season
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, season_start)
);
COMMENT ON TABLE driftline.calibration IS 'What each season of a run is measured by. It follows from the seasons before, and never changes within one unless these do.';

CREATE TABLE driftline.evidence (
    run_id         text NOT NULL,
    stream         text NOT NULL,
    size_s         int NOT NULL,
    window_start   timestamptz NOT NULL,
    segment        text NOT NULL DEFAULT '',
    season_start   timestamptz NOT NULL,
    due_at         timestamptz NOT NULL,        -- event time: its end and the allowed lateness
    calibration_id text NOT NULL,
    rows           bigint NOT NULL,             -- 0: nothing came
    value          double precision NOT NULL,   -- 1: an alarm fires
    signal         text,                        -- which has most of it
    z              real[] NOT NULL,             -- by signal: how far beyond calm weeks, in their standard deviations
    shares         jsonb NOT NULL DEFAULT '{}', -- rows and labels of what is expected
    PRIMARY KEY (run_id, stream, size_s, window_start, segment)
);
CREATE INDEX evidence_by_season ON driftline.evidence (run_id, season_start, due_at);
COMMENT ON TABLE driftline.evidence IS 'What speaks against the stream being as it was, after each window: the evidence curve. Windows without rows are in it too.';


-- Alarms. Those of the consumer (gaps in the log, records that were not scored) have no state.

ALTER TABLE driftline.alarm
    ADD COLUMN state text CHECK (state IN ('pending', 'firing', 'recovered', 'withdrawn')),
    ADD COLUMN track text,
    ADD COLUMN harm text,
    ADD COLUMN stream text,                     -- with window_size_s and window_start: the window that raised it
    ADD COLUMN window_size_s int,
    ADD COLUMN window_start timestamptz,
    ADD COLUMN first_evidence timestamptz,      -- an estimate of the onset
    ADD COLUMN pending_at timestamptz,
    ADD COLUMN withdrawn_at timestamptz,
    ADD COLUMN members jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN calibration_id text,
    ADD COLUMN promise double precision;
CREATE INDEX alarm_by_run ON driftline.alarm (run_id, started_at);
COMMENT ON COLUMN driftline.alarm.state IS 'pending: suspected. firing. recovered: the stream is as before. withdrawn: a window was computed again, and the evidence is gone. NULL: it is of the log, not of what is in it.';
COMMENT ON COLUMN driftline.alarm.started_at IS 'Event time: when it began to fire; while it is pending, when that began.';
COMMENT ON COLUMN driftline.alarm.severity IS 'Of an alarm with a state: the most evidence so far, 1 is the line.';

CREATE TABLE driftline.alarm_change (
    change_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alarm_id     text NOT NULL,
    run_id       text NOT NULL,
    number       int NOT NULL,                  -- of the alarm's changes: 1, 2, ...
    state        text NOT NULL CHECK (state IN ('firing', 'recovered', 'withdrawn')),
    alarm        jsonb NOT NULL,                -- the alarm as it was then
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    published_at timestamptz,
    UNIQUE (alarm_id, number)
);
CREATE INDEX alarm_change_unpublished ON driftline.alarm_change (change_id) WHERE published_at IS NULL;
COMMENT ON TABLE driftline.alarm_change IS 'Each change of an alarm, once, in the transaction that changed it: what is to be published and sent.';


-- What people decide.

CREATE TABLE driftline.silence (
    silence_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id     text,                            -- NULL: all
    track      text,
    column_name text,
    starts_at  timestamptz NOT NULL DEFAULT now(),
    ends_at    timestamptz NOT NULL,
    author     text NOT NULL,
    reason     text NOT NULL,
    CHECK (ends_at > starts_at)
);
COMMENT ON TABLE driftline.silence IS 'Alarms of which nobody is to be told for a while. Wall time.';

CREATE TABLE driftline.alarm_ack (
    ack_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alarm_id text NOT NULL,
    run_id   text NOT NULL,
    verdict  text NOT NULL CHECK (verdict IN ('false', 'known', 'real')),
    note     text NOT NULL DEFAULT '',
    author   text NOT NULL,
    acked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX alarm_ack_by_alarm ON driftline.alarm_ack (alarm_id, ack_id);
COMMENT ON TABLE driftline.alarm_ack IS 'What people judged of an alarm; the newest counts.';

CREATE TABLE driftline.excluded_week (
    stream       text NOT NULL,                 -- name of the stream
    season_start timestamptz NOT NULL,
    reason       text NOT NULL,
    author       text NOT NULL,
    excluded_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (stream, season_start)
);
COMMENT ON TABLE driftline.excluded_week IS 'Seasons that are not calm, whatever the calendar says: later ones are not measured by them.';


-- Alarms that have a state are shown from when they fire until they recover; suspicions and what was withdrawn are not.

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
          FROM driftline.alarm WHERE state IS NULL OR state IN ('firing', 'recovered')) a
) moved;


-- Who may use runs may use these, whichever login brings the tables up to date.

DO $$
DECLARE
    held record;
    made text := 'driftline.summary_layout, driftline.window_summary, driftline.unfolded, driftline.watch,'
        ' driftline.calibration, driftline.evidence, driftline.alarm_change, driftline.silence, driftline.alarm_ack,'
        ' driftline.excluded_week';
BEGIN
    FOR held IN SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS role, a.privilege_type AS privilege
                FROM pg_class c CROSS JOIN aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
                WHERE c.oid = 'driftline.run'::regclass AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
    LOOP
        EXECUTE format('GRANT %s ON %s TO %s', held.privilege, made, held.role);
    END LOOP;
END $$;
