"""Published claims as programs, one file each."""

from importlib import import_module
from pathlib import Path

from tacitlab.errors import TacitError

#: Every registered study and where it lives; a new study is one file and one line here.
STUDIES: dict[str, tuple[str, str]] = {
    "bertrand-collusion": (
        "tacitlab.studies.bertrand_collusion.study:BertrandCollusion",
        "do Q-learning firms collude, and is it collusion? (Calvano et al. 2020)",
    ),
    "braess-exploration-fixed": (
        "tacitlab.studies.braess_exploration_fixed.study:BraessExplorationFixed",
        "does a little constant exploration let drivers escape Braess's paradox? (Carissimo 2024)",
    ),
    "braess-exploration-decay": (
        "tacitlab.studies.braess_exploration_decay.study:BraessExplorationDecay",
        "do drivers whose exploration decays settle above the Nash equilibrium? (Carissimo 2024)",
    ),
    "braess-recommender": (
        "tacitlab.studies.braess_recommender.study:BraessRecommender",
        "can a recommender steer drivers who learn to the social optimum? (Carissimo et al. 2025)",
    ),
    "execution-collusion": (
        "tacitlab.studies.execution_collusion.study:ExecutionCollusion",
        "do deep Q-learners that liquidate the same asset collude? (Macrì and Lillo 2024)",
    ),
    "execution-misspecified": (
        "tacitlab.studies.execution_misspecified.study:ExecutionMisspecified",
        "do they collude where volatility differs between training and test? (Macrì and Lillo 2024)",
    ),
    "insider-trading": (
        "tacitlab.studies.insider_trading.study:InsiderTrading",
        "do insiders, makers and dealers who learn end where theory says, or do they collude?",
    ),
    "resource-cooperation": (
        "tacitlab.studies.resource_cooperation.study:ResourceCooperation",
        "do Q-learners in a volatile resource market learn to cooperate?",
    ),
    "token-volatility": (
        "tacitlab.studies.token_volatility.study:TokenVolatility",
        "does PPO make token prices 30 % less volatile, and against whom?",
    ),
    "resource-network": (
        "tacitlab.studies.resource_network.study:ResourceNetwork",
        "do cooperative agents use 85 % of a resource, or does its price curve?",
    ),
    "shock-recovery": (
        "tacitlab.studies.shock_recovery.study:ShockRecovery",
        "do prices recover from a shock within 20 steps, and thanks to whom?",
    ),
    "marl-paradigms": (
        "tacitlab.studies.marl_paradigms.study:MarlParadigms",
        "what do the paradigms of multi-agent learning reach where the optimum is known?",
    ),
    "market-making": (
        "tacitlab.studies.market_making.study:MarketMakingStudy",
        "do market makers learn the optimal quotes, and do several of them compete?",
    ),
    "curve-tuning": (
        "tacitlab.studies.curve_tuning.study:CurveTuning",
        "which bonding curve has the least volatile price, and what does it stop telling?",
    ),
    "auction-bidding": (
        "tacitlab.studies.auction_bidding.study:AuctionBidding",
        "do learners bid as theory says, and how far are they from a best response?",
    ),
    "order-flow": (
        "tacitlab.studies.order_flow.study:OrderFlow",
        "what do traders without intelligence explain of auctions and of prices?",
    ),
    "bertrand-metagame": (
        "tacitlab.studies.bertrand_metagame.study:BertrandMetagame",
        "which learning parameters do competing designers choose, and does collusion survive?",
    ),
    "braess-metagame": (
        "tacitlab.studies.braess_metagame.study:BraessMetagame",
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

    from tacitlab.report import terminal
    from tacitlab.report.figures import save_all
    from tacitlab.studies.base import Player
    from tacitlab.studies.page import build_page, write_report

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
