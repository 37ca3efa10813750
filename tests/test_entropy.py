"""Ids are what `uuid` would make, and no byte is given twice."""

import uuid

from tenuto.server import Entropy


def test_an_id_is_a_uuid_of_version_4() -> None:
    entropy = Entropy()
    ids = [entropy.uuid() for _ in range(2000)]
    assert len(set(ids)) == 2000
    for text in ids:
        parsed = uuid.UUID(text)
        assert str(parsed) == text and parsed.version == 4 and parsed.variant == uuid.RFC_4122


def test_any_count_of_bytes_is_had() -> None:
    entropy = Entropy()
    assert [len(entropy(count)) for count in (0, 1, 4095, 16, 4096, 9000, 7)] == [
        0,
        1,
        4095,
        16,
        4096,
        9000,
        7,
    ]
