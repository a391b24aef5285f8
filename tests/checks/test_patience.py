"""Time limits grow with what else the machine has to do, and not beyond a bound."""

import os

import pytest

from course_utils.checks import patience


@pytest.mark.parametrize(("load", "due"), [(0.0, 10.0), (3.9, 10.0), (8.0, 20.0), (400.0, 30.0)])
def test_limits_on_four_processors(monkeypatch, load, due):
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert patience.patient(10.0) == due


def test_where_the_load_is_not_known(monkeypatch):
    monkeypatch.delattr(os, "getloadavg")
    assert patience.patient(10.0) == 10.0
