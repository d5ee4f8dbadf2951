"""What tolls do in the compiled loop, when a period is settled."""

from numba import uint64


def fixed(game, table, scene, t, joint, regime):
    """Everybody pays for its action."""
    for i in range(uint64(table.agents.size)):
        agent = table.agents[i]
        agent.payoff -= scene.numbers[agent.last]


def by_load(game, table, scene, t, joint, regime):
    """Everybody pays on each facility that it uses, by its load; ``worth`` becomes what an action pays."""
    facilities, width = uint64(table.loads.size), uint64(game.values.shape[1])
    for a in range(uint64(game.own.size)):
        for f in range(facilities):
            if game.weights[a, f] != 0.0:
                table.worth[a] -= game.weights[a, f] * scene.numbers[f * width + table.loads[f]]
    for i in range(uint64(table.agents.size)):
        agent = table.agents[i]
        agent.payoff = table.worth[agent.last]
