-- name: write_chunks
INSERT INTO driftline.chunk (run_id, topic, partition, first_offset, last_offset, rows, payload)
SELECT run_id, %(topic)s, %(partition)s, first_offset, last_offset, rows, payload
FROM unnest(%(run_ids)s::text[], %(first_offsets)s::bigint[], %(last_offsets)s::bigint[], %(rows)s::int[],
            %(payloads)b::bytea[]) AS chunk (run_id, first_offset, last_offset, rows, payload);

-- name: write_panes
-- The index of chunks: where each pane's rows are in them.
INSERT INTO driftline.pane (run_id, topic, pane_start, partition, first_offset, first_row, rows)
SELECT run_id, %(topic)s, timestamptz 'epoch' + start_ms * interval '1 millisecond', %(partition)s,
       first_offset, first_row, rows
FROM unnest(%(run_ids)s::text[], %(first_offsets)s::bigint[], %(pane_starts)s::bigint[], %(first_rows)s::int[],
            %(counts)s::int[]) AS pane (run_id, first_offset, start_ms, first_row, rows);
