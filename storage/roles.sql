-- Who may do what in this database. Roles belong to the whole server; what they may do, to this database.

-- name: create
-- A role without a login, unless it is there. Two databases of one server may be prepared at once.
DO $$ BEGIN
    CREATE ROLE {role} NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

-- name: login
-- The password comes as a verifier, so that no log of the server holds it.
ALTER ROLE {role} LOGIN PASSWORD {verifier};

-- name: join
-- Who made the writer without being a superuser may give it away, but neither be it nor use what will be its own.
-- Before PostgreSQL 16 they may, and no grant says more.
DO $$ BEGIN
    IF current_setting('server_version_num')::int < 160000 THEN
        IF NOT pg_has_role(current_user, 'driftline', 'MEMBER') THEN
            GRANT driftline TO CURRENT_USER;
        END IF;
    ELSIF NOT pg_has_role(current_user, 'driftline', 'SET') THEN
        EXECUTE 'GRANT driftline TO CURRENT_USER WITH INHERIT TRUE, SET TRUE';
    END IF;
END $$;

-- name: own
-- The writer owns the schema and all in it, so that it may bring it up to date; it is no superuser.
DO $$
DECLARE found record;
BEGIN
    EXECUTE format('GRANT CREATE ON DATABASE %I TO driftline', current_database());
    ALTER SCHEMA driftline OWNER TO driftline;
    FOR found IN SELECT c.oid::regclass AS name FROM pg_class c
                 WHERE c.relnamespace = 'driftline'::regnamespace AND c.relkind IN ('r', 'v')
                   AND c.relowner <> 'driftline'::regrole
    LOOP EXECUTE format('ALTER TABLE %s OWNER TO driftline', found.name); END LOOP;
    FOR found IN SELECT p.oid::regprocedure AS name FROM pg_proc p
                 WHERE p.pronamespace = 'driftline'::regnamespace AND p.proowner <> 'driftline'::regrole
    LOOP EXECUTE format('ALTER FUNCTION %s OWNER TO driftline', found.name); END LOOP;
END $$;

-- name: limit
-- Each may change these for a session of its own: what is not granted stays refused.
ALTER ROLE {role} CONNECTION LIMIT 40;
ALTER ROLE {role} SET default_transaction_read_only = on;
ALTER ROLE {role} SET statement_timeout = '30s';
ALTER ROLE {role} SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE {role} SET idle_session_timeout = '15min';
ALTER ROLE {role} SET search_path = driftline, public;

-- name: read
-- Everything but the records themselves, which whoever may look at a dashboard need not see. No temporary tables and
-- large objects, which anybody may make otherwise, and nothing in schema public.
DO $$
DECLARE lock regprocedure;
BEGIN
    EXECUTE format('REVOKE TEMPORARY, CREATE ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO driftline_reader, driftline_board', current_database());
    IF to_regrole('driftline') IS NOT NULL THEN
        EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO driftline', current_database());
    END IF;
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        REVOKE EXECUTE ON FUNCTION lo_creat(int), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC;
        -- Of each session: sorting all there is must not fill the disk. Only a superuser may raise it.
        ALTER ROLE driftline_reader SET temp_file_limit = '1GB';
        ALTER ROLE driftline_board SET temp_file_limit = '1GB';
        -- Some ten thousand of these locks fill the memory that the locks of all sessions share.
        FOR lock IN SELECT p.oid::regprocedure FROM pg_proc p
                    WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname ~ '^pg_(try_)?advisory_(xact_)?lock'
                      AND has_function_privilege('public', p.oid, 'EXECUTE')
        LOOP EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', lock); END LOOP;
    END IF;
END $$;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA driftline TO driftline_reader, driftline_board;
GRANT SELECT ON ALL TABLES IN SCHEMA driftline TO driftline_reader, driftline_board;
REVOKE SELECT ON driftline.chunk, driftline.dead_letter FROM driftline_reader;
GRANT SELECT (run_id, topic, partition, first_offset, last_offset, rows) ON driftline.chunk TO driftline_reader;
GRANT SELECT (topic, partition, kafka_offset, run_id, reason, event_time, written_at)
    ON driftline.dead_letter TO driftline_reader;
