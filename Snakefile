# What is made from what. Run by `make`; `snakemake -n` lists what is out of date.
#
#   notebooks/NN_topic.md --papermill--> book/notebooks/NN_topic.ipynb --Jupyter Book--> _build/html

import sys
from pathlib import Path

from unlearning.base.revision import revision

CHAPTERS = sorted(p.stem for p in Path("notebooks").glob("[0-9][0-9]_*.md"))
# A page follows from its text, the library, the pinned versions, the records and the claims.
COMPUTES = sorted(
    str(p)
    for pattern in ("src/unlearning/**/*.py", "results/**/*.json", "notebooks/parameters/*.yml")
    for p in Path(".").glob(pattern)
) + ["constraints.txt", "claims.yml"]
PAGES = sorted(
    str(p)
    for pattern in ("*.md", "*.bib", "_toc.yml", "_static/**/*", "_ext/*.*")
    for p in Path("book").glob(pattern)
    if p.is_file()
) + ["_config.yml", "CITATION.cff", "errata.yml"]
JUPYTER_BOOK = f"{sys.executable} -c 'from jupyter_book.cli.main import main; main()'"


def hold_the_tree():
    """Refuses a second build in this tree; unlike a lock file, this ends with the process."""
    import fcntl

    Path("_build").mkdir(exist_ok=True)
    held = open("_build/.lock", "w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("another make is building in this tree; wait for it to end")
    return held


if workflow.is_main_process:
    LOCK = hold_the_tree()


def commit():
    """Returns the commit that the book is built from, for the foot of its chapters."""
    return str(revision(Path(".")) or "").replace("+changes", "+")


def commit_date():
    """Returns its date, which the pages bear: two builds of one commit are alike."""
    found = revision(Path("."))
    return found.date[:10] if found else ""


wildcard_constraints:
    name=r"\d\d_\w+",


localrules:
    book,
    executed,


rule book:
    input:
        "_build/html/index.html",


rule executed:
    input:
        expand("book/notebooks/{name}.ipynb", name=CHAPTERS),


# The rendered page goes before the run begins: a chapter that fails has none.
rule execute:
    input:
        "notebooks/{name}.md",
        COMPUTES,
    output:
        "book/notebooks/{name}.ipynb",
        timings="_build/timings/{name}.json",
    threads: 1
    shell:
        "rm -f _build/html/notebooks/{wildcards.name}.html"
        " _build/html/_sources/notebooks/{wildcards.name}.ipynb;"
        " OMP_NUM_THREADS={threads} {sys.executable} -m unlearning.companion.execute"
        " {input[0]} {output[0]} --timings {output.timings}"


rule render:
    input:
        PAGES,
        rules.executed.input,
        COMPUTES,
    output:
        "_build/html/index.html",
    params:
        commit=commit(),
        date=commit_date(),
    log:
        "_build/render.log",
    shell:
        "rm -rf _build/html _build/.doctrees;"
        " echo '  rendering the book ...' >&2;"
        " UNLEARNING_COMMIT={params.commit} UNLEARNING_DATE={params.date} {JUPYTER_BOOK} build book"
        " --config _config.yml --path-output . -W -n --keep-going --all > {log} 2>&1"
        " || {{ rm -f {output}; grep -E 'WARNING|ERROR|rror:' {log} >&2; exit 1; }}"


# One chapter on its own, without -W: its links to other chapters lead nowhere here.
rule draft:
    input:
        PAGES,
        "book/notebooks/{name}.ipynb",
    output:
        touch("_build/draft/{name}.done"),
    params:
        commit=commit(),
        date=commit_date(),
    shell:
        "mkdir -p _build/draft;"
        " printf 'format: jb-book\\nroot: notebooks/{wildcards.name}\\n' > _build/draft/_toc.yml;"
        " UNLEARNING_COMMIT={params.commit} UNLEARNING_DATE={params.date} {JUPYTER_BOOK} build book"
        " --config _config.yml --toc $PWD/_build/draft/_toc.yml --path-output _build/draft --all"
        " > _build/draft/log 2>&1 || {{ grep -E 'WARNING|rror' _build/draft/log >&2; exit 1; }};"
        " grep -E 'notebooks/{wildcards.name}.*(WARNING|ERROR)' _build/draft/log"
        " | grep -v -E 'unknown document|undefined label|term not in glossary|reference target not found|bibtex key' >&2 || true"
