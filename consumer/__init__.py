"""The consumer: decodes, scores and windows records, and commits rows, offsets and watermark together.

Others start it with `consumer.stage.run` and `consumer.settings`; no other stage imports it.
"""
