-- name: holders
-- Who else has used tables of ours in a transaction that has not ended.
SELECT DISTINCT a.pid, coalesce(nullif(a.application_name, ''), a.usename, a.backend_type)
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.granted AND a.pid <> pg_backend_pid() AND l.database = a.datid AND a.datname = current_database()
  AND l.relation IN (SELECT oid FROM pg_class WHERE relnamespace = to_regnamespace('driftline'))
ORDER BY 2, 1;
