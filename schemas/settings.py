"""Every setting, with its unit and its default: ``aftermerge.toml`` in the data folder or the working directory,
overridden by ``AFTERMERGE_*`` environment variables (nested with ``__``), overridden by the command line.
"""

import os
from datetime import date
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

MIB = 1024 * 1024


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
    intake_bytes_max: int = Field(1 * MIB, gt=0, description="intake or webhook request")
    backlog_bytes_max: int = Field(
        1024 * MIB, gt=0, description="spool bytes not yet loaded; beyond: refused, retry"
    )
    segment_bytes_max: int = Field(16 * MIB, gt=0, description="spool segment size that seals it")
    segment_age_s: float = Field(1.0, gt=0, description="age that seals a spool segment")
    load_rows_max: int = Field(20_480, gt=0, description="rows per load transaction: one row group")
    attribute_bytes_max: int = Field(
        8192, gt=0, description="one attribute value; longer ones are cut and counted"
    )
    stacktrace_bytes_max: int = Field(
        65_536, gt=0, description="one stack trace; longer ones are cut and counted"
    )
    attributes_dropped: tuple[str, ...] = ("enduser.id", "enduser.role", "user.email", "user.full_name")
    duckdb_memory_limit: str = "2GB"
    duckdb_threads: int = Field(2, gt=0)

    spans_retention_days: int = Field(14, gt=0, description="raw spans, counted from receipt")
    failures_retention_days: int = Field(
        400, gt=0, description="traces of failing spans, exceptions and hourly counts, counted from receipt"
    )
    rollup_interval_s: float = Field(60.0, gt=0, description="how often new spans are counted by the hour")
    correlate_interval_s: float = Field(15.0, gt=0)
    sync_interval_s: float = Field(300.0, gt=0)
    report_weekday: str = "mon"
    report_hour: int = Field(6, ge=0, le=23, description="UTC")
    production_environments: tuple[str, ...] = ("production", "prod", "")

    git_timeout_s: float = Field(600.0, gt=0, description="clone, fetch and log")
    blame_timeout_s: float = Field(10.0, gt=0, description="one blame call; beyond: unknown")
    note_bytes_max: int = Field(262_144, gt=0, description="one git-ai note; the rest is cut")

    sampling_ratio: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="share of traces that services send, unless tracestate says otherwise; None: unknown",
    )

    ingest_token_required: bool | None = None
    pagerduty_secrets: tuple[SecretStr, ...] = ()
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
