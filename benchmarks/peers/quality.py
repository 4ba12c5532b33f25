"""Is the log fit to analyse, in pandas: what an analyst would compute of a simulated company for `00_quality`.

    python -m benchmarks.peers.quality FOLDER

It covers, of the files as they are: rows, missing required values, duplicate keys, amounts and costs out of range,
times out of order, and first and last day of every table; what orders and messages cover (customers, money, days, gaps,
deliveries, human clicks, opt-outs); rows by week; customers shared between tables; the price of messages by channel. It
leaves out the contract's other rules and warnings, rejected rows with their reasons, guests and merged rows, other time
zones, formats and encodings, and which notebooks can run. The workbook judges the rows when it loads a source, which is
measured by itself: `00_quality` reads what was loaded.
"""

import sys
from pathlib import Path

import pandas as pd
from pyarrow import parquet

from benchmarks.peers import company

REQUIRED = {
    "orders": ["order_id", "customer_id", "ordered_at", "amount"], "customers": ["customer_id"],
    "messages": ["message_id", "customer_id", "campaign_id", "sent_at"], "visits": ["customer_id", "visited_at"],
    "assignments": ["experiment_id", "customer_id", "arm", "assigned_at"], "plans": ["plan_id", "customer_id"],
    "feedback": ["customer_id", "responded_at"], "campaigns": ["campaign_id"], "creatives": ["campaign_id", "variant"],
    "experiments": ["experiment_id"], "arms": ["experiment_id", "arm"], "external_metrics": ["metric", "at"],
}  # fmt: skip
UNIQUE = {
    "orders": ["order_id"], "messages": ["message_id"], "customers": ["customer_id"], "campaigns": ["campaign_id"],
    "assignments": ["experiment_id", "customer_id"], "arms": ["experiment_id", "arm"],
}  # fmt: skip


def tables(folder: str) -> dict[str, pd.DataFrame]:
    """The tables by name."""
    data, rules = {}, {}
    for name, required in REQUIRED.items():
        if name == "messages":
            rows = company.read_messages(folder, [*required, "channel", "cost", "opted_out_at"])
        else:
            source = Path(folder) / name
            rows = pd.read_parquet(source if source.exists() else source.with_suffix(".parquet"))
        broken = {"missing": int(rows[required].isna().any(axis=1).sum()), "rows": len(rows)}
        if name in UNIQUE:
            broken["duplicates"] = int(rows.duplicated(UNIQUE[name]).sum())
        time = next((column for column in required if column.endswith("_at")), None)
        if time:
            days = company.local(rows[time]).dt.floor("D")
            rules[name] = broken | {"first": days.min(), "last": days.max(), "days": days.nunique()}
            data[name] = rows.assign(day=days)
        else:
            rules[name], data[name] = broken, rows
    orders, messages, people = (data[name] for name in ("orders", "messages", "customers"))
    rules["messages"] |= {
        "negative": int((messages["cost"] < 0).sum()),
        "early": int((messages["delivered_at"] < messages["sent_at"]).sum()),
        "clicked early": int((messages["clicked_at"] < messages["sent_at"]).sum()),
    }  # fmt: skip
    rules["orders"] |= {"negative": int((orders["discount"] < 0).sum()),
                        "twice": int(orders.duplicated(["customer_id", "ordered_at", "amount"]).sum())}  # fmt: skip
    rules["customers"] |= {"left early": int((people["opted_out_at"] < people["opted_in_at"]).sum())}
    paid, back = orders[orders["amount"] >= 0], orders[orders["amount"] < 0]
    left = pd.concat([each[["customer_id", "opted_out_at"]].dropna() for each in (people, messages)])
    gaps = {name: pd.Series(sorted(rows["day"].unique())).diff().dt.days.max() - 1
            for name, rows in (("orders", paid), ("messages", messages))}  # fmt: skip
    coverage = {
        "buyers": paid["customer_id"].nunique(), "orders": len(paid), "refunds": len(back),
        "paid": paid["amount"].sum(), "net_paid": orders["amount"].sum(),
        "unknown": int((~paid["customer_id"].isin(people["customer_id"])).sum()),
        "order gap": gaps["orders"], "message gap": gaps["messages"], "messages": len(messages),
        "addressees": messages["customer_id"].nunique(), "delivered": int(messages["delivered_at"].notna().sum()),
        "clicked": int(messages["human"].sum()), "opted_out": left["customer_id"].nunique(),
    }  # fmt: skip
    weeks = {name: data[name].groupby(data[name]["day"].dt.to_period("W")).size()
             for name in ("orders", "messages", "visits")}  # fmt: skip
    owners = {name: pd.Series(rows["customer_id"].unique()) for name, rows in data.items() if "customer_id" in rows}
    overlap = {name: {"customers": len(own), "in_orders": own.isin(owners["orders"]).mean(),
                      "in_customers": own.isin(owners["customers"]).mean()}
               for name, own in owners.items()}  # fmt: skip
    prices = messages.groupby("channel")["cost"].agg(["size", "count", "mean"])
    columns = [path for path in sorted(Path(folder).rglob("*.parquet")) if "truth" not in path.parts]
    present = {path.parent.name if path.stem.startswith("part") else path.stem: parquet.read_schema(path).names
               for path in columns}  # fmt: skip
    return {
        "rules": pd.DataFrame(rules).T, "coverage": pd.Series(coverage).to_frame("value"), "weeks": pd.DataFrame(weeks),
        "overlap": pd.DataFrame(overlap).T, "prices": prices,
        "columns": pd.Series(present).map(len).to_frame("columns"),
    }  # fmt: skip


def main(folder: str) -> None:
    """Compute the tables and print how many rows they have."""
    print({name: len(table) for name, table in tables(folder).items()})


if __name__ == "__main__":
    main(sys.argv[1])
