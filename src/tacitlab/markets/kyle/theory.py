"""Kyle's auction: insiders who know the value, noise traders, and a maker who sets the price after seeing the flow.

The value is ``v ~ N(p0, Sigma0)``, noise traders order ``u ~ N(0, sigma_u²)``, insider i orders ``beta_i (v - p0)``,
and the price is ``p0 + lambda y`` with the flow ``y = sum x_i + u``. Everything is quadratic and normal: the best reply
to linear play is linear among *all* strategies, so that what a deviation gains has a closed form.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tacitlab.errors import TacitError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LinearPlay:
    """Linear play of an auction.

    Attributes
    ----------
    orders : (insiders,) array
        beta_i: order for a unit of ``v - p0``.
    impact : float
        lambda: price change for a unit of flow.
    """

    orders: Floats
    impact: float


@dataclass(frozen=True)
class SingleAuction:
    """A single auction.

    The maker chooses the price that minimises ``E[(v - p)² + w (y + z)² | y]``, where ``z = -xi (p - p0)`` is what
    investors of habit demand: his pricing error and his inventory. Without the second part (w = 0, or xi = 0, where the
    inventory does not depend on the price) this is Kyle's ``p = E[v | y]``.

    Attributes
    ----------
    insiders : int
        N, all with the same information.
    value_sd, noise_sd : float
        sqrt(Sigma0) and sigma_u, above 0.
    habitat : float
        xi, units per currency.
    inventory_weight : float
        w, which is 1/theta of Dou, Goldstein and Ji.

    References
    ----------
    A. Kyle, Econometrica 53 (1985) 1315-1335, theorem 1; C. Holden and A. Subrahmanyam, J. Finance 47 (1992) 247-270
    (several insiders); W. Dou, I. Goldstein and Y. Ji, "AI-powered trading, algorithmic collusion, and price
    efficiency", NBER working paper 34054 (the maker who also minimises inventory).

    Examples
    --------
    >>> nash = SingleAuction(insiders=2).nash()
    >>> nash.orders, round(nash.impact, 5)
    (array([0.70711, 0.70711]), 0.4714)
    >>> SingleAuction(2).profits(nash).sum(), SingleAuction(2).profits(SingleAuction(2).cartel()).sum()
    (np.float64(0.47140), np.float64(0.5))
    """

    insiders: int = 1
    value_sd: float = 1.0
    noise_sd: float = 1.0
    habitat: float = 0.0
    inventory_weight: float = 0.0

    def __post_init__(self) -> None:
        if self.insiders < 1:
            raise TacitError(f"insiders: {self.insiders} is too small; there must be at least 1")
        for name in ("value_sd", "noise_sd"):
            if not getattr(self, name) > 0:
                raise TacitError(f"{name}: {getattr(self, name):g} is too small; it must be above 0")
        for name in ("habitat", "inventory_weight"):
            if not getattr(self, name) >= 0:
                raise TacitError(f"{name}: {getattr(self, name):g} is too small; it must be at least 0")

    @property
    def impact_unit(self) -> float:
        """The price slope if flow told the value with slope sqrt(Sigma0)/sigma_u: the size that slopes have."""
        return self._impact(self.value_sd / self.noise_sd)

    @property
    def order_unit(self) -> float:
        """The order that moves the price by sqrt(Sigma0) at :attr:`impact_unit`: the size that orders have."""
        return self.value_sd / self.impact_unit

    # --- linear play ---------------------------------------------------------------------------------------------

    def regression(self, orders: ArrayLike) -> float:
        """Slope of the value on the flow, ``B Sigma0 / (B² Sigma0 + sigma_u²)`` with ``B = sum beta_i``."""
        total = float(np.sum(orders))
        return total * self.value_sd**2 / (total**2 * self.value_sd**2 + self.noise_sd**2)

    def best_impact(self, orders: ArrayLike) -> float:
        """The maker's best price slope: ``(gamma + w xi)/(1 + w xi²)`` with the regression's slope gamma."""
        return self._impact(self.regression(orders))

    def _impact(self, regression: float) -> float:
        weight = self.inventory_weight
        return (regression + weight * self.habitat) / (1 + weight * self.habitat**2)

    def best_orders(self, play: LinearPlay) -> Floats:
        """Each insider's best slope while the others keep theirs: ``(1 - lambda B_-i)/(2 lambda)``.

        Raises
        ------
        TacitError
            If the price does not rise with the flow: then orders would grow for ever.
        """
        if not play.impact > 0:
            raise TacitError(f"impact: {play.impact:g} is too small; without impact orders have no bound")
        rest = play.orders.sum() - play.orders
        return np.asarray((1 - play.impact * rest) / (2 * play.impact))

    def profits(self, play: LinearPlay) -> Floats:
        """Expected profit of each insider: ``beta_i (1 - lambda B) Sigma0``."""
        return np.asarray(play.orders * (1 - play.impact * play.orders.sum()) * self.value_sd**2)

    def error(self, play: LinearPlay) -> float:
        """Expected squared pricing error, ``E (v - p)² = (1 - lambda B)² Sigma0 + lambda² sigma_u²``."""
        gap = 1 - play.impact * float(play.orders.sum())
        return gap**2 * self.value_sd**2 + (play.impact * self.noise_sd) ** 2

    def loss(self, play: LinearPlay) -> float:
        """What the maker minimises: pricing error and weighted inventory."""
        if not self.inventory_weight:
            return self.error(play)
        flow = float(play.orders.sum()) ** 2 * self.value_sd**2 + self.noise_sd**2
        return self.error(play) + self.inventory_weight * (1 - self.habitat * play.impact) ** 2 * flow

    def exploitability(self, play: LinearPlay) -> Floats:
        """What each insider, and last the maker, gains by the best reply of all: (insiders + 1,).

        Profits of an insider fall by ``lambda Sigma0 (beta_i - best)²``, and the maker's loss grows by
        ``(1 + w xi²)(B² Sigma0 + sigma_u²)(lambda - best)²``.

        Examples
        --------
        >>> SingleAuction(2).exploitability(SingleAuction(2).nash()).round(12)
        array([0., 0., 0.])
        """
        own = play.impact * self.value_sd**2 * (play.orders - self.best_orders(play)) ** 2
        flow = float(play.orders.sum()) ** 2 * self.value_sd**2 + self.noise_sd**2
        curvature = (1 + self.inventory_weight * self.habitat**2) * flow
        return np.append(own, curvature * (play.impact - self.best_impact(play.orders)) ** 2)

    def posterior_variance(self, orders: ArrayLike) -> float:
        """Variance of the value given the flow; at Kyle's price slope this is the pricing error."""
        return self.value_sd**2 * (1 - self.regression(orders) * float(np.sum(orders)))

    # --- outcomes ------------------------------------------------------------------------------------------------

    def nash(self) -> LinearPlay:
        """The equilibrium in linear strategies: ``beta = 1/((N + 1) lambda)`` against the maker's best slope.

        Kyle's closed form without a weight of inventory: ``beta = sigma_u/sqrt(N Sigma0)``, ``lambda = sqrt(N Sigma0) /
        ((N + 1) sigma_u)``.
        """
        return self._fixed_point(self.insiders / (self.insiders + 1))

    def cartel(self) -> LinearPlay:
        """Insiders who maximise their joint profit, while the maker expects them to: ``beta = 1/(2 N lambda)``."""
        return self._fixed_point(0.5)

    def cartel_against(self, impact: float) -> LinearPlay:
        """Insiders who maximise their joint profit at a price slope that does not answer."""
        return LinearPlay(np.full(self.insiders, 1 / (2 * self.insiders * impact)), impact)

    def _fixed_point(self, share: float) -> LinearPlay:
        """Play with ``lambda B = share``, where the maker replies best to B.

        ``lambda(B) B`` rises from 0 to 1 or beyond, so that there is exactly one.
        """
        total = float(np.sqrt(share / (1 - share)) * self.noise_sd / self.value_sd)  # Kyle's
        if self.inventory_weight and self.habitat:
            from scipy.optimize import brentq

            def excess(total: float) -> float:
                return self.best_impact([total]) * total - share

            most = share / self._impact(0.0)  # with the least slope there can be
            total = float(brentq(excess, 0.0, most, xtol=1e-15 * most, rtol=1e-14))
        orders = np.full(self.insiders, total / self.insiders)
        return LinearPlay(orders, self.best_impact(orders))
