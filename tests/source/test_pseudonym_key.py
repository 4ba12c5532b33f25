"""The secret key: where it comes from, where it may not lie, and what is made under it."""

import hashlib
import hmac

import pytest

from smsroi_helpers.errors import UsageError
from smsroi_helpers.source.pseudonym_key import find_key, key_id, pseudonym, read_key

KEY = b"correct horse battery staple, and a bit"


class TestTheKey:
    def test_it_comes_from_a_file_or_the_environment_without_its_line_end(self, tmp_path, monkeypatch):
        (tmp_path / "key").write_bytes(KEY + b"\r\n")
        assert read_key(tmp_path / "key", "data/x") == KEY
        monkeypatch.setenv("SMSROI_KEY", KEY.decode())
        assert read_key(None, "data/x") == KEY

    def test_none_at_all(self):
        with pytest.raises(
            UsageError, match=r"a secret key of at least 32 bytes is needed.*SMSROI_KEY.*--key-file.*token_hex"
        ):
            read_key(None, "data/x")

    def test_31_bytes_are_too_few_and_32_are_enough(self, tmp_path, monkeypatch):
        monkeypatch.setenv("SMSROI_KEY", "k" * 31)
        with pytest.raises(UsageError, match="SMSROI_KEY has 31 bytes; a key needs at least 32"):
            read_key(None, "data/x")
        (tmp_path / "key").write_bytes(b"k" * 31 + b"\n\n\n")
        with pytest.raises(UsageError, match="the key file has 31 bytes"):
            read_key(tmp_path / "key", "data/x")
        monkeypatch.setenv("SMSROI_KEY", "密" * 11)
        assert len(read_key(None, "data/x")) == 33

    @pytest.mark.parametrize("place", ["project", "source"])
    def test_it_may_not_lie_beside_what_it_protects(self, tmp_path, monkeypatch, place):
        monkeypatch.setenv("SMSROI_PROJECT", str(tmp_path / "project"))
        for folder in ("project", "source"):
            (tmp_path / folder).mkdir()
        file = tmp_path / place / "key"
        file.write_bytes(KEY)
        (tmp_path / "link").symlink_to(file)
        for name in (file, tmp_path / "link"):
            with pytest.raises(UsageError, match=f"the key file is inside the {place}"):
                read_key(name, tmp_path / "source")

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(UsageError, match="the key file nokey cannot be read"):
            read_key(tmp_path / "nokey", "data/x")

    def test_its_id_is_of_a_hash_of_its_own(self):
        assert key_id(KEY) == hashlib.sha256(b"smsroi key id:" + KEY).hexdigest()[:8]
        assert key_id(KEY) != hashlib.sha256(KEY).hexdigest()[:8]

    def test_the_environment_can_name_its_file(self, tmp_path, monkeypatch):
        (tmp_path / "key").write_bytes(KEY + b"\n")
        monkeypatch.setenv("SMSROI_KEY_FILE", str(tmp_path / "key"))
        assert read_key(None, "data/x") == find_key("data/x") == KEY
        monkeypatch.setenv("SMSROI_KEY", "k" * 32)
        assert find_key("data/x") == b"k" * 32

    def test_without_a_key_there_is_none_and_a_bad_key_is_an_error(self, monkeypatch):
        assert find_key("data/x") is None
        assert key_id(None) == ""
        monkeypatch.setenv("SMSROI_KEY", "short")
        with pytest.raises(UsageError, match="SMSROI_KEY has 5 bytes"):
            find_key("data/x")


def test_a_pseudonym_is_what_any_other_language_makes_of_it():
    assert pseudonym("张三", KEY) == hmac.new(KEY, "张三".encode(), hashlib.sha256).hexdigest()[:32]
