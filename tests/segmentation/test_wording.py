"""Sentences that the numbers choose."""

import pandas as pd

from smsroi_helpers.segmentation import rfm, wording
from tests.segmentation.samples import HEAD


def test_where_most_bought_once_no_tie_is_split_and_the_page_says_what_that_means(make_source, open_source):
    lines = [f"{i},c{i},2024-0{1 + i % 6}-{1 + i % 28:02},{10 + i}" for i in range(60)]
    lines += [f"r{i}{j},d{i},2024-0{1 + j}-{1 + i % 28:02},{20 + i}" for i in range(40) for j in range(2 + i % 3)]
    shop = open_source(make_source(orders=HEAD + "\n".join(lines) + "\n"))
    scores = rfm.score_table(shop)
    often = scores[scores["measure"] == "frequency"]
    once = often[often["most"] == 1]
    assert once["customers"].tolist() == [60]
    assert once["score"].tolist() == [1]
    assert "60% of customers have ordered once" in wording.once_sentence(scores)


def test_clusters_are_named_by_what_marks_them():
    profiles = pd.DataFrame(
        [("A", "rate", "", 1.4), ("A", "attr_level", "gold", 0.9),
         ("B", "rate", "", -0.6),
         ("B", "attr_level", "gold", -0.5), ("C", "rate", "", 0.1)],
        columns=["cluster", "feature", "value", "distance"],
    )  # fmt: skip
    assert wording.name_clusters(profiles) == {"A": "buy often, level gold", "B": "buy rarely", "C": "the middle"}
