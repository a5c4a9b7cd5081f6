-- name: write_chunk
INSERT INTO driftline.chunk (run_id, topic, partition, first_offset, last_offset, rows, payload)
VALUES (%(run_id)s, %(topic)s, %(partition)s, %(first_offset)s, %(last_offset)s, %(rows)s, %(payload)s);

-- name: write_panes
-- The index of a chunk: where each pane's rows are in it.
INSERT INTO driftline.pane (run_id, topic, pane_start, partition, first_offset, first_row, rows)
SELECT %(run_id)s, %(topic)s, timestamptz 'epoch' + start_ms * interval '1 millisecond', %(partition)s,
       %(first_offset)s, first_row, rows
FROM unnest(%(pane_starts)s::bigint[], %(first_rows)s::int[], %(counts)s::int[]) AS pane (start_ms, first_row, rows);
