"""The mean error round by round, as the sampled neurons give it while they move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..core.arrays import FloatArray
    from .followed_neurons import FollowedNeurons
    from .matrix_round import MatrixRound
    from .round_map import RoundMap


class MeanPath:
    """Moves the sampled neurons through the rounds of an interval, and notes the error that they give after each.

    Parameters
    ----------
    neurons : FollowedNeurons
    round_map : RoundMap
    error : ndarray, shape (n,)
        Before the first round.

    Attributes
    ----------
    force : ndarray, shape (n,)
        Of all rounds so far.
    """

    def __init__(self, neurons: FollowedNeurons, round_map: RoundMap, error: FloatArray) -> None:
        self._neurons, self._map = neurons, round_map
        self._error, self.force = error, np.zeros_like(error)
        self._unanswered, self._answer, self._besides = np.zeros((3, len(error)))

    def by_local_steps(
        self, rounds: range, kernel: FloatArray, missing: FloatArray, noise_root: FloatArray, by_chance: FloatArray
    ) -> FloatArray:
        """Take the local steps of each round one after another; return the errors, one more than rounds.

        Parameters
        ----------
        rounds : range
        kernel, missing : ndarray, shape (n, n)
            H, and what it has that the sample has not.
        noise_root : ndarray, shape (n, n)
            A root of the covariance of what a subnetwork's output has for a neuron alone.
        by_chance : ndarray, shape (n,)
            The change of the output in a round by moves that are made already.
        """
        errors = [self._error]
        for round in rounds:
            steps = self._neurons.local_steps(round, errors[-1], noise_root, self._map, kernel, missing)
            self._neurons.train(round, steps)
            self.force = self.force + steps.force
            errors.append(errors[-1] + self._map.coverage * (steps.error - errors[-1]) + by_chance + self._besides)
        return np.array(errors)

    def by_rounds(
        self,
        rounds: int,
        step: MatrixRound,
        missing: FloatArray,
        own: dict[int, FloatArray],
        by_chance: FloatArray,
    ) -> FloatArray:
        """Take all local steps of a round at once, on the patterns at its start; return the errors.

        Local training answers to what is lost as neurons cross kinks. What it does so within a round comes with the
        force of the next: until then it is missing in the error that the neurons give, and not in the errors returned.
        """
        xi, theta = self._map.selection_prob, self._map.coverage
        errors, given = [self._error], self._error + self._unanswered
        left, answered = step.loss_at_the_end(self._neurons.sizes)
        selected = self._neurons.selected()
        for _ in range(rounds):
            before, force = self._neurons.answer(), step.pull @ errors[-1] + self._answer
            self._neurons.push(force, selected, own)
            self.force = self.force + force
            given = given + xi * (self._neurons.answer() - before) - theta * missing @ force + by_chance + self._besides
            loss = given - step.errors(errors[-1], np.zeros_like(given), 1)[1]
            self._unanswered, self._answer = loss - left @ loss, answered @ loss / theta
            errors.append(given - self._unanswered)
        return np.array(errors)

    def ends(self, errors: FloatArray, given: FloatArray) -> FloatArray:
        """Return the errors brought to what the neurons give at the end of the interval, exactly.

        What changes the output besides the moves that were seen (the penalty on the initial output, and that patterns
        agree less and less with the initial ones) is a little in every round. It is known at the end of an interval,
        and counts in each round of the next, so that training can answer to it.
        """
        off = given - self._unanswered - errors[-1]
        self._besides = self._besides + off / (len(errors) - 1)
        errors = errors + np.linspace(0, 1, len(errors))[:, np.newaxis] * off
        self._error = errors[-1]
        return errors
