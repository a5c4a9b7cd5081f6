-- What people look at while a run goes on: how long a window took, and how the stages did a while ago.

ALTER TABLE driftline.window_result
    ADD COLUMN latency_ms double precision,     -- from the flush that closed it to its row; never changes on upsert
    ADD COLUMN compute_ms double precision;     -- to compute its figures, the last time

CREATE INDEX window_result_by_close ON driftline.window_result (run_id, closed_at);
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
