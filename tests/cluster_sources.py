"""Sources whose experiment assigned households, with customers of one household alike."""

import datetime as dt

import numpy as np
import pandas as pd

from tests.experiment_sources import END, START, open_folder

DAY = dt.timedelta(days=1)


def draw_households(rng, households, *, alike=0.3, lift=0.0, sizes=(3, 10)):
    """Customers of households, half of these treated: household, treated, before and after (orders), correlated.

    A customer's rate of orders has the household's part and their own, in the proportion `alike` of its variance.
    """
    size = rng.integers(sizes[0], sizes[1] + 1, households)
    household = np.repeat(np.arange(households), size)
    treated = np.repeat(rng.permutation(households) % 2 == 1, size)
    shared, own = rng.standard_normal(households)[household], rng.standard_normal(len(household))
    level = np.sqrt(alike) * shared + np.sqrt(1 - alike) * own
    after = 2.0 + level + lift * treated
    before = 2.0 + 0.8 * level + 0.6 * rng.standard_normal(len(household))
    return pd.DataFrame({"household": household, "treated": treated, "before": before, "after": after})


def open_households(place, people, *, days=None, clusters=True, ended=True, kind="content", primary="revenue"):
    """A shop of these customers: revenue `before` and `after` as one order each, which may be 0.

    Args:
        place: an empty folder.
        people: household, treated, before, after (≥ 0), and perhaps arm and clicked.
        days: days after the start on which each is assigned; all on the first by default.
        clusters: whether assignments have a cluster_id; null where household is below 0.
        ended: whether the experiment has ended.
        kind: of the experiment.
        primary: its metric.
    """
    folder = place / "source"
    folder.mkdir(parents=True, exist_ok=True)
    days = np.zeros(len(people), int) if days is None else days
    arm = people["arm"] if "arm" in people else np.where(people["treated"], "b", "a")
    assigned = [START + int(day) * DAY for day in days]
    rows = pd.DataFrame({"customer_id": [f"c{i}" for i in range(len(people))], "arm": arm, "at": assigned})
    cluster = ["" if h < 0 else f"h{h}" for h in people["household"]] if clusters else [""] * len(people)
    orders = [
        f"b{i},c{i},{at - DAY},{y}" for i, (at, y) in enumerate(zip(assigned, people["before"], strict=True)) if y
    ]
    orders += [
        f"a{i},c{i},{at + DAY},{y}" for i, (at, y) in enumerate(zip(assigned, people["after"], strict=True)) if y
    ]
    tables = {
        "experiments": ["experiment_id,kind,control_arm,started_at,ended_at,primary_metric",
                        f"x,{kind},a,{START},{END if ended else ''},{primary}"],
        "arms": ["experiment_id,arm,share,messages_per_week", "x,a,0.5,1", "x,b,0.5,2"],
        "assignments": ["experiment_id,customer_id,arm,assigned_at" + (",cluster_id" if clusters else ""),
                        *(f"x,{r.customer_id},{r.arm},{r.at}" + (f",{c}" if clusters else "")
                          for r, c in zip(rows.itertuples(), cluster, strict=True))],
        "orders": ["order_id,customer_id,ordered_at,amount", f"first,z,{START - 90 * DAY},1",
                   f"last,z,{END + 5 * DAY},1", *orders],
    }  # fmt: skip
    if "clicked" in people:
        tables["messages"] = ["message_id,customer_id,campaign_id,sent_at,cost,clicked_at"]
        tables["messages"] += [
            f"m{i}-{k},c{i},k,{at + DAY * (1 + k)},0,"
            + (f"{at + DAY * (1 + k) + dt.timedelta(seconds=600 + 37 * i)}" if k < clicked else "")
            for i, (at, clicked) in enumerate(zip(assigned, people["clicked"], strict=True))
            for k in range(2)
        ]
    for name, lines in tables.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return open_folder(folder, place)
