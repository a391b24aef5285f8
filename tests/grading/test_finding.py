"""Which of the files handed in is the notebook, whatever browsers and people call it."""

import json

import pytest

from course_utils.grading.intake import repair
from tests.grading.handed_in import (
    EXERCISES,
    FILE,
    answered,
    answers_kept,
    code,
    kinds,
    own_sources,
    repaired,
    sound,
    spec,
    submission,
)


@pytest.mark.parametrize(
    "name",
    [
        "a3_vae (1).ipynb",
        "a3_vae(2).ipynb",
        "Copy of a3_vae.ipynb",
        "a3_vae-Copy1.ipynb",
        "a3_vae_final.ipynb",
        "A3_VAE.IPYNB",
        "homework/a3_vae.ipynb",
        "a3_vae.ipynb/a3_vae.ipynb",
        "a3_vae.ipynb.json",
        "a3_vae.ipynb.txt",
        "a3_vae.json",
        "a3_vae",
        "Untitled.ipynb",
        "notebook",
        "a" * 200 + "\n.ipynb",
    ],
)
def test_another_name_is_taken_and_named(name):
    result = repaired(answered(), name)
    assert kinds(result) == ["renamed"]
    assert FILE in result.notes[0].text
    assert "\n" not in result.notes[0].text
    assert len(result.notes[0].text) < 200
    assert answers_kept(result)


def test_of_several_the_right_name_wins_and_else_the_one_with_most_cells():
    few = answered()
    few["cells"] = few["cells"][:6]
    draft = json.dumps(few).replace("answered", "drafted")
    other = {"cells": [code("1 + 1")], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    result = sound(repair(submission(**{"zzz.ipynb": draft, FILE: answered(), "b.ipynb": other}), spec()))
    assert result.notes == []
    assert answers_kept(result)
    files = {"a3_vae (1).ipynb": draft, "my work.ipynb": answered(), "b.ipynb": other, "data.csv": "1,2"}
    result = sound(repair(submission(**files), spec()))
    assert kinds(result) == ["renamed"]
    assert "3 files" in result.notes[0].text
    assert "'my work.ipynb'" in result.notes[0].text
    assert answers_kept(result)


def test_a_readable_copy_is_preferred_to_a_broken_file_of_the_right_name():
    result = sound(repair(submission(**{FILE: "", "a3_vae (1).ipynb": answered()}), spec()))
    assert kinds(result) == ["renamed"]
    assert answers_kept(result)


def test_hidden_copies_and_the_other_notebooks_of_the_assignment_are_not_taken():
    checkpoint = {".ipynb_checkpoints/a3_vae-checkpoint.ipynb": answered(), "._a3_vae.ipynb": b"\x00\x05\x16\x07"}
    assert kinds(sound(repair(submission(**checkpoint), spec()))) == ["missing"]
    result = sound(repair(submission(**{"part2.ipynb": answered()}), spec(), others=["part2"]))
    assert kinds(result) == ["missing"]
    assert result.unanswered == list(EXERCISES)


@pytest.mark.parametrize("files", [{}, {"notes.txt": "I was ill", "data.json": "[1, 2]", "helper.py": "x = 1"}])
def test_nothing_handed_in(files):
    result = sound(repair(submission(**files), spec()))
    assert kinds(result) == ["missing"]
    assert result.unanswered == list(EXERCISES)
    assert own_sources(result) == []
