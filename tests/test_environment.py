"""Files that say the same thing in several places must go on doing so."""

import re
import tomllib

import pytest
import yaml

from tests.book.site import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]


def test_environment_yml_installs_what_pyproject_declares():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    pip = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert environment["name"] == PROJECT["name"]
    assert conda == [f"python{PROJECT['requires-python']}", "pip"]
    extras = ",".join(sorted(PROJECT["optional-dependencies"]))
    assert pip == [[f"-e .[{extras}]"]]


def _normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def _pins():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.+!-]+", pin) for pin in pins), pins
    return {_normal(name): version for name, version in (pin.split("==") for pin in pins)}


def test_constraints_pin_everything_that_pyproject_names():
    from packaging.requirements import Requirement

    pins = _pins()
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    for requirement in (Requirement(text) for group in groups for text in group):
        version = pins.get(_normal(requirement.name))
        assert version, f"constraints.txt does not pin {requirement.name}"
        assert requirement.specifier.contains(version), f"{requirement} is pinned to {version}"


def test_constraints_leave_out_what_follows_from_the_platform():
    assert not [name for name in _pins() if name.startswith(("nvidia-", "cuda-", "triton"))]
    assert _normal(PROJECT["name"]) not in _pins()


def test_every_repository_link_is_the_configured_one():
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    address = config["repository"]["url"]
    assert PROJECT["urls"]["Repository"] == address
    sources = [*ROOT.glob("*.*"), *(ROOT / "book").glob("*.md"), *(ROOT / "notebooks").glob("*.md")]
    for path in [p for p in sources if p.suffix in {".md", ".toml", ".cff", ".yml"}]:
        found = re.findall(
            r"https://github\.com/[\w-]+/unlearning-companion", path.read_text(encoding="utf-8")
        )
        assert set(found) <= {address}, f"{path.name}: {set(found)}, expected {address}"


def test_citation_names_this_version_and_follows_the_schema():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert str(citation["version"]) == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["repository-code"] == PROJECT["urls"]["Repository"]
    required = {"cff-version", "message", "title", "authors"}
    allowed = required | {
        "abstract", "date-released", "keywords", "license", "references", "repository-code",
        "type", "version",
    }  # fmt: skip
    assert required <= set(citation) <= allowed
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", str(citation["date-released"]))
    for work in [citation, *citation["references"]]:
        assert work["title"]
        assert all(
            "name" in a or {"family-names", "given-names"} <= set(a) for a in work["authors"]
        )


def test_changelog_has_this_version():
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def _workflow(name):
    return yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8"))


def _commands(name):
    jobs = _workflow(name)["jobs"].values()
    return [step["run"] for job in jobs for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("name", ["tests.yml", "publish.yml", "monthly.yml"])
def test_workflow_runs_commands_that_exist(name):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    commands = _commands(name)
    assert commands
    for program, *words in (command.split() for command in commands):
        known = targets if program == "make" else [str(p.relative_to(ROOT)) for p in _scripts()]
        assert program in ("make", "bash"), f"{name}: {program}"
        assert set(words) <= set(known), f"{name}: {program} {words}"


def _scripts():
    return (ROOT / ".ci").iterdir()


def test_every_workflow_is_looked_at():
    names = {path.name for path in (ROOT / ".github" / "workflows").iterdir()}
    assert names == {"tests.yml", "publish.yml", "monthly.yml"}


def test_monthly_checks_the_pinned_versions_and_the_newest():
    workflow = _workflow("monthly.yml")
    when = workflow[True]  # YAML 1.1 reads the key `on` as a truth value
    (schedule,) = when["schedule"]
    minute, hour, day, month, weekday = schedule["cron"].split()
    assert minute.isdecimal()
    assert hour.isdecimal()
    assert 1 <= int(day) <= 28, "a day that each month has"
    assert (month, weekday) == ("*", "*")
    assert "workflow_dispatch" in when
    runs = {
        name: [step["run"] for step in job["steps"] if "run" in step]
        for name, job in workflow["jobs"].items()
    }
    assert runs == {"pinned": ["bash .ci/run"], "newest": ["make upgrade", "bash .ci/run"]}
