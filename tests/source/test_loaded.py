"""The last day observed."""

from pathlib import Path

import pytest

from smsroi_helpers.errors import DataError
from smsroi_helpers.source import read_before
from smsroi_helpers.source.loaded import resolve_as_of
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import open_shop

ORDERS = (
    "order_id,customer_id,ordered_at,amount\n"
    "001,ann,2024-03-01 10:00:00,12.5\n"
    "002,bob,2024-03-02,7\n"
    "003,ann,2024-03-05T23:30:00+08:00,-2.25\n"
)


class TestAsOf:
    def test_it_is_the_last_order_or_message(self, make_source, tmp_path):
        messages = "message_id,customer_id,campaign_id,sent_at\nm,ann,c,2024-04-01\n"
        assert resolve_as_of(load(make_source(orders=ORDERS), tmp_path / "one"), "") == "2024-03-05"
        assert resolve_as_of(load(make_source(messages=messages), tmp_path / "two"), "") == "2024-04-01"

    def test_it_is_never_later_than_today(self, make_source, tmp_path):
        folder = make_source(orders=ORDERS + "004,ann,2999-01-01,1\n")
        assert resolve_as_of(load(folder, tmp_path / "into"), "") == "2024-03-05"

    def test_scheduled_sends_do_not_count(self, make_source, tmp_path):
        messages = (
            "message_id,customer_id,campaign_id,sent_at,delivered_at\n"
            "m,ann,c,2024-03-06 10:00:00,2024-03-06 10:00:05\nn,ann,c,2024-04-01,\n"
        )
        folder = make_source(orders=ORDERS, messages=messages)
        assert resolve_as_of(load(folder, tmp_path / "into"), "") == "2024-03-06"

    def test_before_the_first_order_there_is_nothing_to_see(self, make_source, tmp_path):
        loaded = load(make_source(orders=ORDERS), tmp_path / "into")
        with pytest.raises(DataError, match=r"as_of 2024-02-29 is before the first order \(2024-03-01\)"):
            resolve_as_of(loaded, "2024-02-29")


class TestReadOnce:
    """A second call reads `source.json` alone."""

    @staticmethod
    def written(folder):
        return (folder / "source.json").stat().st_mtime_ns

    def test_also_on_a_later_day(self, make_source, tmp_path, monkeypatch):
        source, into = make_source(orders=ORDERS), tmp_path / "into"
        monkeypatch.setattr(read_before, "today", lambda _settings: "2024-03-05")
        first, then = load(source, into), self.written(into)
        monkeypatch.setattr(read_before, "today", lambda _settings: "2024-03-06")
        assert load(source, into) == first
        assert self.written(into) == then

    def test_but_not_if_times_lay_in_the_future(self, make_source, tmp_path, monkeypatch):
        """An order of tomorrow is observed tomorrow: the last day observed is that of a fresh reading."""
        source, into = make_source(orders=ORDERS), tmp_path / "into"
        monkeypatch.setattr(read_before, "today", lambda _settings: "2024-03-04")
        load(source, into)
        then = self.written(into)
        load(source, into)
        assert self.written(into) == then
        monkeypatch.setattr(read_before, "today", lambda _settings: "2024-03-05")
        load(source, into)
        assert self.written(into) > then

    def test_also_after_the_folder_was_moved(self, make_source, tmp_path):
        source, into, there = make_source(orders=ORDERS), tmp_path / "into", tmp_path / "there"
        load(source, into)
        then = self.written(into)
        into.rename(there)
        loaded = load(source, there)
        assert self.written(there) == then
        assert loaded.output_folder == str(there)
        assert all(Path(path).parent == there for path in loaded.tables["orders"].paths)
        assert open_shop(loaded, "", tmp_path / "cache").orders.count().execute() == 3
