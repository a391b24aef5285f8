"""The contract of a function with one right answer: whatever its value, it keeps to what its signature promises.

It changes neither its arguments nor the random generators and keeps no state; it takes a batch of one and float64,
arguments by name, numbers as 0-dim tensors, and its defaults. `check` is an `OracleCheck`; all raise Failure.
"""

from dataclasses import replace

import torch

from course_utils.checks.failures import Failure
from course_utils.checks.randomness import derive_seed
from course_utils.checks.tensors import copies, doubles, identical, same, shapes


def judge_contract(check, trial):
    cases = check.cases(trial.rng)
    _judge_side_effects(check, trial, cases)
    _judge_batch_of_one(check, trial)
    _judge_float64(check, trial, cases[0])
    _judge_calling(check, trial, cases[-1])


def _judge_side_effects(check, trial, cases):
    first = None
    for count, case in enumerate([*cases, cases[0]]):
        arguments = copies(case)
        trial.seed_generators(derive_seed(trial.seed, count))  # a state that no seed of the student's has left
        before = trial.generator_states()
        result = check.result(case, trial.call(*arguments.values()))
        if trial.generator_states() != before:
            raise Failure(mistake="touches-rng", where=f"input {shapes(case)}")
        for name, value in arguments.items():
            changed = isinstance(value, list) and value != case[name]
            if changed or (isinstance(value, torch.Tensor) and not identical(value, case[name])):
                raise Failure(mistake="changes-arguments", where=f"argument {name}, input {shapes(case)}")
        first = first or result
    if not same(first.value, result.value):
        raise check.difference(replace(first, value=result.value, expected=first.value), mistake="keeps-state")


def _judge_batch_of_one(check, trial):
    case = check.single_case(trial.rng)
    if case is None:
        return
    try:
        result = check.checked(trial, case)
    except Failure as failure:
        if failure.mistake is None or failure.mistake in ("one-number", "returns-number"):
            failure.mistake, failure.message = "single-example", check.sentence("single-example")
        raise
    if not check.is_close(result):
        raise check.difference(result, mistake="single-example")


def _judge_float64(check, trial, case):
    tensors = [value for value in case.values() if isinstance(value, torch.Tensor) and value.is_floating_point()]
    if not tensors:
        return
    case = doubles(case)
    where = f"input {shapes(case)} in float64"
    try:
        output = trial.call(*copies(case).values())
        check.require_type(output, where)
    except Failure as failure:
        raise Failure(mistake=failure.mistake or "fixed-dtype", where=where, got=failure.got) from None
    for part in check.float_parts(output):
        if part.dtype != torch.float64 or part.device != tensors[0].device:
            got = f"{part.dtype} on {part.device}"
            raise Failure(mistake="fixed-dtype", where=where, got=got, expected=f"torch.float64 on {tensors[0].device}")
    result = check.result(case, output)
    if result.value.shape != result.expected.shape or not check.is_close(result):
        raise check.difference(result, mistake="fixed-dtype")


def _judge_calling(check, trial, case):
    """Arguments by name, numbers as 0-dim tensors, default values."""
    try:
        output = trial.call(**copies(case))
    except Failure as failure:
        if failure.got.startswith("TypeError"):
            raise Failure(mistake="wrong-names", got=failure.got, expected=check.signature) from None
        raise
    _require_value(check, case, output, "called with its arguments by name, it answers otherwise.", "wrong-names")
    for name in check.scalars:
        as_tensor = {**copies(case), name: torch.tensor(case[name])}
        output = trial.call(*as_tensor.values())
        _require_value(check, case, output, f"with {name} as a 0-dim tensor it answers otherwise.", None)
    if check.defaults:
        shorter = {name: value for name, value in case.items() if name not in check.defaults}
        expected = " and ".join(f"{name}={value}" for name, value in check.defaults.items())
        try:
            output = trial.call(*copies(shorter).values())
        except Failure as failure:
            if failure.got.startswith("TypeError"):
                raise Failure(mistake="wrong-default", got=failure.got, expected=expected) from None
            raise
        full = {**shorter, **check.defaults}
        _require_value(check, full, output, check.sentence("wrong-default"), "wrong-default")


def _require_value(check, case, output, message, mistake):
    check.require_type(output, shapes(case))
    result = check.result(case, output)
    if not check.is_close(result):
        raise check.difference(result, message, mistake)
