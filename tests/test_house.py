"""What the repository promises about itself."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from course_utils import notebooks

ROOT = notebooks.ROOT
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout, so nothing says which files belong to the repository")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def test_conda_and_pip_install_the_same():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    listed = next(item["pip"] for item in environment["dependencies"] if isinstance(item, dict))
    extras = PROJECT["optional-dependencies"]
    wanted = PROJECT["dependencies"] + extras["course"] + extras["dev"]
    wanted = [requirement for requirement in wanted if not requirement.startswith(PROJECT["name"])]
    assert sorted(listed) == sorted([*wanted, "-e ."])
    assert f"python{PROJECT['requires-python']}" in environment["dependencies"]


def test_constraints_cover_the_dependencies_and_the_hooks():
    pinned = dict(re.findall(r"^([\w.-]+)==([\w.+-]+)$", (ROOT / "constraints.txt").read_text(), flags=re.MULTILINE))
    pinned = {name.lower().replace("_", "-"): version for name, version in pinned.items()}
    extras = PROJECT["optional-dependencies"]
    for requirement in PROJECT["dependencies"] + extras["course"] + extras["dev"]:
        name = re.match(r"[\w.-]+", requirement).group()
        if name != PROJECT["name"]:
            assert name in pinned, f"constraints.txt does not name {name}"
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert hooks["repos"][0]["rev"] == f"v{pinned['ruff']}", "pre-commit and make lint must run the same ruff"


def test_the_repository_is_named_in_one_place():
    address = notebooks.repository().removeprefix("https://github.com/")
    elsewhere = [
        path.relative_to(ROOT)
        for path in tracked_files()
        if path.suffix != ".ipynb" and path.name != "pyproject.toml" and address in text_of(path)
    ]
    assert elsewhere == [], "notebooks get the address from pyproject.toml; nothing else may name it"


def test_no_file_names_a_machine():
    pattern = re.compile(r"/(?:work|root|home/\w+)/|\.pyenv|site-packages/")
    named = [str(path.relative_to(ROOT)) for path in tracked_files() if pattern.search(text_of(path))]
    assert [name for name in named if name != "tests/test_house.py"] == []


def test_every_source_has_a_fresh_notebook():
    assert notebooks.stale() == {}


def test_every_notebook_has_a_source():
    built = {
        path.relative_to(ROOT) for folder in ("lectures", "solutions") for path in ROOT.glob(f"{folder}/**/*.ipynb")
    }
    assert built == {source.with_suffix(".ipynb").relative_to(ROOT) for source in notebooks.sources()}


@pytest.mark.parametrize("path", sorted((ROOT / "lectures").glob("*.ipynb")), ids=lambda path: path.stem)
def test_lectures_are_small(path):
    assert path.stat().st_size <= notebooks.MAX_LECTURE_BYTES


def test_the_readme_names_what_is_there():
    readme = (ROOT / "README.md").read_text()
    for source in notebooks.sources():
        assert source.stem in readme, f"README.md does not name {source.stem}"
    for target in re.findall(r"make ([\w-]+)", readme):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE), f"no target {target}"
    for link in re.findall(r"\]\((?!https?://|#)([^)#]+)", readme):
        assert (ROOT / link).exists(), f"README.md links to {link}, which is not there"


def test_citation_and_package_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert " AND ".join(citation["license"]) == PROJECT["license"]
    assert citation["authors"] == PROJECT["authors"]
