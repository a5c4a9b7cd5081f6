-- name: hand_over
-- To the owner of the schema's first table, whatever belongs to the login that has just made it.
DO $$
DECLARE
    made record;
    login oid := (SELECT oid FROM pg_roles WHERE rolname = current_user);
    owner oid := (SELECT relowner FROM pg_class WHERE oid = 'driftline.migration'::regclass);
BEGIN
    IF login = owner THEN RETURN; END IF;
    FOR made IN SELECT oid::regclass AS name FROM pg_class
                WHERE relnamespace = 'driftline'::regnamespace AND relkind IN ('r', 'v') AND relowner = login
    LOOP EXECUTE format('ALTER TABLE %s OWNER TO %s', made.name, owner::regrole); END LOOP;
    FOR made IN SELECT oid::regprocedure AS name FROM pg_proc
                WHERE pronamespace = 'driftline'::regnamespace AND proowner = login
    LOOP EXECUTE format('ALTER FUNCTION %s OWNER TO %s', made.name, owner::regrole); END LOOP;
END $$;
