"""The paper's claims about stability, with many agents, adversaries and noise traders."""

from collections.abc import Iterator

from tacitlab.studies.base import Claim
from tacitlab.studies.resource_cooperation.claims import FALLS, RISES, estimate, ratio
from tacitlab.studies.resource_cooperation.evidence import Attack, Evidence

MANY = "future work: N > 100, Discussion (P)"
STABLE = "inherently stable, abstract (P)"


# --- 9: many agents --------------------------------------------------------------------------------------------------


def crowd_claims(e: Evidence) -> Iterator[Claim]:
    """Gains and volatility beside those of rules, with many traders."""
    for (agents, _), arena in e.crowds.items():
        words = f"9 {arena.setting.words}"
        beyond = agents > 2
        for name in ("random", "buy-to-limit"):
            found = estimate(arena.gain() - arena.gain(name))
            wanted = RISES if beyond else None
            yield Claim(f"{words}: gain less that of {name} (currency)", found, None, MANY, margin=wanted)
        for name in ("random", "hold"):
            found = ratio(arena.learned.volatility, arena.baselines[name].volatility)
            wanted = FALLS if name == "random" and beyond else None
            yield Claim(f"{words}: volatility over {name}, less 1 (share)", found, None, MANY, margin=wanted)


# --- 10: adversaries -------------------------------------------------------------------------------------------------


def attack_claims(e: Evidence) -> Iterator[Claim]:
    """Exploitability, losses to adversaries, and volatility beside noise traders."""
    for attack in e.attacks:
        exact, words = attack.exact, f"10 {attack.arena.setting.words}"
        for name, values in (
            ("exploitability, exact", exact.gain),
            ("lost to a best responder in the rival's place, exact", exact.loss_to_responder),
            ("lost to a spoofer in the rival's place, exact", exact.loss_to_spoofer),
        ):
            found = estimate(values.mean(axis=1))
            yield Claim(f"{words}: {name} (currency)", found, None, STABLE, margin=FALLS)
        yield from _simulated(attack, words)
        yield from _noise(attack, words)


def _simulated(attack: Attack, words: str) -> Iterator[Claim]:
    """What simulations of the first trader under adversaries say beside the exact values of the same sessions."""
    exact, few = attack.exact, len(attack.exact.values)
    for role, played in attack.simulated.items():
        theory = (exact.suffered if role == "responder" else exact.spoofed)[:, 0]
        found = estimate(attack.arena.without_luck(played.episodes[:few, :, 0]) - theory)
        name = f"{words}: gain of the first trader under a {role}, simulated less exact (currency)"
        yield Claim(name, found, 0.0, "dynamic programming")


def _noise(attack: Attack, words: str) -> Iterator[Claim]:
    for count in sorted({number for _, number in attack.noisy}):
        learned, hold = (attack.noisy[name, count] for name in ("learned", "hold"))
        found = ratio(learned.volatility, hold.volatility)
        name = f"{words}: volatility beside {count} noise traders, over that of a pair who hold, less 1 (share)"
        yield Claim(name, found, None, STABLE, margin=FALLS)
