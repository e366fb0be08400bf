import pytest

from serve.ray_serve.replicas import Replicas, parse_replicas
from templates import InputError


@pytest.mark.parametrize(("text", "bounds"), [("1", (1, 1)), ("4", (4, 4)), ("1:4", (1, 4)), ("2:2", (2, 2))])
def test_a_number_or_two_bounds(text: str, bounds: tuple[int, int]) -> None:
    assert parse_replicas(text) == bounds


@pytest.mark.parametrize("text", ["", "0", "0:4", "4:1", "-1", "1:", "two", "1:2:3", "1.5", "99999"])
def test_anything_else_names_the_flag(text: str) -> None:
    with pytest.raises(InputError, match=rf"--replicas {text}: give a number above 0"):
        parse_replicas(text)


def test_bounds_reach_the_deployment() -> None:
    assert Replicas(2, 2).deployment_options() == {"num_replicas": 2}
    scaling = Replicas(1, 4).deployment_options()["autoscaling_config"]
    assert (scaling["min_replicas"], scaling["max_replicas"], scaling["initial_replicas"]) == (1, 4, 1)
