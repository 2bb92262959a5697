import re

from naftiko_run.sandbox.unkey.ids import base58, hash_key, new_id, new_key, sort_key


def test_an_id_is_a_prefix_and_nine_letters_or_digits() -> None:
    made = {new_id("key") for _ in range(1000)}
    assert len(made) == 1000
    assert all(re.fullmatch("key_[a-zA-Z0-9]{9}", each) for each in made)


def test_ids_sort_without_case_and_lower_case_first_on_ties() -> None:
    ids = ["key_CHdR", "key_a", "key_bLbg", "key_AvaL", "key_A", "key_5Ahe", "key_aa", "key_z9"]
    in_order = ["key_5Ahe", "key_a", "key_A", "key_aa", "key_AvaL", "key_bLbg", "key_CHdR"]
    assert sorted(ids, key=sort_key) == [*in_order, "key_z9"]


def test_base58_has_no_look_alikes_and_keeps_leading_zeros() -> None:
    assert base58(b"\x00\x00\x01") == "112"
    assert base58(b"hello world") == "StV1DL6CwTryKyV"


def test_a_key_starts_with_its_prefix_and_is_as_long_as_its_bytes() -> None:
    key, start = new_key("prod", 32)
    assert re.fullmatch("prod_[1-9A-HJ-NP-Za-km-z]{41,45}", key)
    assert start == key[:9]
    assert len(new_key("", 255)[0]) in range(345, 352)


def test_only_the_hash_of_a_key_is_stored() -> None:
    assert hash_key("abc") == "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="
