import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.base import clone

from malariafuse.model_selection import SlideAdapter


def patients(n_patients=10, n_cells=40, spread=0.5, seed=0):
    """Labels, probabilities and patients, whose cells are more or less suspicious."""
    random = np.random.default_rng(seed)
    patient = np.repeat(np.arange(n_patients), n_cells)
    y = np.tile(np.arange(n_cells) < n_cells // 10, n_patients).astype(int)
    odds = np.where(y == 1, 4.0, -3.0) + random.normal(size=y.size)
    odds += spread * random.normal(size=n_patients)[patient]
    return y, expit(odds), patient


Y, PROB, PATIENT = patients()


def test_reference_and_spread():
    # Three of four cells are called uninfected; their median is the middle one.
    odds = np.array([[-3, -2, -1, 5], [-4, -3, -2, 5], [-2, -1, -0.5, 5]] * 2) * 1.0
    y = np.tile([0, 0, 0, 1], 6)
    adapter = SlideAdapter(quantile=0.5, min_cells=3)
    adapter.fit(y, expit(odds.ravel()), np.repeat(np.arange(6), 4))
    assert adapter.spread_ == pytest.approx(np.std([-2, -3, -1] * 2, ddof=1))
    # Of all uninfected cells: -4, -3, -3, -2, -2, -2, -1, -1, -0.5, twice.
    assert adapter.reference_ == pytest.approx(-2)


def test_what_goes_beyond_the_tolerance_is_taken_off():
    adapter = SlideAdapter(quantile=0.5, tolerance=2, min_cells=3).fit(Y, PROB, PATIENT)
    odds = np.array([-1.0, -1.0, -1.0, 3.0])
    excess = -1 - adapter.reference_ - 2 * adapter.spread_
    assert excess > 0
    assert adapter.shifts(expit(odds), "new").to_dict() == {
        "new": pytest.approx(excess)
    }
    adapted = adapter.adapt(expit(odds), "new")
    np.testing.assert_allclose(logit(adapted), odds - excess)


def test_patients_like_those_of_fit_stay_as_they_are():
    adapter = SlideAdapter().fit(Y, PROB, PATIENT)
    _, prob, patient = patients(seed=1, spread=0)
    np.testing.assert_array_equal(adapter.adapt(prob, patient), prob)
    # Less suspicious ones, too.
    lower = expit(logit(prob) - 5)
    np.testing.assert_array_equal(adapter.adapt(lower, patient), lower)


def test_the_false_positive_rate_of_another_laboratory_comes_down():
    adapter = SlideAdapter(quantile=0.5).fit(*patients(20, spread=0.2))
    y, prob, slide = patients(spread=0.2, seed=2)
    elsewhere = expit(logit(prob) + 2)
    adapted = adapter.adapt(elsewhere, slide)
    before, after = ((p[y == 0] >= 0.5).mean() for p in (elsewhere, adapted))
    assert before > 0.15
    assert after < 0.6 * before
    assert (adapted[y == 1] >= 0.5).mean() > 0.9


def test_slides_are_adapted_one_by_one():
    adapter = SlideAdapter().fit(Y, PROB, PATIENT)
    _, prob, _ = patients(n_patients=1, n_cells=100, seed=3)
    high = expit(logit(prob) + 2)
    both = adapter.adapt(np.concatenate([prob, high]), ["a"] * 100 + ["b"] * 100)
    np.testing.assert_array_equal(both[:100], adapter.adapt(prob, "a"))
    np.testing.assert_array_equal(both[100:], adapter.adapt(high, "b"))


def test_slides_with_few_cells_are_not_adapted():
    adapter = SlideAdapter(min_cells=30).fit(Y, PROB, PATIENT)
    # 29 of the 31 cells are called uninfected.
    prob = np.array([0.45] * 29 + [0.9] * 2)
    assert np.isnan(adapter.shifts(prob, 1)[1])
    np.testing.assert_array_equal(adapter.adapt(prob, 1), prob)
    assert adapter.shifts(np.append(prob, 0.45), 1)[1] > 0


@given(st.lists(st.floats(0, 1), min_size=3, max_size=20), st.floats(0.05, 0.95))
def test_probabilities_never_rise_and_keep_their_order(prob, quantile):
    adapter = SlideAdapter(min_cells=1, quantile=quantile, tolerance=0)
    adapted = adapter.fit(Y, PROB, PATIENT).adapt(prob, "slide")
    assert (adapted <= np.array(prob)).all()
    assert (np.diff(adapted[np.argsort(prob, kind="stable")]) >= 0).all()


def test_certain_probabilities_stay_certain():
    adapter = SlideAdapter(min_cells=1, tolerance=0).fit(Y, PROB, PATIENT)
    adapted = adapter.adapt([0.0, 0.4, 0.45, 1.0], "slide")
    assert (adapted[0], adapted[3]) == (0, 1)
    assert 0 < adapted[1] < 0.4


def test_other_labels():
    names = np.array(["Uninfected", "Parasitized"])[Y]
    named = SlideAdapter(pos_label="Parasitized").fit(names, PROB, PATIENT)
    plain = clone(named).set_params(pos_label=None).fit(Y, PROB, PATIENT)
    assert (named.reference_, named.spread_) == (plain.reference_, plain.spread_)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"threshold": 1}, "threshold=1: expected a number in"),
        ({"quantile": 0}, "quantile=0: expected a number in"),
        ({"tolerance": -1}, "tolerance=-1: expected a number of at least 0"),
        ({"min_cells": 0}, "min_cells=0: expected a positive integer"),
        ({"min_cells": 39}, "0 patients of groups have min_cells=39 cells below"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        SlideAdapter(**parameters).fit(Y, PROB, PATIENT)


def test_bad_slides():
    adapter = SlideAdapter().fit(Y, PROB, PATIENT)
    with pytest.raises(ValueError, match="groups has 1 patients for 2 cells"):
        adapter.adapt([0.1, 0.2], ["a"])
    with pytest.raises(ValueError, match="y_prob"):
        adapter.adapt([0.1, 2], "a")
    with pytest.raises(ValueError, match="y_true has no uninfected cell"):
        SlideAdapter(min_cells=1).fit(np.ones(10), [0.1] * 10, np.arange(10))
