"""Where the public names of the library live. Adding one changes no result."""

HOMES = {
    "base.accumulate": ("ExactSum",),
    "base.metrics": ("Interval", "distance", "interval", "pearson", "spearman"),
    "curvature.products": ("hessian", "hessian_vector_products"),
    "hfocu.deletion": ("forget",),
    "hfocu.approximators": ("Approximators", "open_approximators"),
    "hfocu.ranks": ("merge_parts", "recollect_on_ranks"),
    "hfocu.recollection": ("AS_RELEASED", "recollect", "train_and_recollect"),
    "hfocu.steps": ("QUIRKS",),
    "problem.models": ("models",),
    "problem.data": ("DATASETS", "draw_forget_set", "load"),
    "problem.objective": ("Objective",),
    "problem.samples": ("Data", "Samples"),
    "training.retrain": ("CONVENTIONS", "retrain"),
    "training.schedule": ("Schedule",),
    "training.trajectory": ("Run", "open_run", "train"),
}
