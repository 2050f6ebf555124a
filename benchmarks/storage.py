"""What each way to delete keeps between requests: counted, nothing is measured here."""

from dataclasses import dataclass

from benchmarks import count

#: Settings of the released scripts: samples, weights, steps.
PUBLISHED = {
    "Wine, network": (142, 1_546, 120),
    "MNIST, logistic": (1_000, 7_850, 480),
    "MNIST, CNN": (1_000, 21_840, 320),
    "FashionMNIST, LeNet": (4_000, 61_706, 480),
    "Adult, network": (10_000, 6_346, 160),
    "CIFAR-10, ResNet-18": (50_000, 11_181_642, 7_840),
}


@dataclass(frozen=True)
class Sizes:
    """Of the sweeps: n at d = 7,850, and d at n = 1,000; T = 480 throughout."""

    n: tuple[int, ...] = (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
    d: tuple[int, ...] = (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)


FULL, QUICK = Sizes(), Sizes((100, 10_000), (100, 10_000))


def measure(sizes: Sizes, device: str = "cpu") -> dict:
    """Bytes, by sweep and in published settings."""
    swept = [{"sweep": "n", "n": n, "d": 7_850, "T": 480} for n in sizes.n]
    swept += [{"sweep": "d", "n": 1_000, "d": d, "T": 480} for d in sizes.d]
    swept += [{"sweep": "published", "setting": name, "n": n, "d": d, "T": steps}
              for name, (n, d, steps) in PUBLISHED.items()]  # fmt: skip
    rows = [row | {"bytes": count.kept(row["n"], row["d"], row["T"])} for row in swept]
    return {"settings": {"device": device}, "rows": rows,
            "smaller below": count.rows_that_match(7_850, 480)}  # fmt: skip
