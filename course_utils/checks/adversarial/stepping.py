"""What the checks of `discriminator_step` and `generator_step` share: games are played, and both networks are looked at
after each call. The optimiser may live in another process, so it is judged by what it does in several calls."""

import contextlib
from typing import ClassVar

import torch

from course_utils.checks.adversarial.game import draw_cases, in_float64, play, small_case, sure_case
from course_utils.checks.core import Check, Criterion
from course_utils.checks.failures import Failure
from course_utils.checks.randomness import Draw
from course_utils.checks.tensors import identical, number, require_tensor, worst


class StepCheck(Check):
    """`player` is the network that moves, `other` the one that stays; `right` is the way, `ways` are pairs
    (id of the mistake, what a student with it does), `losses` the mistakes of the returned loss."""

    player = other = ""
    ways: ClassVar = []
    losses: ClassVar = []

    def criteria(self):
        return [
            Criterion("signature", self.judge_signature, needed=True),
            Criterion("runs", self.judge_runs, needed=True),
            Criterion("step", self.judge_step, 5.0, needed=True),
            Criterion("other network", self.judge_other, 2.0),
            Criterion("loss", self.judge_loss, 1.0),
            Criterion("far out", self.judge_far, 1.0),
            Criterion("contract", self.judge_contract, 1.0),
        ]

    def __call__(self, student_function, seed=None, *, allow_reference=False):
        # The first optimiser of a process makes torch import its compiler: seconds that are not the student's.
        small_case(Draw(0), 1).set_up(self.player)
        return super().__call__(student_function, seed, allow_reference=allow_reference)

    # Playing.

    def judge_runs(self, trial):
        trial.plays, trial.drawn = [], False
        for case in draw_cases(trial.rng):
            try:
                trial.plays.append((case, *self._played(trial, case)))
            except Failure as failure:
                failure.where = "; ".join(part for part in (failure.where, _place(case)) if part)
                if failure.mistake is None:
                    self._name_error(trial, case, failure)
                raise

    def _played(self, trial, case, by_name=False):
        """The states before and after each call of the student's function, and what the calls returned."""
        game = case.set_up(self.player)
        states, returned = [game.state()], []
        for turn in range(len(case.rounds)):
            arguments = game.arguments(self.player, turn)
            before = trial.generator_states()
            given = {name: arguments[name].clone() for name in ("real", "noise") if name in arguments}
            returned.append(trial.call(**arguments) if by_name else trial.call(*arguments.values()))
            trial.drawn |= trial.generator_states() != before
            states.append(game.state())
            for name, value in given.items():
                if not identical(arguments[name], value):
                    raise Failure(mistake="changes-arguments", where=f"argument {name}")
        return states, returned

    def _name_error(self, trial, case, failure):
        failure.mistake = self.explain_error(failure.got)
        real, noise = case.rounds[0]
        if "unequal-batches" in self.mistakes and len(real) != len(noise):
            with contextlib.suppress(Failure):
                self._played(trial, small_case(trial.rng, 3))
                failure.mistake = "unequal-batches"
        if failure.mistake:
            failure.message = self.sentence(failure.mistake)

    def explain_error(self, text):
        """The id of the mistake behind an exception, or None."""
        if "modified by an inplace operation" in text:
            return "step-before-backward"
        return "logit-shape" if "Target size" in text else None

    # What is due.

    def judge_step(self, trial):
        for case, states, _ in trial.plays:
            due, _ = play(case, self.player, self.right, ())
            for turn in range(len(case.rounds)):
                self._require_still(case, states, turn)
                failure = self._moved_wrongly(case, states, due, turn)
                if failure:
                    failure.mistake = self._name_step(trial)
                    failure.message = "" if failure.mistake else self.wrong_step
                    raise failure

    def _require_still(self, case, states, turn):
        """The other network's parameters have not moved."""
        before, after = (state.values for state in states[turn : turn + 2])
        for name in before:
            if name.startswith(self.other) and not identical(before[name], after[name]):
                place = worst(after[name], before[name])
                raise Failure(
                    mistake=f"moves-{self.other}",
                    where=f"{name}{list(place)} after call {turn + 1}; {_place(case)}",
                    got=number(after[name][place]),
                    expected=f"{number(before[name][place])}, as before",
                )

    def _moved_wrongly(self, case, states, due, turn):
        """The failure that shows the worst parameter of the player after a call, or None."""
        names = [name for name in due[0].values if name.startswith(self.player)]
        before, after, right = states[turn].values, states[turn + 1].values, due[turn + 1].values
        moved = max((due[turn + 1].values[name] - due[turn].values[name]).abs().max().item() for name in names)
        for name in names:
            error = (after[name].double() - right[name]).abs()
            if error.isfinite().all() and error.max() <= 1e-3 * moved + 2e-6 * right[name].abs().max():
                continue
            place = worst(after[name].double(), right[name])
            return Failure(
                where=f"{name}{list(place)} after call {turn + 1}; {_place(case)}",
                got=f"{number(after[name][place])}, before the call it was {number(before[name][place])}",
                expected=number(right[name][place]),
            )
        return None

    def _name_step(self, trial):
        """The id of the mistake that explains every game, or None."""
        if all(self._stands_still(states) for _, states, _ in trial.plays):
            final = [gradient for _, states, _ in trial.plays for gradient in self._gradients(states[-1], self.player)]
            return "no-step" if any(g is not None and g.any() for g in final) else self.no_gradient
        for mistake, way in self.ways:
            if all(self._explains(way, case, states) for case, states, _ in trial.plays):
                return mistake
        return "own-noise" if trial.drawn else None

    def _stands_still(self, states):
        first, last = states[0].values, states[-1].values
        return all(identical(first[name], last[name]) for name in first)

    def _explains(self, way, case, states):
        due, _ = play(case, self.player, way, ())
        turns = range(len(case.rounds))
        return not any(self._moved_wrongly(case, states, due, turn) for turn in turns)

    def _gradients(self, state, network):
        return [gradient for name, gradient in state.grads.items() if name.startswith(network)]

    # The criteria that give partial credit.

    def judge_other(self, trial):
        """The other network has no gradient that it had not before, and is as trainable as it was."""
        for case, states, _ in trial.plays:
            for turn, state in enumerate(states[1:]):
                for name, gradient in state.grads.items():
                    if not name.startswith(self.other):
                        continue
                    old = states[0].grads[name]
                    where = f"after call {turn + 1}; {_place(case)}"
                    # No gradient at all is accepted in place of the one before: clearing is a way.
                    if gradient is not None and gradient.any() and (old is None or not identical(gradient, old)):
                        due = "None" if old is None else "what it was before"
                        got = f"a gradient of norm {number(gradient.norm())}"
                        raise Failure(
                            mistake=f"{self.other}-gradient", where=f"{name}.grad {where}", got=got, expected=due
                        )
                self._judge_trainable(case, states[0], state, self.other, turn)

    def _judge_trainable(self, case, first, state, network, turn):
        for name, flag in state.requires_grad.items():
            if name.startswith(network) and flag != first.requires_grad[name]:
                raise Failure(
                    mistake="left-frozen",
                    where=f"{name} after call {turn + 1}; {_place(case)}",
                    got=f"requires_grad={flag}",
                    expected=f"requires_grad={not flag}",
                )

    def judge_loss(self, trial):
        guesses = [(None, self.right.losses[0]), *self.losses]
        alive, shown = None, None
        for case, _, returned in trial.plays:
            _, values = play(case, self.player, self.right, [loss for _, loss in guesses])
            for turn, (value, (before, after)) in enumerate(zip(returned, values, strict=True)):
                got = self._number(value, case, turn)
                if not _close(got, before[0]):
                    shown = shown or Failure(
                        where=f"call {turn + 1}; {_place(case)}", got=number(got), expected=number(before[0])
                    )
                candidates = [*before[1:], after[0]]
                matching = {n for n, candidate in enumerate(candidates) if _close(got, candidate)}
                alive = matching if alive is None else alive & matching
        if shown:
            ids = [mistake for mistake, _ in self.losses] + ["loss-after"]
            shown.mistake = ids[min(alive)] if alive else None
            shown.message = "" if alive else "the returned loss is wrong."
            raise shown

    def _number(self, value, case, turn):
        where = f"call {turn + 1}; {_place(case)}"
        require_tensor(value, where, number_allowed=True)
        value = torch.as_tensor(value).detach().double()
        if value.numel() != 1:
            raise Failure(mistake="not-one-number", where=where, got=f"shape {tuple(value.shape)}", expected="shape ()")
        return value.item()

    def judge_far(self, trial):
        case = sure_case(trial.rng)
        states, returned = self._played(trial, case)
        due, values = play(case, self.player, self.right, self.right.losses)
        failure = self._moved_wrongly(case, states, due, 0)
        if not failure and "loss" in trial.passed:
            got, right = self._number(returned[0], case, 0), values[0][0][0]
            if not _close(got, right):
                failure = Failure(where=f"the loss; {_place(case)}", got=number(got), expected=number(right))
        if failure:
            failure.mistake = "saturates"
            raise failure

    def judge_contract(self, trial):
        for case, states, _ in trial.plays:
            for turn, state in enumerate(states[1:]):
                self._judge_trainable(case, states[0], state, self.player, turn)
                changed = [name for name, mode in state.training.items() if mode != case.training]
                if changed:
                    modes = ("eval", "train")
                    raise Failure(
                        mistake="changes-mode",
                        where=f"{changed[0]} after call {turn + 1}; {_place(case)}",
                        got=f"{modes[not case.training]} mode",
                        expected=f"{modes[case.training]} mode, as before",
                    )
        if trial.drawn:
            raise Failure(mistake="touches-rng", where=_place(trial.plays[0][0]))
        self._require_right(trial, small_case(trial.rng, 1), "single-example", "one example in each batch")
        self._require_right(trial, in_float64(small_case(trial.rng, 3)), "fixed-dtype", "float64")
        try:
            self._played(trial, small_case(trial.rng, 3), by_name=True)
        except Failure as failure:
            if failure.got.startswith("TypeError"):
                raise Failure(mistake="wrong-names", got=failure.got, expected=self.signature) from None
            raise

    def _require_right(self, trial, case, mistake, where):
        try:
            states, _ = self._played(trial, case)
        except Failure as failure:
            raise Failure(mistake=mistake, where=where, got=failure.got) from None
        due, _ = play(case, self.player, self.right, ())
        for turn in range(len(case.rounds)):
            failure = self._moved_wrongly(case, states, due, turn)
            if failure:
                failure.mistake = mistake
                raise failure


def _close(got, due):
    return abs(got - due) <= 1e-4 * abs(due) + 2e-5


def _place(case):
    real, noise = case.rounds[0]
    text = "" if case.training else ", networks in eval mode"
    return f"{case.text}, real {tuple(real.shape)}, noise {tuple(noise.shape)}{text}"
