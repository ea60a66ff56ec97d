"""``python -m benchmarks.load VERB``: the server under load, measured from outside. Everything stays on loopback."""

from typing import Annotated

import typer
from benchmarks.load import servers

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="KEY=VALUE: a setting of the server, as AFTERMERGE_KEY.")
]


@app.command()
def server(
    rounds: int = 5,
    seconds: float = 10.0,
    requests: int = 2_000,
    in_flight: int = 8,
    transport: list[str] = ["grpc", "http"],  # noqa: B006 - typer copies it
    compression: list[str] = ["none"],  # noqa: B006
    set_: SetOption = None,
    beside: Annotated[
        list[str] | None, typer.Option(help="KEY=VALUE: measured a second time with this setting.")
    ] = None,
) -> None:
    """CPU per span of the server alone, spans/s, bytes/span, memory: durable, and durable and queryable."""
    from benchmarks.load import throughput

    chosen = throughput.variants(
        transport, compression, servers.parsed(set_ or []), servers.parsed(beside or [])
    )
    throughput.compare(chosen, rounds=rounds, seconds=seconds, requests=requests, in_flight=in_flight)


@app.command()
def latency(
    rate: float = 20_000,
    seconds: float = 300,
    transport: str = "grpc",
    set_: SetOption = None,
) -> None:
    """A steady rate against a server at work: acks, queries, how soon spans are seen, memory."""
    from benchmarks.load import steady

    found = steady.run(rate=rate, seconds=seconds, transport=transport, settings=servers.parsed(set_ or []))
    steady.show(found, title=f"{rate:,.0f} spans/s offered for {seconds:,.0f} s, {transport}")


@app.command()
def soak(
    minutes: float = 60,
    rate: float = 10_000,
    transport: str = "grpc",
    set_: SetOption = None,
) -> None:
    """The same for an hour: does memory or latency grow?"""
    latency(rate=rate, seconds=minutes * 60, transport=transport, set_=set_)


@app.command()
def crash(
    rounds: int = 20,
    rate: float = 20_000,
    seed: int = 1,
    transport: str = "grpc",
    set_: SetOption = None,
) -> None:
    """kill -9 at random moments under load: acknowledged spans missing or doubled."""
    from benchmarks.load import crash as crashes

    stated = servers.parsed(set_ or [])
    _end(crashes.rounds(rounds, rate=rate, seed=seed, transport=transport, settings=stated))


@app.command()
def replay(spans: int = 1_000_000, set_: SetOption = None) -> None:
    """A restart with a full spool: how soon it acknowledges, is ready, and has loaded all."""
    from benchmarks.load import crash as crashes

    _end(crashes.replay(spans, settings=servers.parsed(set_ or [])))


@app.command()
def overload(seconds: float = 60, backlog_mib: int = 64, set_: SetOption = None) -> None:
    """Far beyond capacity: bounded memory, retryable refusals only, nothing lost."""
    from benchmarks.load import overload as overloads

    _end(overloads.run(seconds=seconds, backlog_mib=backlog_mib, settings=servers.parsed(set_ or [])))


@app.command()
def exporters(set_: SetOption = None) -> None:
    """The SDK's exporters at their defaults against a server that refuses for some seconds: nothing lost."""
    from benchmarks.load import exporters as applications

    _end(applications.run(settings=servers.parsed(set_ or [])))


@app.command()
def peers(
    rounds: int = 1,
    transport: list[str] = ["grpc", "http"],  # noqa: B006
    in_flight: int = 8,
    peer: list[str] = ["rotel", "mlflow", "phoenix"],  # noqa: B006
    set_: SetOption = None,
) -> None:
    """Ours beside MLflow, Phoenix and Rotel in one run (`make peers` installs them)."""
    from benchmarks.load import side_by_side

    _end(
        side_by_side.compare(
            peer,
            rounds=rounds,
            transports=transport,
            in_flight=in_flight,
            settings=servers.parsed(set_ or []),
        )
    )


def _end(is_good: bool) -> None:
    if not is_good:
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
