"""Words that companies are made of: what they deal in, what their services do, and whom they call."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Domain:
    """One trade. Names are snake case; every language writes them its own way."""

    services: tuple[str, ...]
    nouns: tuple[str, ...]
    fields: tuple[str, ...]
    parts: tuple[str, ...]
    hosts: tuple[str, ...]


DOMAINS = (
    Domain(
        ("checkout", "catalog", "stock", "payments", "shipping", "accounts"),
        ("order", "cart", "coupon", "invoice", "product", "refund", "basket", "voucher", "price_list"),
        ("total", "discount", "currency", "quantity", "sku", "tax_rate", "weight", "customer", "due_date"),
        ("pricing", "discounts", "taxes", "baskets", "receipts", "returns", "bundles", "loyalty"),
        ("api.cardhouse.example", "rates.fiscal.example", "parcels.example"),
    ),
    Domain(
        ("dispatch", "fleet", "tracking", "warehouse", "billing", "customs"),
        ("shipment", "parcel", "route_plan", "driver", "vehicle", "manifest", "depot", "pallet", "claim"),
        ("eta", "mileage", "capacity", "origin", "destination", "carrier", "seal_number", "gross", "slot"),
        ("routing", "loading", "tariffs", "handover", "geofence", "rounds", "labels", "docking"),
        ("maps.geo.example", "toll.roads.example", "api.customs.example"),
    ),
    Domain(
        ("ledger", "cards", "transfers", "onboarding", "statements", "limits"),
        ("account", "payment", "mandate", "beneficiary", "statement", "card", "balance", "payout", "fee"),
        ("amount", "iban", "value_date", "currency", "reference", "holder", "overdraft", "rate", "cut_off"),
        ("settlement", "screening", "accrual", "netting", "fees", "reconcile", "quotes", "booking"),
        ("swift.gateway.example", "fx.quotes.example", "kyc.checks.example"),
    ),
    Domain(
        ("booking", "patients", "records", "pharmacy", "notify", "insurance"),
        ("appointment", "patient", "visit", "prescription", "clinic", "referral", "dose", "claim", "slot"),
        ("birth_date", "duration", "insurer", "practice", "dosage", "expiry", "ward", "copay", "batch"),
        ("calendar", "triage", "dosing", "consent", "reminders", "coverage", "intake", "history"),
        ("sms.texts.example", "api.insurers.example", "codes.health.example"),
    ),
    Domain(
        ("feeds", "profiles", "search", "media", "ads", "moderation"),
        ("post", "profile", "comment", "playlist", "campaign", "channel", "clip", "topic", "report"),
        ("language", "score", "cursor", "viewer", "duration", "budget", "region", "caption", "rank"),
        ("ranking", "timeline", "mentions", "transcode", "bidding", "filters", "digest", "trends"),
        ("cdn.edge.example", "translate.words.example", "bids.market.example"),
    ),
    Domain(
        ("meters", "grid", "invoicing", "tariff", "outages", "portal"),
        ("meter", "reading", "contract", "invoice", "substation", "outage", "household", "feeder", "credit"),
        ("kwh", "period", "tariff", "voltage", "serial", "balance", "zone", "phase", "deposit"),
        ("metering", "forecast", "peaks", "billing_runs", "switching", "imports", "alarms", "readings"),
        ("weather.data.example", "spot.market.example", "api.registry.example"),
    ),
)

VERBS = (
    "load", "build", "apply", "resolve", "collect", "merge", "check", "format", "find", "assign", "split",
    "prepare", "sort", "derive", "settle", "close", "pick", "match", "round", "count", "group", "expand",
)  # fmt: skip

LOCALS = (
    "current", "known", "found", "limit", "offset", "label", "rest", "share", "base", "extra", "first", "latest",
    "bonus", "margin", "factor", "step", "span", "lead", "draft", "view", "entry", "target", "source", "state",
)  # fmt: skip

PEOPLE = (
    ("Ines Duarte", "ines"),
    ("Tomasz Wilk", "tomasz"),
    ("Priya Nair", "priya"),
    ("Jonas Brandt", "jonas"),
    ("Mei Tanaka", "mei"),
    ("Sara Lind", "sara"),
    ("Kofi Mensah", "kofi"),
    ("Lucia Ferri", "lucia"),
)

AI_TRAILERS = (
    "Co-Authored-By: Claude <noreply@anthropic.com>",
    "Co-authored-by: Copilot <175728472+Copilot@users.noreply.github.com>",
    "Co-authored-by: Cursor <cursoragent@cursor.com>",
    "Co-authored-by: aider (gpt-4.1) <aider@aider.chat>",
)

LIBRARIES = {
    "python": (("pydantic", "2.9.2"), ("httpx", "0.27.2"), ("sqlalchemy", "2.0.35"), ("orjson", "3.10.7"), ("redis", "5.1.0")),
    "javascript": (("axios", "1.7.7"), ("pg", "8.13.0"), ("zod", "3.23.8"), ("dayjs", "1.11.13"), ("ioredis", "5.4.1")),
    "typescript": (("axios", "1.7.7"), ("pg", "8.13.0"), ("zod", "3.23.8"), ("luxon", "3.5.0"), ("ioredis", "5.4.1")),
    "java": (("jackson-databind", "2.17.2"), ("okhttp", "4.12.0"), ("HikariCP", "5.1.0"), ("guava", "33.3.0-jre"), ("lettuce-core", "6.4.0")),
    "go": (("github.com/jackc/pgx/v5", "v5.7.1"), ("github.com/go-resty/resty/v2", "v2.15.3"), ("github.com/shopspring/decimal", "v1.4.0"), ("github.com/redis/go-redis/v9", "v9.6.1")),
}  # fmt: skip
