"""How many decisions per second a ratio of workers promises: a closed queueing network.

N lanes go round between W simulator workers and G generators. One lane's step takes s, one
worker steps its n = N / W lanes one after the other, so that at a rate of X decisions a second
and a load of u = X·s / W a step and its wait last s / (1 - u·(n - 1) / n). A generator that serves
X / G takes a + c·b for the b = (X / G)·a / (1 - c·X / G) lanes that come meanwhile, at most N / G,
and a request waits for half a batch on average. X is the rate at which

    N = X · (s / (1 - u·(n - 1) / n) + (1 + busy / 2)·(a + c·b)).

R trainers at t seconds a decision bound it by R / t. If one device is all there is, training leaves
a generator the part 1 - X·t of it: a and c are then longer by the inverse of that. If one worker
steps all lanes at once, X = N / (S(N) + a + c·N / G), and X·((a + c·b) / b + t) <= 1 for b = N / G.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rlvla.core.latency import Latencies

HALVINGS = 50
"""Steps of the bisection for X."""


@dataclass(frozen=True)
class Network:
    """The closed queueing network of the module's docstring."""

    latencies: Latencies
    lanes: int
    micro_batch: int

    def rate(self, workers: int, generators: int, *, shared: bool) -> float:
        """Return the decisions per second that simulators and generators can make.

        `shared`: generators have what the trainer leaves of the one device.
        """
        step = self.latencies.step.mean_s
        low, high = 0.0, min(workers / step, self.lanes / step)
        for _ in range(HALVINGS):
            rate = (low + high) / 2
            left = max(1 - rate * self._training, 1e-9) if shared else 1.0
            time = self._simulate(rate, workers) + self._generate(rate, generators, left)
            low, high = (rate, high) if rate * time <= self.lanes else (low, rate)
        return low

    def whole(self, generators: int) -> float:
        """Return the decisions per second if all lanes are stepped at once."""
        curve, batch = self.latencies.batch, self.latencies.generator
        step = self.latencies.step.mean_s if curve is None else curve.seconds(self.lanes)
        return self.lanes / (step + batch.seconds(-(-self.lanes // generators)))

    def bound(self, generators: int, trainers: int, *, shared: bool) -> float:
        """Return the decisions per second that the devices allow."""
        train = self._training
        if not shared:
            return trainers / train if train else float("inf")
        most = -(-self.lanes // generators)
        return 1 / max(self.latencies.generator.seconds(most) / most + train, 1e-9)

    @property
    def _training(self) -> float:
        """Seconds that training takes for a decision."""
        return self.latencies.trainer.seconds(self.micro_batch) / self.micro_batch

    def _simulate(self, rate: float, workers: int) -> float:
        step, own = self.latencies.step.mean_s, self.lanes / workers
        return step / (1 - min(rate * step / workers, 1.0) * (own - 1) / own)

    def _generate(self, rate: float, generators: int, left: float) -> float:
        """Return how long a lane waits for a decision, from `left` of the generators' devices."""
        fixed, one = (self.latencies.generator.seconds(size) / left for size in (0, 1))
        each, mine, most = one - fixed, rate / generators, self.lanes / generators
        size = mine * fixed / (1 - mine * each) if mine * each < 1 else most
        size = min(max(size, 1.0), most)
        time = fixed + each * size
        busy = min(mine * time / size, 1.0)
        # Beyond what full batches give, requests would pile up: no such rate is reached.
        return time * (1 + busy / 2) if mine * time <= most * 1.000001 else float("inf")
