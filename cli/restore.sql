-- name: begin
-- Whoever still uses the tables would have to be waited for. Errors come with their SQLSTATE: their words may be in
-- any language.
\set VERBOSITY verbose
BEGIN;
SET LOCAL lock_timeout = '10s';
DROP SCHEMA IF EXISTS driftline CASCADE;
CREATE SCHEMA driftline;

-- name: commit
COMMIT;

-- name: runs
SELECT count(*)::int FROM driftline.run;

-- name: active
-- Stages that have just said how they are.
SELECT stage, instance FROM driftline.health WHERE at BETWEEN now() - interval '10 seconds' AND now() + interval '10 seconds' ORDER BY 1, 2;

-- name: patience
-- Whoever works with the tables is waited for so long.
SET lock_timeout = '10s';

-- name: writer
-- Whether the tables are to belong to the writer, where that is another than who restores them.
SELECT coalesce((SELECT pg_has_role(current_user, r.oid, CASE WHEN current_setting('server_version_num')::int < 160000
                                                               THEN 'MEMBER' ELSE 'SET' END) AND r.rolname <> current_user
                 FROM pg_roles r WHERE r.rolname = 'driftline'), false);
