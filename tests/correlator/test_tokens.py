"""Names that a failure shows, and how rare they are among the candidates."""

from random import Random

import pytest
from evidence_builders import failing, frame
from hypothesis import given
from hypothesis import strategies as st

from correlator.tokens import TokenRarity, failure_tokens, matter_of, parts_of, version, words_of
from schemas import vocabulary
from schemas.vocabulary import FailureCategory

DULL = ("request", "Response", "NONE", "error", "value", "dict", "server", "missing", "Exception")
WORDS = st.text("abcde_", min_size=3, max_size=8)
CANDIDATES = st.dictionaries(WORDS, st.frozensets(WORDS, max_size=6), min_size=1, max_size=12)


def rarity(*tokens: set[str]) -> TokenRarity:
    return TokenRarity({f"{n}": frozenset(found) for n, found in enumerate(tokens)})


def test_rare_tokens_weigh_more_than_common_ones() -> None:
    known = rarity({"coupon", "cart"}, {"cart"}, {"cart"}, {"order"}, {"order"}, {"order"}, {"total"}, set())
    assert known.weight("coupon") > known.weight("cart") > 0
    assert known.weight("coupon") == known.weight("total")


def test_a_token_of_more_than_half_of_the_candidates_weighs_nothing() -> None:
    known = rarity({"cart", "coupon"}, {"cart", "coupon"}, {"cart"}, {"order"}, set())
    assert known.weight("cart") == 0
    assert known.weight("coupon") > 0


def test_a_token_that_no_candidate_touches_weighs_nothing() -> None:
    assert rarity({"cart"}, {"order"}).weight("coupon") == 0
    assert TokenRarity({}).weight("coupon") == 0


def test_parts_of_identifiers_are_as_rare_as_the_candidates_that_hold_them() -> None:
    known = rarity({"parse_token"}, {"parseCart", "parse_order"}, {"parse"}, {"login"}, {"order"})
    assert known.part_weight("parse") == 0
    assert known.part_weight("token") > known.part_weight("order") > 0


def test_a_part_that_only_a_path_holds_counts_as_rare() -> None:
    known = rarity({"cart"}, {"order"}, {"token"}, set())
    assert known.part_weight("auth") == known.part_weight("token") > 0


@given(CANDIDATES)
def test_no_token_weighs_less_than_nothing_nor_more_than_one_of_a_single_candidate(
    tokens_of: dict[str, frozenset[str]],
) -> None:
    known = TokenRarity(tokens_of)
    alone = TokenRarity({**dict.fromkeys(tokens_of, frozenset()), next(iter(tokens_of)): frozenset({"xyz"})})
    for tokens in tokens_of.values():
        for token in tokens:
            assert 0 <= known.weight(token) <= alone.weight("xyz")


@given(CANDIDATES, st.randoms())
def test_rarity_does_not_depend_on_the_order_of_candidates(
    tokens_of: dict[str, frozenset[str]], chance: Random
) -> None:
    items = list(tokens_of.items())
    chance.shuffle(items)
    shuffled, known = TokenRarity(dict(items)), TokenRarity(tokens_of)
    for token in frozenset[str]().union(*tokens_of.values()):
        assert shuffled.weight(token) == known.weight(token)
        assert shuffled.part_weight(token) == known.part_weight(token)


@pytest.mark.parametrize("word", DULL)
def test_dull_words_never_tell_candidates_apart(word: str) -> None:
    assert words_of([f"coupon {word} expired"]) == {"coupon", "expired"}
    assert failure_tokens(failing(message=f"coupon {word} expired")) == {"coupon", "expired"}


def test_quoted_literals_are_names_as_a_whole_and_by_their_words() -> None:
    found = failure_tokens(failing(message="no rate for 'gift-note v2' in \"de-AT\""))
    assert {"gift-note v2", "gift", "note", "de-AT", "rate"} <= found


def test_a_failure_shows_its_exception_functions_route_and_table() -> None:
    failure = failing(
        frame(function="Basket.add_gift"),
        frame(path=None, function="foreign_call"),
        exception_type="shop.errors.CouponExpired",
        attributes={
            vocabulary.HTTP_ROUTE: "/baskets/{basket_id}",
            vocabulary.DB_COLLECTION_NAME: "order_lines",
            vocabulary.HTTP_RESPONSE_STATUS_CODE: 500,
        },
    )
    found = failure_tokens(failure)
    assert {"add_gift", "CouponExpired", "baskets", "basket_id", "order_lines"} <= found
    assert not found & {"foreign_call", "Basket", "shop"}


def test_a_failure_without_words_shows_nothing() -> None:
    assert failure_tokens(failing()) == frozenset()


def test_identifiers_fall_into_the_words_that_they_are_made_of() -> None:
    assert parts_of(["parseHTTPBody", "auth_token", "src/LoginForm.tsx"]) >= {
        "parse",
        "http",
        "body",
        "auth",
        "token",
        "login",
        "form",
    }


def test_a_category_names_its_matter_in_lower_case_and_an_unknown_one_has_none() -> None:
    assert "token" in matter_of(FailureCategory.SECURITY)
    assert "pool" in matter_of(FailureCategory.RESOURCE_PERFORMANCE)
    assert matter_of(FailureCategory.UNKNOWN) == frozenset()
    for category in FailureCategory:
        assert all(word == word.lower() and parts_of([word]) == {word} for word in matter_of(category))


def test_the_word_lists_carry_a_version() -> None:
    assert version()
