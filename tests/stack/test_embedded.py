import psycopg
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

pytestmark = pytest.mark.integration


def test_a_test_has_its_own_migrated_database(database):
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM driftline.run").fetchone() == (0,)


def test_a_test_has_its_own_topics(kafka_config, prefix):
    admin = AdminClient(kafka_config)
    for created in admin.create_topics([NewTopic(f"{prefix}trips", 4, 1)]).values():
        created.result(timeout=10)
    assert len(admin.list_topics(timeout=10).topics[f"{prefix}trips"].partitions) == 4
