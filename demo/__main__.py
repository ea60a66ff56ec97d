"""``python -m demo``: a small real company, its failures, and the product's answers beside the truth.

Makes a data folder, starts the product on free loopback ports, writes eight weeks of git history, runs every deployed
revision as real processes under real traffic, delivers its pagers' webhooks, and prints. On a terminal the server then
stays up until Ctrl-C; elsewhere the demo stops it and ends. Exit code 1: too many wrong answers.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from demo import (
    answers,
    catalogue_history,
    catalogue_traffic,
    history,
    incidents,
    large,
    releases,
    repository,
)
from demo.fleet import PROJECT, REPOSITORY_URL, Fleet
from demo.printing import Terminal
from demo.product import Product, ProductError
from demo.replay import REPOSITORY, Replay

POLICY_AFTER_DAYS = 14
"""When Acme began to mark what agents write, and to state that the rest is human."""
RATES = {
    "failure_rate": "changes followed by a failure",
    "change_failure_rate": "changes followed by an incident",
    "line_rework_rate": "added lines replaced in 30 days",
}
ANSWERS_FILE = "answers.json"
"""In the data folder: what was answered, for a later run to compare with."""
LOADED_S = 60.0
CORRELATE_INTERVAL_S = 900.0
"""Seconds between the correlations that the server starts itself: the demo asks for one when the weeks are complete."""


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; the exit code."""
    options = _options(arguments)
    # Everything here talks over loopback; a proxy of the machine has no part in it.
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1,localhost"
    # Whoever ends the demo ends what it started: finally blocks run for SIGTERM as they do for Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return Demo(_folder(options.keep), options).run()
    except KeyboardInterrupt:
        return 130
    except (ProductError, RuntimeError, ValueError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


def _folder(stated: Path | None) -> Path:
    """The data folder: the stated one, which must be empty, or a new one in ``.demo`` beside the code.

    Folders of earlier runs go, unless a server still runs on them.

    Raises:
        ValueError: the stated folder holds something.
    """
    if stated is not None:
        stated.mkdir(parents=True, exist_ok=True)
        if any(stated.iterdir()):
            raise ValueError(f"{stated} is not empty: name another folder with --keep")
        return stated.resolve()
    runs = PROJECT / ".demo"
    if not os.access(PROJECT, os.W_OK):
        return Path(tempfile.mkdtemp(prefix="aftermerge-demo-"))
    for earlier in runs.glob("run-*"):
        if not (earlier / "server.json").exists():
            shutil.rmtree(earlier, ignore_errors=True)
    folder = runs / f"run-{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}"
    folder.mkdir(parents=True)
    return folder


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="data folder to use (must be empty)")
    parser.add_argument("--large", action="store_true", help="add a generated history that decides a ratio")
    parser.add_argument(
        "--kill", action="store_true", help="kill -9 the server amid the traffic and restart it"
    )
    parser.add_argument(
        "--expect",
        type=Path,
        metavar="FILE",
        help="answers.json of an earlier run: exit with 1 when any differs",
    )
    parser.add_argument("--no-judge", action="store_true", help="exit with 0 whatever the answers")
    parser.add_argument("--no-wait", action="store_true", help="end after printing, also on a terminal")
    return parser.parse_args(arguments)


class Demo:
    """One run in one folder."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.folder = folder
        self.options = options
        self.terminal = Terminal()
        self.product = Product(folder)
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self.span_count = 0
        self.started = today - timedelta(days=releases.DAYS)

    def run(self) -> int:
        began = time.monotonic()
        say = self.terminal
        started_unix_s = int(self.started.timestamp())
        with say.phase("Writing eight weeks of history into git"):
            written = repository.write(self.folder / "shop.git", history.read(), started_unix_s)
            say.line(f"  {len(written.changes)} commits, {len(written.mainline)} changes: {written.path}")
        self._write_settings(written.path)
        catalogue = large.Large(self.folder, int(self._catalogue_started().timestamp()))
        try:
            with say.phase("Starting aftermerge"):
                self.product.start()
                self._introduce(written.path)
            if self.options.large:
                self._add_catalogue(catalogue)
            with say.phase("Running Acme: every release, its traffic, its pagers"):
                self._replay(written, started_unix_s)
            with say.phase("Correlating"):
                self._correlate()
            good = self._show(written)
            if self.options.large:
                self._show_ratio(catalogue)
            say.times(time.monotonic() - began)
            if sys.stdout.isatty() and not self.options.no_wait:
                self._stay()
        finally:
            self.product.stop()
        return 0 if good or self.options.no_judge else 1

    def _write_settings(self, source: Path) -> None:
        policy_from = (self.started + timedelta(days=POLICY_AFTER_DAYS)).date()
        (self.folder / "aftermerge.toml").write_text(
            "# Written by the demo. Acme's services send every trace, and from a date on what bears no mark was\n"
            "# written by people: both are statements of the operator.\n"
            f"correlate_interval_s = {CORRELATE_INTERVAL_S}\n"
            "sampling_ratio = 1.0\n\n"
            f'[repositories."{REPOSITORY}"]\n'
            f'source = "{source}"\n'
            f'url = "{REPOSITORY_URL}"\n'
            'assume_unmarked = "human"\n'
            f"assume_unmarked_from = {policy_from.isoformat()}\n"
        )

    def _introduce(self, source: Path) -> None:
        self.terminal.line("  " + self.product.command("repo", "add", REPOSITORY, str(source)).strip())
        self._map_services(REPOSITORY, {service: f"services/{service}" for service in releases.SERVICES})

    def _map_services(self, repository_name: str, paths: dict[str, str]) -> None:
        def map_one(item: tuple[str, str]) -> None:
            service, path = item
            self.product.command("service", "map", service, "--repository", repository_name, "--path", path)

        # Each command is a process of its own, so that two at once use both cores.
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(map_one, paths.items()))

    def _catalogue_started(self) -> datetime:
        return self.started - timedelta(days=catalogue_history.DAYS - releases.DAYS)

    def _add_catalogue(self, catalogue: large.Large) -> None:
        say = self.terminal
        with say.phase("Writing eight months of the catalogue into git"):
            catalogue.write()
            say.line(f"  {len(catalogue.planned):,} changes: {catalogue.path}")
        with say.phase("Reading the catalogue's history"):
            # Acme's second team has marked its agents' work from the first day.
            policy = (
                "--assume-unmarked",
                "human",
                "--assume-unmarked-from",
                f"{self._catalogue_started():%Y-%m-%d}",
            )
            url = ("--url", catalogue_traffic.REPOSITORY_URL)
            say.line(
                "  "
                + self.product.command(
                    "repo", "add", large.REPOSITORY, str(catalogue.path), *url, *policy
                ).strip()
            )
            self._map_services(large.REPOSITORY, large.services())
        with say.phase("Running every revision of the catalogue"):
            catalogue.run(self._post, self.product.endpoints["http/protobuf"])
            self.span_count += catalogue.happened.span_count
            say.line(f"  {len(catalogue.deployments):,} deployments, {catalogue.happened.span_count:,} spans")

    def _post(self, noun: str, bodies: list[dict[str, object]]) -> None:
        self.product.post(f"/v1/intake/{noun}", bodies)

    def _intake(self, noun: str, body: dict[str, object]) -> None:
        self.product.post(f"/v1/intake/{noun}", body)

    def _replay(self, written: repository.Written, started_unix_s: int) -> None:
        fleet = Fleet(self.folder, self.product.endpoints)
        replay = Replay(written, self.folder, started_unix_s, fleet, self._intake)
        try:
            for number, played in enumerate(replay.play(self._during), start=1):
                self.terminal.played(number, len(releases.PLAN), played)
        finally:
            fleet.stop()
        self.span_count += fleet.span_count

    def _during(self, release: releases.Release) -> threading.Thread | None:
        # The release whose pool runs dry has the longest traffic: the blow lands in the middle of it.
        if not self.options.kill or release.key != "r12":
            return None
        killer = threading.Thread(target=self._kill)
        killer.start()
        return killer

    def _kill(self) -> None:
        time.sleep(1.0)
        self.terminal.line("  [red]kill -9[/] of the server, in the middle of the traffic")
        self.product.kill()
        time.sleep(1.0)
        self.product.start()
        self.terminal.line("  the server is back")

    def _load(self) -> None:
        """Wait until every span that was acknowledged can be queried.

        Raises:
            ProductError: some were not within ``LOADED_S`` seconds.
        """
        ends = time.monotonic() + LOADED_S
        stored = 0
        while stored < self.span_count:
            if time.monotonic() > ends:
                raise ProductError(
                    f"{self.span_count:,} spans were acknowledged, {stored:,} are in the store"
                )
            time.sleep(0.5)
            stored = sum(service["span_count"] for service in self.product.get("/v1/services")["items"])
        self.terminal.line(f"  {self.span_count:,} spans acknowledged, {stored:,} in the store")

    def _correlate(self) -> None:
        self._load()
        found = self.product.post("/v1/operations/correlate", {})
        counts = found.get("counts") or {}
        told = ("changes", "failure_groups", "incident_states", "death_edges")
        self.terminal.line("  " + ", ".join(f"{counts[name]:,} {name.replace('_', ' ')}" for name in told))

    def _show(self, written: repository.Written) -> bool:
        say, product = self.terminal, self.product
        with say.phase("Asking"):
            tagged = answers.changes(product, written, REPOSITORY)
            answered = answers.incidents(product, written)
            since = {"from": self.started.date().isoformat(), "filter[repository]": REPOSITORY}
            rates = {name: answers.metric(product, name, group_by="arm", **since) for name in RATES}
            ratio = answers.metric(product, "failure_ratio", **since)
        score = answers.score(answered)
        self._write_answers(answered)
        say.tags(tagged)
        say.rates(RATES, rates, ratio)
        say.incidents(answered, score)
        with say.phase("Writing the weekly report"):
            week = self._week()
            printed = product.command("report", "--week", week).splitlines()
            path = next(line.strip() for line in printed if line.strip().endswith(".html"))
        say.line(f"Report of {week} (Markdown and JSON beside it): {path}")
        link = product.command("token", "login").strip()
        say.line(f"Dashboard (logs a browser in, once): {link}")
        return score.is_enough and self._is_as_expected(answered)

    def _write_answers(self, answered: list[answers.Answered]) -> None:
        (self.folder / ANSWERS_FILE).write_text(json.dumps(answers.summary(answered), indent=2) + "\n")

    def _is_as_expected(self, answered: list[answers.Answered]) -> bool:
        if self.options.expect is None:
            return True
        expected = json.loads(self.options.expect.read_text())
        differing = [name for name, said in answers.summary(answered).items() if said != expected.get(name)]
        self.terminal.line(
            f"Answers that differ from {self.options.expect}: {', '.join(differing) or 'none'}"
        )
        return not differing

    def _show_ratio(self, catalogue: large.Large) -> None:
        with self.terminal.phase("Asking for the ratio"):
            answer = answers.metric(
                self.product,
                "failure_ratio",
                **{
                    "from": self._catalogue_started().date().isoformat(),
                    "filter[repository]": large.REPOSITORY,
                },
            )
        self.terminal.ratio(catalogue.truth(), answer)

    def _week(self) -> str:
        """The week of the newest incident: this one, or the last when today is early in the week."""
        newest = max(alert.ends_s for alert in incidents.ALERTS)
        year, week, _ = (self.started + timedelta(seconds=newest)).isocalendar()
        return f"{year}-W{week:02d}"

    def _stay(self) -> None:
        self.terminal.line("The server stays up. Ctrl-C stops it.")
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            self.terminal.line("Stopping.")


if __name__ == "__main__":
    sys.exit(main())
