"""The notifier: tells people, by mail or chat or an Alertmanager, of each change of an alarm.

Others start it with `notifier.stage.run` and `notifier.settings`; no other stage imports it. It reads what a
monitor wrote in the transaction that changed the alarm, and needs no Kafka.

    stage ─▶ courier (one thread per target) ─▶ planning, messages (pure) ─▶ apprise_target, alertmanager
"""
