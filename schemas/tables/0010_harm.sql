-- Of windows of labels, how large the errors are, and how large they usually are.

ALTER TABLE driftline.evidence ADD COLUMN errors double precision[];
COMMENT ON COLUMN driftline.evidence.errors IS 'Labels with an error, their absolute errors added up, and what labels of the same hours usually add up to, in one unit. NULL: not of labels, or not known.';
