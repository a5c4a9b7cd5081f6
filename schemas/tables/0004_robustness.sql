-- What keeps one bad record, one old run or one changed topic from stopping a consumer or losing rows in silence.

-- The event-time clock of a partition.



-- The identity and the partitions of topics.



-- Models and the runs that they scored.



-- Claims, roles and limits in Postgres.



-- Bounds on what a record may bring.



SELECT;
