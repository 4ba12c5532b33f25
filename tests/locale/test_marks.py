"""The search for half-width marks in Chinese pages finds them, and nothing else."""

import pytest

from tests.locale.marks import HALF_WIDTH, visible_texts


@pytest.mark.parametrize("text", [
    "实验时段的实验. 实验中", "很少点击; 尚未收到短信", "故事: 九折", "送达率, 点击率", "分群 (RFM)",
    "分群(按消费)", "好吗?",
])  # fmt: skip
def test_a_half_width_mark_between_chinese_words_is_found(text):
    assert HALF_WIDTH.search(text)


@pytest.mark.parametrize("text", [
    "1. 各组随机分配", "P(alive) 低", "频率。H(d) 是", "14:00 至 15:00", "分群（RFM）", "1,000 条", "95% 置信区间",
])  # fmt: skip
def test_marks_of_numbers_and_formulas_stay(text):
    assert not HALF_WIDTH.search(text)


def test_a_page_is_read_by_blocks_with_its_descriptions_and_without_code(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        '<style>a: 好</style><p>一<b>二</b>, <a aria-label="三, 四">五</a></p><ul><li>六<li>七</ul><code>f(好)</code>',
        encoding="utf-8",
    )
    assert visible_texts(page) == ["一二,", "三, 四", "五", "六", "七"]
