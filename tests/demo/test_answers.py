from dataclasses import replace

from demo import answers, truth

RIGHT = answers.Answered(
    incident="INC-1",
    title="Orders fail",
    said="06",
    said_text="06 something",
    weight=0.8,
    origin_said="ai",
    category_said="logic_unhandled",
    cause=truth.Cause("06", "logic_unhandled", "story"),
    duplicate_of=None,
    is_false_alarm=False,
)
WRONG = replace(RIGHT, said="07")
NONE = replace(RIGHT, said=None, cause=truth.Cause(None, "unknown", "story"))


def test_seven_of_ten_are_enough_and_six_are_not() -> None:
    assert answers.score([RIGHT] * 7 + [WRONG] * 3 + [NONE]).is_enough
    assert not answers.score([RIGHT] * 6 + [WRONG] * 4 + [NONE]).is_enough


def test_blaming_a_change_for_what_none_did_is_never_enough() -> None:
    assert not answers.score([RIGHT] * 10 + [replace(NONE, said="06")]).is_enough


def test_a_duplicate_does_not_count_twice() -> None:
    again = replace(WRONG, cause=replace(WRONG.cause, same_as="INC-1"))
    score = answers.score([RIGHT, again])
    assert (score.by_change, score.by_change_right, score.total) == (1, 1, 1)


def test_unknown_is_right_for_people_and_wrong_for_agents() -> None:
    tagged = answers.Tagged("01", "subject", "unknown", (), "human")
    assert tagged.is_right
    assert not replace(tagged, true="ai").is_right
    assert replace(tagged, said="mixed", true="ai").is_right
    assert not replace(tagged, said="ai").is_right
