-- Whom to tell of alarms, and what they were told.

CREATE TABLE driftline.notification_target (
    target        text PRIMARY KEY,             -- its name: part of its address, nothing secret, and a hash
    stream        text,                         -- name of the stream whose alarms it is told of; NULL: all
    tracks        text[] NOT NULL,
    added_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    holder        text,                         -- the process that serves it
    held_until    timestamptz,                  -- until then nobody else does
    served_at     timestamptz,
    failing_since timestamptz,                  -- NULL: the newest attempt succeeded
    error         text                          -- why it did not, without anything secret
);
COMMENT ON TABLE driftline.notification_target IS 'Addresses that notifiers send to, except for what is secret of them. Wall time.';

CREATE TABLE driftline.notification (
    target    text NOT NULL REFERENCES driftline.notification_target ON DELETE CASCADE,
    change_id bigint NOT NULL REFERENCES driftline.alarm_change ON DELETE CASCADE,
    outcome   text NOT NULL CHECK (outcome IN ('sent', 'silenced', 'before')),
    reminders int NOT NULL DEFAULT 0,           -- that followed it
    sent_at   timestamptz NOT NULL DEFAULT clock_timestamp(), -- it, or the newest reminder
    PRIMARY KEY (target, change_id)
);
CREATE INDEX notification_by_change ON driftline.notification (change_id);
COMMENT ON TABLE driftline.notification IS 'Which changes of alarms need not be sent any more. sent: they were. silenced: the alarm fired and ended while it was silenced. before: they were made before the target was added.';


-- Who may use runs may use these, whichever login brings the tables up to date.

DO $$
DECLARE
    held record;
BEGIN
    FOR held IN SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS role, a.privilege_type AS privilege
                FROM pg_class c CROSS JOIN aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
                WHERE c.oid = 'driftline.run'::regclass AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
    LOOP
        EXECUTE format('GRANT %s ON driftline.notification_target, driftline.notification TO %s', held.privilege, held.role);
    END LOOP;
END $$;
