"""Every setting, with its unit and its default: ``aftermerge.toml`` in the data folder or the working directory,
overridden by ``AFTERMERGE_*`` environment variables (nested with ``__``), overridden by the command line.
"""

import os
import re
from datetime import date
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ByteSize, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from schemas import vocabulary

MIB = 1024 * 1024
# As RFC 6454 serializes one: no path, no trailing slash.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\sA-Z]+")


class RepositorySettings(BaseModel):
    """One repository stated in ``[repositories."owner/name"]``."""

    model_config = ConfigDict(extra="forbid")

    source: str
    url: str | None = None
    assume_unmarked: str | None = Field(default=None, pattern="^human$")
    assume_unmarked_from: date | None = None

    @model_validator(mode="after")
    def _refuse_half_a_policy(self) -> "RepositorySettings":
        if (self.assume_unmarked is None) != (self.assume_unmarked_from is None):
            raise ValueError("assume_unmarked and assume_unmarked_from go together: state from which date on")
        return self


class ServiceSettings(BaseModel):
    """Where the code of one service lives, stated in ``[services.NAME]``."""

    model_config = ConfigDict(extra="forbid")

    repository: str | None = None
    path: str = ""
    sampling_ratio: float | None = Field(
        default=None, gt=0, le=1, description="share of its traces that it sends"
    )


class Settings(BaseSettings):
    """One frozen object, read once at the composition root and passed down."""

    model_config = SettingsConfigDict(
        env_prefix="AFTERMERGE_", env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    data: Path = Path("data")
    host: str = "127.0.0.1"
    otlp_grpc_port: int = Field(4317, ge=0, le=65535)
    otlp_http_port: int = Field(4318, ge=0, le=65535)
    api_port: int = Field(8080, ge=0, le=65535)

    body_bytes_max: int = Field(64 * MIB, gt=0, description="OTLP request, after decompression")
    inflight_bytes_max: int = Field(
        512 * MIB,
        gt=0,
        description="OTLP bodies held at a time, compressed and inflated; beyond: refused, retry",
    )
    request_timeout_s: float = Field(
        30.0, gt=0, description="for the headers of a request to arrive, and for its body"
    )
    connections_max: int = Field(
        1000, gt=0, description="of each port; beyond: idle and slow ones are closed, else refused, retry"
    )
    cors_origins: tuple[str, ...] = Field(
        (), description="of pages that send OTLP/HTTP, as browsers state them, or *"
    )
    tls_certificate: Path | None = Field(None, description="PEM file, with its chain; for all three ports")
    tls_key: Path | None = Field(None, description="PEM file without a pass phrase")
    tls_client_authority: Path | None = Field(
        None, description="PEM file; senders of OTLP then need a certificate that it signed"
    )
    intake_bytes_max: int = Field(1 * MIB, gt=0, description="intake or webhook request")
    source_map_bytes_max: int = Field(32 * MIB, gt=0, description="one uploaded source map")
    backlog_bytes_max: int = Field(
        1024 * MIB, gt=0, description="spool bytes not yet loaded; beyond: refused, retry"
    )
    segment_bytes_max: int = Field(16 * MIB, gt=0, description="spool segment size that seals it")
    segment_age_s: float = Field(0.25, gt=0, description="age that seals a spool segment")
    load_rows: int = Field(
        20_480, gt=0, description="spans that one load transaction waits for: a row group of the store"
    )
    load_age_s: float = Field(1.25, gt=0, description="age at which spans are loaded however few they are")
    attribute_bytes_max: int = Field(
        8192, gt=0, description="one attribute value; longer ones are cut and counted"
    )
    stacktrace_bytes_max: int = Field(
        65_536, gt=0, description="one stack trace; longer ones are cut and counted"
    )
    attributes_dropped: tuple[str, ...] = Field(
        vocabulary.ATTRIBUTES_DROPPED, description="never stored; `*` at the end stands for any rest"
    )
    attributes_hashed: tuple[str, ...] = Field(
        vocabulary.ATTRIBUTES_HASHED, description="stored as a keyed hash of their value"
    )
    attributes_kept: tuple[str, ...] = Field(
        (),
        description="when not empty: of the attributes without a column of their own only these are stored",
    )
    attributes_dropped_before_spool: bool = Field(
        default=False,
        description="take what is dropped out of a request before it is written even to the spool",
    )
    watched_attributes: tuple[str, ...] = Field(
        (),
        description="span attributes whose empty, null or zero values are counted: sudden ones are a failure",
    )
    texts_scrubbed: bool = Field(
        default=True,
        description="replace credentials, mail addresses and literals in messages, stacks, queries",
    )
    scrub_patterns: tuple[str, ...] = Field((), description="RE2 patterns that are replaced besides")
    duckdb_memory_limit: ByteSize = Field(
        ByteSize(1_000_000_000),
        description="what the store may take at most, when the next three are too little",
    )
    duckdb_memory_working: ByteSize = Field(
        ByteSize(72_000_000), description="of the store while it counts, correlates or reports"
    )
    duckdb_memory_resting: ByteSize = Field(
        ByteSize(60_000_000),
        description="of the store while it only receives and answers; more is a cache of the file",
    )
    duckdb_memory_behind: ByteSize = Field(
        ByteSize(400_000_000), description="of the store while more waits to be loaded than is being loaded"
    )
    duckdb_threads: int = Field(
        1,
        gt=0,
        description="of one statement; on two cores a second one takes from the loader and from who asks",
    )

    spans_retention_days: int = Field(14, gt=0, description="raw spans, counted from receipt")
    failures_retention_days: int = Field(
        400, gt=0, description="traces of failing spans, exceptions and hourly counts, counted from receipt"
    )
    rollup_interval_s: float = Field(5.0, gt=0, description="how often new spans are counted by the hour")
    correlate_interval_s: float = Field(15.0, gt=0)
    sync_interval_s: float = Field(300.0, gt=0)
    report_weekday: str = "mon"
    report_hour: int = Field(6, ge=0, le=23, description="UTC")
    production_environments: tuple[str, ...] = ("production", "prod", "")

    history_from: date | None = Field(
        default=None,
        description="changes that landed before are not read when a repository is synced for the first time: "
        "their lines have no owner, and nothing is counted of them",
    )
    git_timeout_s: float = Field(600.0, gt=0, description="clone, fetch and log")
    git_memory_bytes_max: int = Field(
        2048 * MIB, ge=256 * MIB, description="what one git process may allocate; maps of packs do not count"
    )
    blame_timeout_s: float = Field(10.0, gt=0, description="one blame call; beyond: unknown")
    note_bytes_max: int = Field(262_144, gt=0, description="one git-ai note; the rest is cut")

    sampling_ratio: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="share of traces that services send, unless tracestate says otherwise; None: unknown",
    )

    ingest_token_required: bool | None = None
    ingest_token: SecretStr | None = Field(
        None, min_length=32, description="accepted for OTLP beside those of the ledger, for containers"
    )
    pagerduty_secrets: tuple[SecretStr, ...] = ()
    github_secrets: tuple[SecretStr, ...] = Field((), description="of webhooks, X-Hub-Signature-256")
    gitlab_secrets: tuple[SecretStr, ...] = Field(
        (), description="of webhooks: secret tokens (X-Gitlab-Token) and signing tokens (whsec_...)"
    )
    teams: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="team -> its repositories (owner/name) and services; `*` stands for any part of a name",
    )
    repositories: dict[str, RepositorySettings] = Field(default_factory=dict)
    services: dict[str, ServiceSettings] = Field(default_factory=dict)

    @property
    def store_path(self) -> Path:
        return self.data / "aftermerge.duckdb"

    @property
    def spool_path(self) -> Path:
        return self.data / "spool"

    @property
    def mirrors_path(self) -> Path:
        return self.data / "mirrors"

    @property
    def is_loopback(self) -> bool:
        """True when every listener is reachable from this machine only."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def needs_ingest_token(self) -> bool:
        """OTLP needs no token on loopback, as exporters expect; beyond it always."""
        return not self.is_loopback if self.ingest_token_required is None else self.ingest_token_required

    def sampling_ratio_of(self, service: str) -> float | None:
        """The sampling ratio that is stated for a service, else for all; None when none is."""
        stated = self.services.get(service)
        return (stated.sampling_ratio if stated else None) or self.sampling_ratio

    @field_validator("scrub_patterns")
    @classmethod
    def _refuse_patterns_that_do_not_compile(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        if patterns:
            # A tenth of a second, which most commands would wait for without need.
            import pyarrow as pa  # noqa: PLC0415
            import pyarrow.compute as pc  # noqa: PLC0415
        for pattern in patterns:
            try:
                pc.match_substring_regex(pa.array([""]), pattern)
            except pa.ArrowInvalid as error:
                raise ValueError(f"{pattern!r} is not an RE2 pattern: {error}") from error
        return patterns

    @model_validator(mode="after")
    def _refuse_failures_that_go_first(self) -> "Settings":
        if self.failures_retention_days < self.spans_retention_days:
            raise ValueError(
                "failures_retention_days is less than spans_retention_days: failing traces are spans too, raise it"
            )
        return self

    @model_validator(mode="after")
    def _refuse_open_ports(self) -> "Settings":
        if not self.is_loopback and self.ingest_token_required is False:
            raise ValueError(
                "ingest_token_required = false is refused beyond loopback: set host to 127.0.0.1 or remove it"
            )
        return self

    @model_validator(mode="after")
    def _refuse_half_a_certificate(self) -> "Settings":
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        if self.tls_client_authority is not None and self.tls_certificate is None:
            raise ValueError("tls_client_authority needs tls_certificate and tls_key")
        return self

    @model_validator(mode="after")
    def _refuse_bounds_that_exclude_each_other(self) -> "Settings":
        if self.inflight_bytes_max < 2 * self.body_bytes_max:
            raise ValueError(
                "inflight_bytes_max must be at least twice body_bytes_max: one body is held compressed and inflated"
            )
        return self

    @field_validator("cors_origins")
    @classmethod
    def _refuse_what_no_browser_states(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin!r} is no origin: write scheme://host or scheme://host:port in lower case, or *"
                )
        return origins

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (
            init_settings,
            env_settings,
            TomlConfigSettingsSource(settings_cls, _toml_path(init_settings)),
        )


def _toml_path(init_settings: PydanticBaseSettingsSource) -> Path:
    """``aftermerge.toml`` of the data folder (option, else variable, else default), else of the working directory."""
    stated = init_settings().get("data") or os.environ.get("AFTERMERGE_DATA") or "data"
    in_data = Path(stated) / "aftermerge.toml"
    return in_data if in_data.exists() else Path("aftermerge.toml")


def load(**overrides: Any) -> Settings:
    """Settings from file and environment, with ``overrides`` (None values are left out) on top."""
    return Settings(**{key: value for key, value in overrides.items() if value is not None})
