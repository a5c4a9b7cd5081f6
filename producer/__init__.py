"""The producer: replays trips onto Kafka in event-time order, the same records at any speed and after any crash.

Others start it with `producer.stage.run` and `producer.settings`; `train` reads trips through `producer.sources`.
"""
