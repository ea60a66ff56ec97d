"""Many pass a gate together; one takes it alone, and nobody waits for that one for long."""

import threading

from schemas.gate import Gate

SOON_S = 0.01


def inside(gate: Gate, *, leave: threading.Event) -> threading.Thread:
    """A thread that is inside until ``leave`` is set."""
    entered = threading.Event()

    def stay() -> None:
        with gate.passing():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=stay)
    thread.start()
    assert entered.wait(10)
    return thread


def test_the_gate_is_taken_when_nobody_is_inside() -> None:
    gate = Gate()
    for _ in range(2):
        with gate.taken(SOON_S) as is_alone:
            assert is_alone


def test_it_is_not_taken_while_somebody_is_inside_and_others_pass_again_afterwards() -> None:
    gate, leave = Gate(), threading.Event()
    thread = inside(gate, leave=leave)
    with gate.taken(SOON_S) as is_alone:
        assert not is_alone
    with gate.passing():
        pass
    leave.set()
    thread.join()
    with gate.taken(SOON_S) as is_alone:
        assert is_alone


def test_who_is_inside_may_pass_again_but_not_take_it() -> None:
    gate = Gate()
    with gate.passing():
        with gate.passing():
            pass
        with gate.taken(SOON_S) as is_alone:
            assert not is_alone
    with gate.taken(SOON_S) as is_alone:
        assert is_alone


def test_nobody_passes_and_nobody_else_takes_it_while_it_is_taken() -> None:
    gate, passed = Gate(), threading.Event()

    def enter() -> None:
        with gate.passing():
            passed.set()

    with gate.taken(SOON_S) as is_alone:
        assert is_alone
        thread = threading.Thread(target=enter)
        thread.start()
        assert not passed.wait(SOON_S)
        with gate.taken(SOON_S) as is_second:
            assert not is_second
    assert passed.wait(10)
    thread.join()


def test_a_failure_inside_leaves_the_gate_usable() -> None:
    gate = Gate()
    for enter in (gate.passing, lambda: gate.taken(SOON_S)):
        try:
            with enter():
                raise ValueError
        except ValueError:
            pass
    with gate.taken(SOON_S) as is_alone:
        assert is_alone
