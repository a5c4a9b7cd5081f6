-- Errors that are estimated before labels come.

ALTER TABLE driftline.window_result ADD COLUMN estimated_mae double precision;
COMMENT ON COLUMN driftline.window_result.estimated_mae IS 'Of events: the mean absolute error that their columns make expect, in the unit of the label. NULL: not estimated; where that is because it would not be reliable, column_metric says why.';

ALTER TABLE driftline.alarm ADD COLUMN estimated double precision, ADD COLUMN unestimated text;
COMMENT ON COLUMN driftline.alarm.estimated IS 'How far the mean absolute error is expected to be above the usual at most, as a share, by the events alone.';
COMMENT ON COLUMN driftline.alarm.unestimated IS 'Why that is not known.';

COMMENT ON COLUMN driftline.evidence.errors IS 'Of labels: those with an error, their absolute errors added up, and what labels of the same hours usually add up to, in one unit. Of events: how many, their values that were rare in the training, what their absolute errors are expected to add up to, and what they usually are. NULL: not known.';
