"""Promise 7: records."""

import asyncio

from tenuto.store.conformance.kit import Medium, opened
from tenuto.store.spi import Record


async def check_a_record_is_made_once(medium: Medium) -> None:
    """Promise 7: ``expect=None`` holds only while there is no record."""
    async with opened(medium) as store:
        assert await store.get_record("lease", "a") is None
        version = await store.put_record("lease", "a", b"1", None)
        assert version is not None
        assert await store.put_record("lease", "a", b"2", None) is None
        assert await store.get_record("lease", "a") == Record("lease", "a", b"1", version)


async def check_a_record_changes_only_at_its_version(medium: Medium) -> None:
    """Promise 7: a change needs the version last seen, and gives a new one."""
    async with opened(medium) as store:
        first = await store.put_record("lease", "a", b"1", None)
        second = await store.put_record("lease", "a", b"2", first)
        assert second is not None and second != first
        assert await store.put_record("lease", "a", b"3", first) is None
        assert await store.put_record("lease", "never", b"3", first) is None
        assert await store.get_record("lease", "a") == Record("lease", "a", b"2", second)


async def check_a_record_is_deleted_at_its_version(medium: Medium) -> None:
    """Promise 7: deletion obeys the expectation too, and says so by a version."""
    async with opened(medium) as store:
        version = await store.put_record("lease", "a", b"1", None)
        assert version is not None
        assert await store.put_record("lease", "a", None, version + 1_000_000) is None
        assert await store.put_record("lease", "a", None, version) is not None
        assert await store.get_record("lease", "a") is None
        assert list(await store.list_records("lease")) == []


async def check_a_version_is_never_used_twice(medium: Medium) -> None:
    """Promise 7: a record made anew does not take the versions of the one deleted before."""
    seen: list[int | None] = []
    for _ in range(3):
        async with opened(medium) as store:
            seen.append(await store.put_record("lease", "a", b"1", None))
            seen.append(await store.put_record("lease", "a", b"2", seen[-1]))
            assert await store.put_record("lease", "a", None, seen[-1]) is not None
    assert len(set(seen)) == 6 and None not in seen, seen


async def check_of_rivals_one_wins(medium: Medium) -> None:
    """Promise 7: of many calls with the same expectation exactly one holds."""
    async with opened(medium) as store:
        for expect in (None, await store.put_record("lease", "b", b"0", None)):
            name = "a" if expect is None else "b"
            rivals = [store.put_record("lease", name, bytes([number]), expect) for number in range(10)]
            versions = await asyncio.gather(*rivals)
            winners = [number for number, version in enumerate(versions) if version is not None]
            assert len(winners) == 1, versions
            kept = await store.get_record("lease", name)
            assert kept and kept.value == bytes(winners) and kept.version == versions[winners[0]]


async def check_records_are_listed_by_name_within_their_kind(medium: Medium) -> None:
    """Promise 7: a list has one kind, ordered by name."""
    async with opened(medium) as store:
        for kind, name in (("n", "b"), ("n", "a"), ("l", "c"), ("n", "B")):
            await store.put_record(kind, name, f"{kind}{name}".encode(), None)
        assert [(found.name, found.value) for found in await store.list_records("n")] == [
            ("B", b"nB"),
            ("a", b"na"),
            ("b", b"nb"),
        ]
        assert list(await store.list_records("none")) == []
