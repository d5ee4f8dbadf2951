"""Every command of docs/bertrand-variants.md runs, shortened."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import tacitlab

DOCS = Path(__file__).parents[2] / "docs" / "bertrand-variants.md"
SHORT = ["sessions=2", "length={periods: 3000}", "trace={windows: 6}"]
COMMANDS = re.findall(r"^\| ([^|]+) \| `tacit run ([^`]+)` \|$", DOCS.read_text(), re.MULTILINE)


def test_the_page_lists_commands():
    assert len(COMMANDS) > 25


@pytest.mark.parametrize(("variant", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_variant_runs_by_parameters_alone(variant, command):
    scenario, *overrides = shlex.split(command)
    result = tacitlab.run(tacitlab.load_scenario(scenario, [*overrides, *SHORT]))
    assert np.isfinite(result.data.payoff.values).all()
    assert np.isfinite(result.data.limit_payoff.values).all()
    assert (result.data.optimum_payoff.mean("agent") > result.data.nash_payoff.mean("agent")).all()


def test_absent_firm_earns_nothing_and_keeps_its_price():
    overrides = ["environment.players=3", "environment.entry_persistence=0.9", "environment.n_prices=3", "sessions=3"]
    overrides += ["length={periods: 4000}", "trace={window: 1, windows: 4000}"]
    data = tacitlab.run(tacitlab.load_scenario("bertrand", overrides)).data
    outsider = data.payoff.isel(agent=2)
    absent = outsider == 0
    assert 0.4 < float(absent.mean()) < 0.6
    assert (data.frequency.isel(agent=2, action=0).where(absent, 1) == 1).all()
    incumbent = data.payoff.isel(agent=0)
    assert float(incumbent.where(absent).mean()) > float(incumbent.where(~absent).mean())


def test_demand_shocks_move_profits_but_not_the_benchmark_order():
    calm, rough = (
        tacitlab.load_scenario("bertrand", [f"environment.demand_shock={x}"]).game.benchmarks() for x in (0, 0.25)
    )
    assert rough.nash.average != pytest.approx(calm.nash.average, rel=1e-3)
    assert rough.optimum.average > rough.nash.average
