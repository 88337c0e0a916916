"""A world for the tests that knock at every door."""

from __future__ import annotations

import pytest

from tests.conftest import Cast
from tests.house.doors import World, world_of


@pytest.fixture
def world(cast: Cast) -> World:
    return world_of(cast)
