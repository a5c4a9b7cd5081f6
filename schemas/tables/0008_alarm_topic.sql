-- Changes of alarms are published to Kafka by one process at a time.

INSERT INTO driftline.claim VALUES (1024);
COMMENT ON TABLE driftline.claim IS 'Whoever computes a window has the row of its hash locked meanwhile; whoever publishes changes of alarms has 1024. Who may only read can lock none.';
