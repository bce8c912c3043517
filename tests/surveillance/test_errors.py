"""What can go wrong: one root, and what is refused for good is told from what may be tried again."""

from __future__ import annotations

from include.surveillance import errors
from include.surveillance.errors import SurveillanceError, UnavailableError, VendorError


def test_every_error_has_one_root_and_none_is_both_refused_for_good_and_worth_another_try():
    kinds = [it for it in vars(errors).values() if isinstance(it, type) and it.__module__ == errors.__name__]
    assert all(issubclass(kind, SurveillanceError) for kind in kinds)
    assert len(kinds) > 10
    assert not [kind for kind in kinds if issubclass(kind, VendorError) and issubclass(kind, UnavailableError)]
