-- What people look at while a run goes on: how long a window took, and how the stages did a while ago.

ALTER TABLE driftline.window_result
    ADD COLUMN latency_ms double precision,     -- from the flush that closed it to its row; never changes on upsert
    ADD COLUMN compute_ms double precision;     -- to compute its figures, the last time

-- These name what is always so, to be out of reach of the check that a column has its window: planned while the table
-- is small and not analysed, it would take them for as good as the primary key, and read a run's windows for each column.
DROP INDEX driftline.window_result_by_time;
CREATE INDEX window_result_by_time ON driftline.window_result (run_id, written_at) WHERE written_at IS NOT NULL;
CREATE INDEX window_result_by_close ON driftline.window_result (run_id, closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX dead_letter_by_written ON driftline.dead_letter (run_id, written_at);

CREATE TABLE driftline.health_sample (
    at        timestamptz NOT NULL,
    stage     text NOT NULL,
    instance  text NOT NULL,
    run_id    text,
    measures  jsonb NOT NULL
);
CREATE INDEX health_sample_by_time ON driftline.health_sample (at);
COMMENT ON TABLE driftline.health_sample IS 'What was in health before, kept for a day.';

CREATE FUNCTION driftline.keep_health() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO driftline.health_sample VALUES (NEW.at, NEW.stage, NEW.instance, NEW.run_id, NEW.measures);
    DELETE FROM driftline.health_sample WHERE at < NEW.at - interval '1 day';
    RETURN NULL;
END $$;
CREATE TRIGGER keep_health AFTER INSERT OR UPDATE ON driftline.health
    FOR EACH ROW EXECUTE FUNCTION driftline.keep_health();
