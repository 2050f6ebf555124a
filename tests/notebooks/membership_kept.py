"""What the tests of chapter 12 read in a record."""

from statistics import mean

from unlearning.companion import record

SEEDS = [42, 930, 124, 114514, 3407, 5]
FOREST = {"kind": "direct_diff", "classifier": "forest"}
LINEAR = {"kind": "direct_diff", "classifier": "linear"}


class Kept:
    """The record of one model; areas are means over its seeds."""

    def __init__(self, model):
        self.record = record.load(f"membership-inference-membership-{model}")
        self.values = self.record["values"]

    def finding(self, claim, criterion):
        wanted = (f"hfocu-figure-{claim}", criterion)
        found = self.record["findings"]
        (one,) = (f for f in found if (f["claim"], f["criterion"]) == wanted)
        return one

    def rows(self, **wanted):
        """Those with these entries, one a seed."""
        found = [
            row
            for row in self.values
            if all(row.get(name) == value for name, value in wanted.items())
        ]
        assert [row["seed"] for row in found] == SEEDS
        return found

    def over(self, column, **wanted):
        """The mean over the seeds."""
        return mean(row[column] for row in self.rows(**wanted))

    def lira(self, way, question="forgotten", m=200):
        return self.over("auc", part="one", m=m, way=way, question=question, attack="online")

    def change(self, m, way="HF-OCU", **classifier):
        return self.over("auc", part="two", m=m, way=way, **(classifier or FOREST))

    def released(self, m):
        """AUC of the released attack on two models, and of its placebo."""
        last = self.over("auc", part="released two", m=m, way="HF-OCU", step=5)
        return last, self.over("auc", part="placebo", m=m, way="HF-OCU")

    def placebo_share(self, m):
        """The placebo's part of the released attack's height above a half."""
        last, nothing = self.released(m)
        return (nothing - 0.5) / (last - 0.5)
