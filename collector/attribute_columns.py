"""The attributes of many items (spans, events, links) as flat columns: policy, kinds, texts, without a loop over values.

Gives what :func:`collector.attributes.entries` and :func:`collector.attributes.split` give for one item at a time.
Values are never moved: each attribute keeps a place in a pool of texts, and what is hashed, scrubbed or spelled out is
added to the pool.
"""

import base64
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector import attributes
from collector.attributes import LONG_KINDS, STRING, TARGETS, UNSET
from collector.policy import HASHED, SCRUBBED, Action, Policy, Rule, scrub
from collector.wire import ANY_VALUE_KINDS, array_values
from schemas import vocabulary as v

Places = npt.NDArray[np.int64]
"""Positions in another array; -1 for none."""


def text(value: str | None) -> pa.StringScalar:
    """A constant for Arrow's functions. From a bare ``str`` or None Arrow infers the type, 0.3 ms each time: it looks for a
    package that is not there."""
    return pa.scalar(value, pa.string())


class NotColumnar(Exception):
    """The group holds a wire form that protobuf merges and columns would lose; the walk decodes it."""


_QUOTE, _EMPTY, _COMMA, _OPENING, _CLOSING, _WHOLE = map(text, ('"', "", ",", "[", "]", ".0"))
_MARKS_PER_NUMBER_MAX = 64
"""A byte each: beyond that sorting takes less memory, and about as long."""


def flat(lists: pa.ListArray) -> tuple[pa.Array, Places]:
    """(all values one after the other, offsets: one more than there are lists)."""
    return lists.values, np.asarray(lists.offsets).astype(np.int64)


def owners(offsets: Places) -> Places:
    """The list that each value belongs to."""
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def single(lists: pa.ListArray) -> pa.Array:
    """The value of each list, null where it has none.

    Raises:
        NotColumnar: a list has more than one: a field that may stand once stood twice.
    """
    values, offsets = flat(lists)
    counts = np.diff(offsets)
    if (counts > 1).any():
        raise NotColumnar
    if len(values) == len(counts):
        return values
    return values.take(places_array(np.where(counts == 1, offsets[:-1], -1)))


def places_array(places: Places) -> pa.Array:
    """Positions as indices for ``take``: null for none."""
    return pa.array(places, mask=places < 0)


def byte_lengths(texts: pa.Array) -> npt.NDArray[np.int32]:
    """Bytes of each text or binary value; 0 for null."""
    found: npt.NDArray[np.int32] = np.asarray(pc.fill_null(pc.binary_length(texts), 0))
    return found


def kinds_of(members: list[pa.Array], size: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """(kind of each AnyValue, true where at most one member of its oneof is set: protobuf keeps the last of several).

    ``members``: the columns of ``size`` decoded values, in the order of :data:`collector.wire.ANY_VALUE_KINDS`.
    """
    kinds, counts = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    for number, values in zip(ANY_VALUE_KINDS, members, strict=True):
        if values.null_count < size:
            is_set = values.is_valid().to_numpy(zero_copy_only=False)
            counts += is_set
            kinds[is_set] = number
    return kinds, counts <= 1


def _repeats(numbers: Places, end: int) -> bool:
    """True when one of ``numbers`` (0..``end``) stands twice."""
    if end > _MARKS_PER_NUMBER_MAX * len(numbers):
        in_order = np.sort(numbers)
        return bool((in_order[1:] == in_order[:-1]).any())
    # A tenth of what sorting takes, as long as there are not many more marks than numbers.
    is_there = np.zeros(end, np.bool_)
    is_there[numbers] = True
    return int(np.count_nonzero(is_there)) < len(numbers)


class Attributes:
    """The attributes of ``count`` items, as the policy lets them be stored, in the order sent."""

    def __init__(self, lists: pa.ListArray, policy: Policy, tally: Counter[str]) -> None:
        pairs, offsets = flat(lists)
        self.count = len(lists)
        self._policy, self._tally = policy, tally
        encoded = pairs.field("key").dictionary_encode()
        self._dictionary = encoded.dictionary
        self.keys: list[str] = encoded.dictionary.to_pylist()
        self._codes = np.asarray(encoded.indices)
        self._owners = owners(offsets)
        value = single(pairs.field("value"))
        self._values = (
            value.flatten() if value.null_count else [value.field(n) for n in range(value.type.num_fields)]
        )
        self._kinds, is_plain = kinds_of(self._values, len(pairs))
        if not is_plain.all():
            raise NotColumnar
        self._sources = np.arange(len(pairs))
        self._pool: list[pa.Array] = [self._values[0]]
        self._pool_size = len(pairs)
        self._texts = np.where(self._kinds == STRING, self._sources, -1)
        self._fold_repeats()
        self._leave_out()
        self._hash()
        self._scrub()
        self._cut()

    # --- what the policy does ----------------------------------------------------------------------

    def _fold_repeats(self) -> None:
        """A repeated key keeps its first place and its last value."""
        pairs = self._owners * len(self.keys) + self._codes
        if not _repeats(pairs, self.count * len(self.keys)):
            return
        order = np.argsort(pairs, kind="stable")
        in_order = pairs[order]
        is_new = np.r_[True, in_order[1:] != in_order[:-1]]
        firsts, lasts = order[is_new], order[np.r_[is_new[1:], True]]
        by_place = np.argsort(firsts)
        self._tally["attribute_repeated"] += len(pairs) - len(firsts)
        self._select(firsts[by_place], lasts[by_place])

    def _select(self, kept: Places, sources: Places) -> None:
        self._codes, self._owners = self._codes[kept], self._owners[kept]
        self._kinds, self._texts = self._kinds[sources], self._texts[sources]
        self._sources = self._sources[sources]

    def _by_key(self, claim: Callable[[str], bool]) -> npt.NDArray[np.bool_]:
        """True for the attributes whose key fulfils ``claim``, which is asked once per distinct key."""
        of_key = np.fromiter(map(claim, self.keys), np.bool_, len(self.keys))
        return of_key[self._codes] if of_key.any() else np.zeros(len(self._codes), np.bool_)

    def _leave_out(self) -> None:
        kept = np.ones(len(self._codes), np.bool_)
        for action, reason in attributes.LEFT_OUT.items():
            out = self._by_key(lambda key, action=action: self._policy.action(key) is action)  # type: ignore[misc]
            count = int(out.sum())
            if count:
                self._tally[reason] += count
                kept &= ~out
        if not kept.all():
            positions = np.flatnonzero(kept)
            self._select(positions, positions)

    def _hash(self) -> None:
        hashed = self._by_key(lambda key: self._policy.action(key) is Action.HASH) & (self._kinds != UNSET)
        positions = np.flatnonzero(hashed)
        if len(positions):
            self._tally[HASHED] += len(positions)
            encoded = self._spelled(positions).dictionary_encode()
            hashes = pa.array(
                [self._policy.hash(text) for text in encoded.dictionary.to_pylist()], pa.string()
            )
            self._put(positions, hashes.take(encoded.indices))
            self._kinds[positions] = STRING

    def _scrub(self) -> None:
        for code, key in enumerate(self.keys):
            rules = self._policy.rules(key)
            if not rules:
                continue
            positions = np.flatnonzero((self._codes == code) & (self._kinds == STRING))
            if len(positions):
                before = self._pooled().take(pa.array(self._texts[positions]))
                after = scrubbed(before, rules, self._tally)
                if after is not before:
                    self._put(positions, after)

    def _cut(self) -> None:
        """Strings beyond their bound; what is spelled out later is cut in :meth:`lists`."""
        bytes_max = min(self._policy.attribute_bytes_max, self._policy.stacktrace_bytes_max)
        lengths = np.concatenate([byte_lengths(texts) for texts in self._pool])
        if not len(lengths) or lengths.max() <= bytes_max:
            return
        is_long = (self._texts >= 0) & (lengths[self._texts] > bytes_max)
        positions = np.flatnonzero(is_long)
        if len(positions):
            self._put(positions, self._bounded(positions, self._spelled(positions)))

    def _bounded(self, positions: Places, texts: pa.StringArray) -> pa.StringArray:
        keys = [self.keys[code] for code in self._codes[positions]]
        pairs = zip(keys, texts.to_pylist(), strict=True)
        return pa.array([attributes.bounded(k, t, self._policy, self._tally) for k, t in pairs], pa.string())

    # --- texts -------------------------------------------------------------------------------------

    def _put(self, positions: Places, texts: pa.StringArray) -> None:
        """Give the attributes at ``positions`` other texts."""
        self._texts[positions] = np.arange(self._pool_size, self._pool_size + len(texts))
        self._pool.append(texts)
        self._pool_size += len(texts)

    def _pooled(self) -> pa.StringArray:
        if len(self._pool) > 1:
            self._pool = [pa.concat_arrays(self._pool)]
        return self._pool[0]

    def _spelled(self, positions: Places) -> pa.StringArray:
        """Texts of any kind, unbounded; null for what was sent without content."""
        kinds, places = self._kinds[positions], self._texts[positions]
        added = []
        size = self._pool_size
        for kind in np.unique(kinds):
            if kind in (UNSET, STRING):
                continue
            among = np.flatnonzero(kinds == kind)
            texts = spelled(int(kind), self._values[kind - 1].take(pa.array(self._sources[positions[among]])))
            places[among] = np.arange(size, size + len(texts))
            size += len(texts)
            added.append(texts)
        pool = pa.concat_arrays([self._pooled(), *added]) if added else self._pooled()
        return pool.take(places_array(places))

    def texts(self, places: Places) -> pa.StringArray:
        """Strings at ``places``, as :meth:`find` and :meth:`split` give them; null for none."""
        at = np.full(len(places), -1)
        is_there = places >= 0
        at[is_there] = self._texts[places[is_there]]
        return self._pooled().take(places_array(at))

    def integers(self, places: Places) -> pa.Int64Array:
        """Integers at ``places``; null for none."""
        at = np.full(len(places), -1)
        is_there = places >= 0
        at[is_there] = self._sources[places[is_there]]
        return self._values[attributes.INT - 1].take(places_array(at))

    # --- reading -----------------------------------------------------------------------------------

    def find(self, key: str, kind: int = STRING) -> Places:
        """Where each item has ``key`` with a value of ``kind``; -1 for none."""
        found = np.full(self.count, -1)
        if key in self.keys:
            at = np.flatnonzero((self._codes == self.keys.index(key)) & (self._kinds == kind))
            found[self._owners[at]] = at
        return found

    def split(self) -> tuple[dict[str, Places], dict[str, pa.StringArray], Places]:
        """(column -> places, column -> texts that are only part of their attribute, places without a column).

        As :func:`collector.attributes.split`.
        """
        pulled: dict[str, Places] = {}
        parts: dict[str, pa.StringArray] = {}
        is_rest = np.ones(len(self._codes), np.bool_)
        known = set(self.keys)
        for key, target in TARGETS.items():
            if key not in known:
                continue
            places = self.find(key, target.kind)
            if target.column in pulled:
                taken = pulled[target.column]
                places = np.where(taken < 0, places, -1)
                pulled[target.column] = np.where(taken < 0, places, taken)
            else:
                pulled[target.column] = places
            if key == v.HTTP_TARGET:
                # The old key held path and query; the column holds the path, the whole stays in the rest.
                texts = self.texts(pulled[target.column])
                has_query = pc.fill_null(pc.match_substring(self.texts(places), "?"), False)
                if pc.any(has_query).as_py():
                    path = pc.replace_substring_regex(texts, r"(?s)\?.*", "")
                    parts[target.column] = pc.if_else(has_query, path, texts)
                    places = np.where(has_query.to_numpy(zero_copy_only=False), -1, places)
            is_rest[places[places >= 0]] = False
        return pulled, parts, np.flatnonzero(is_rest)

    def without(self, places: list[Places]) -> Places:
        """The attributes that stand at none of ``places``."""
        is_rest = np.ones(len(self._codes), np.bool_)
        for found in places:
            is_rest[found[found >= 0]] = False
        return np.flatnonzero(is_rest)

    def lists(self, positions: Places) -> dict[str, pa.Array]:
        """``attribute_keys``, ``attribute_values`` and ``attribute_kinds`` of the attributes at ``positions``."""
        offsets = np.zeros(self.count + 1, np.int32)
        np.cumsum(np.bincount(self._owners[positions], minlength=self.count), out=offsets[1:])
        kinds = self._kinds[positions]
        values = self._spelled(positions)
        long = np.flatnonzero(
            np.isin(kinds, LONG_KINDS)
            & (kinds != STRING)
            & (byte_lengths(values) > self._policy.attribute_bytes_max)
        )
        if len(long):
            cut = self._bounded(positions[long], values.take(pa.array(long)))
            mask = np.zeros(len(values), np.bool_)
            mask[long] = True
            values = pc.replace_with_mask(values, pa.array(mask), cut)
        starts = pa.array(offsets)
        return {
            "attribute_keys": pa.ListArray.from_arrays(
                starts, self._dictionary.take(pa.array(self._codes[positions]))
            ),
            "attribute_values": pa.ListArray.from_arrays(starts, values),
            "attribute_kinds": attributes.kinds_text(offsets, kinds),
        }


def scrubbed(texts: pa.StringArray, rules: tuple[Rule, ...], tally: Counter[str]) -> pa.StringArray:
    """:func:`collector.policy.scrub` over distinct texts; each changed occurrence is counted.

    Texts that hold nothing to scrub come back as the same object.
    """
    encoded = texts.dictionary_encode()
    before = encoded.dictionary
    after = scrub(before, rules)
    if after is before:
        return texts
    is_changed = pc.fill_null(pc.not_equal(before, after).take(encoded.indices), False)
    tally[SCRUBBED] += pc.sum(is_changed).as_py()
    return after.take(encoded.indices)


def spelled(kind: int, values: pa.Array) -> pa.StringArray:
    """Values of one kind as :func:`collector.attributes.text_of` spells them; ``kind`` is neither unset nor string."""
    match kind:
        case 2 | 3 | 8:
            return values.cast(pa.string())
        case 4:
            return doubles_text(values)
        case 7:
            return pa.array(
                [base64.b64encode(content).decode() for content in values.to_pylist()], pa.string()
            )
        case 5:
            return arrays_text(values)
        case _:
            return _nested(kind, values)


def doubles_text(values: pa.DoubleArray) -> pa.StringArray:
    """Numbers as :func:`collector.attributes.double_text` spells them.

    Arrow's shortest digits are Python's; it leaves out the ".0" of whole numbers and takes an exponent elsewhere.
    """
    numbers = values.to_numpy(zero_copy_only=False)
    texts = values.cast(pa.string())
    size = np.abs(numbers)
    with np.errstate(invalid="ignore"):
        is_whole = numbers == np.floor(numbers)
    is_alike = ((size >= 1e-4) & (size < 1e9)) | (size == 0)
    if is_whole.any():
        texts = pc.if_else(pa.array(is_whole), pc.binary_join_element_wise(texts, _WHOLE, _EMPTY), texts)
    if is_alike.all():
        return texts
    others = [attributes.double_text(number) for number in numbers[~is_alike].tolist()]
    return pc.replace_with_mask(texts, pa.array(~is_alike), pa.array(others, pa.string()))


def arrays_text(encoded: pa.BinaryArray) -> pa.StringArray:
    """Encoded ArrayValues as JSON text. Arrays of plain strings and integers, as most are, are joined as columns."""
    values, offsets = flat(array_values(encoded.to_pylist()))
    members = [values.field(n) for n in range(values.type.num_fields)]
    kinds, is_plain = kinds_of(members, len(values))
    strings = members[STRING - 1]
    needs_escape = pc.fill_null(pc.match_substring_regex(strings, r"[\x00-\x1f\"\\]"), False)
    quoted = pc.binary_join_element_wise(_QUOTE, strings, _QUOTE, _EMPTY)
    texts = pc.coalesce(quoted, members[attributes.INT - 1].cast(pa.string()))
    is_plain &= np.isin(kinds, (STRING, attributes.INT)) & ~needs_escape.to_numpy(zero_copy_only=False)
    joined = pc.binary_join(
        pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pc.fill_null(texts, _EMPTY)), _COMMA
    )
    found = pc.binary_join_element_wise(_OPENING, joined, _CLOSING, _EMPTY)
    hard = np.zeros(len(encoded), np.bool_)
    hard[owners(offsets)[~is_plain]] = True
    if hard.any():
        mask = pa.array(hard)
        found = pc.replace_with_mask(found, mask, _nested(5, encoded.filter(mask)))
    return found


def _nested(kind: int, values: pa.BinaryArray) -> pa.StringArray:
    encoded = values.dictionary_encode()
    texts: list[Any] = [attributes.nested_text(kind, content) for content in encoded.dictionary.to_pylist()]
    return pa.array(texts, pa.string()).take(encoded.indices)
