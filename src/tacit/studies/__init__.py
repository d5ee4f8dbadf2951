"""Published claims as programs, one file each."""

from importlib import import_module
from pathlib import Path

from tacit.errors import TacitError

#: Every registered study and where it lives; a new study is one file and one line here.
STUDIES: dict[str, tuple[str, str]] = {
    "bertrand-collusion": (
        "tacit.studies.bertrand_collusion:BertrandCollusion",
        "do Q-learning firms collude, and is it collusion? (Calvano et al. 2020)",
    ),
    "braess-exploration-fixed": (
        "tacit.studies.braess_exploration_fixed:BraessExplorationFixed",
        "does a little constant exploration let drivers escape Braess's paradox? (Carissimo 2024)",
    ),
    "braess-exploration-decay": (
        "tacit.studies.braess_exploration_decay:BraessExplorationDecay",
        "do drivers whose exploration decays settle above the Nash equilibrium? (Carissimo 2024)",
    ),
    "braess-recommender": (
        "tacit.studies.braess_recommender:BraessRecommender",
        "can a recommender steer drivers who learn to the social optimum? (Carissimo et al. 2025)",
    ),
    "execution-collusion": (
        "tacit.studies.execution_collusion:ExecutionCollusion",
        "do deep Q-learners that liquidate the same asset collude? (Macrì and Lillo 2024)",
    ),
    "execution-misspecified": (
        "tacit.studies.execution_misspecified:ExecutionMisspecified",
        "do they collude where volatility differs between training and test? (Macrì and Lillo 2024)",
    ),
    "insider-trading": (
        "tacit.studies.insider_trading:InsiderTrading",
        "do insiders, makers and dealers who learn end where theory says, or do they collude?",
    ),
    "resource-cooperation": (
        "tacit.studies.resource_cooperation:ResourceCooperation",
        "do Q-learners in a volatile resource market learn to cooperate?",
    ),
    "token-volatility": (
        "tacit.studies.token_volatility:TokenVolatility",
        "does PPO make token prices 30 % less volatile, and against whom?",
    ),
    "resource-network": (
        "tacit.studies.token_network:ResourceNetwork",
        "do cooperative agents use 85 % of a resource, or does its price curve?",
    ),
    "shock-recovery": (
        "tacit.studies.token_shock:ShockRecovery",
        "do prices recover from a shock within 20 steps, and thanks to whom?",
    ),
    "marl-paradigms": (
        "tacit.studies.marl_paradigms:MarlParadigms",
        "what do the paradigms of multi-agent learning reach where the optimum is known?",
    ),
    "market-making": (
        "tacit.studies.market_making:MarketMakingStudy",
        "do market makers learn the optimal quotes, and do several of them compete?",
    ),
    "curve-tuning": (
        "tacit.studies.token_tuning:CurveTuning",
        "which bonding curve has the least volatile price, and what does it stop telling?",
    ),
    "auction-bidding": (
        "tacit.studies.auction_bidding:AuctionBidding",
        "do learners bid as theory says, and how far are they from a best response?",
    ),
    "order-flow": (
        "tacit.studies.order_flow:OrderFlow",
        "what do traders without intelligence explain of auctions and of prices?",
    ),
    "bertrand-metagame": (
        "tacit.studies.bertrand_metagame:BertrandMetagame",
        "which learning parameters do competing designers choose, and does collusion survive?",
    ),
    "braess-metagame": (
        "tacit.studies.braess_metagame:BraessMetagame",
        "which learning parameters do a hundred designers of drivers choose, and are roads coordinated?",
    ),
}


def run_study(
    name: str,
    preset: str,
    folder: Path,
    threads: int | None = None,
    seed: int | None = None,
    figures: Path | None = None,
    suffix: str = "pdf",
) -> None:
    """Run a study, print its claims with verdicts and write its report, and its figures where they are wanted.

    Raises
    ------
    TacitError
        If there is no such study or preset.
    """
    import difflib

    from tacit.report import terminal
    from tacit.report.figures import save_all
    from tacit.studies.base import Player, build_page, write_report

    if name not in STUDIES:
        close = difflib.get_close_matches(name, STUDIES, n=1, cutoff=0.4)
        mend = f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(STUDIES)}"
        raise TacitError(f"{name}: no such study; {mend}")
    module, _, attribute = STUDIES[name][0].partition(":")
    study = getattr(import_module(module), attribute)()
    if preset not in study.presets:
        raise TacitError(f"preset: {preset!r} is unknown; choose from {', '.join(study.presets)}")
    with terminal.bars() as progress:
        finding = study.find(preset, Player(folder, threads, progress, seed))
    terminal.print_claims(finding)
    if figures is not None:
        for path in save_all(build_page(study, preset, finding), figures, suffix):
            print(f"figure  {path}")
    print(f"report  {write_report(study, preset, finding, folder)}")
