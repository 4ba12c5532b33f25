"""The terms of feedback: words and phrases in English and Chinese, without parts of longer ones."""

from smsroi_helpers.segmentation.feedback_terms import chinese_words, drop_parts, read_terms


def test_words_that_carry_no_meaning_are_inside_phrases_only():
    assert read_terms("Love the quality") == {"love", "quality", "love the quality"}
    assert read_terms("The of and") == set()


def test_phrases_stop_at_punctuation_and_have_at_most_four_words():
    assert "clothes expensive" not in read_terms("Nice clothes, expensive")
    found = read_terms("red blue green yellow purple")
    assert "red blue green yellow" in found
    assert max(term.count(" ") for term in found) == 3


def test_chinese_terms_are_words_and_phrases_not_pairs_of_signs():
    found = read_terms("质量很好，很喜欢。")
    assert {"质量", "质量很好", "喜欢"} <= found
    assert not {"很喜", "量很", "好", "很喜欢"} & found
    assert chinese_words("衣服不错") == ["衣服", "不错"]


def test_capitals_and_mixed_languages():
    assert read_terms("DELIVERY slow 发货慢") >= {"delivery", "slow", "delivery slow"}


def test_a_part_of_a_phrase_is_dropped_unless_it_is_written_without_it():
    people = {"delivery": 100.0, "slow": 42.0, "delivery slow": 40.0, "price": 50.0}
    assert drop_parts(people) == {"delivery", "delivery slow", "price"}
    assert drop_parts(people | {"delivery": 44.0}) == {"delivery slow", "price"}
