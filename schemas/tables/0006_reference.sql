-- Which reference the windows of a run are compared with, where no model scored it.

ALTER TABLE driftline.run ADD COLUMN reference text;
COMMENT ON COLUMN driftline.run.reference IS 'Hash of the artifact with whose reference its windows are compared, where its records carry their predictions: the one that the monitor of its first window had. NULL: there is no window yet, or `model` says it.';
