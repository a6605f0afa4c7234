"""Nothing that the whole process shares changes for other threads."""

import logging
import random
import threading

import keras
from support import dark_spots, fast, normalized_network

from malariafuse import KerasImageClassifier
from malariafuse._engine._process import keras_seed, without_retracing_advice

X, Y, _ = dark_spots()


def test_keras_draws_the_same_seeds_in_each_block():
    def drawn():
        with keras_seed(3):
            return [keras.initializers.GlorotUniform().seed for _ in range(3)]

    assert drawn() == drawn()
    # As if Python's generator had been seeded.
    generator = random.Random(3)
    assert drawn() == [generator.randint(1, int(1e9)) for _ in range(3)]


def test_an_inner_block_leaves_the_outer_one_as_it_was():
    with keras_seed(1):
        first = random.randint(1, 1000)
        with keras_seed(2):
            random.randint(1, 1000)
        second = random.randint(1, 1000)
    generator = random.Random(1)
    assert [first, second] == [generator.randint(1, 1000) for _ in range(2)]


def test_random_is_itself_again_when_the_last_thread_has_left():
    before = random.randint
    entered, leave = threading.Event(), threading.Event()

    def inside():
        with keras_seed(0):
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=inside)
    thread.start()
    entered.wait(10)
    with keras_seed(1):
        pass
    assert random.randint is not before
    leave.set()
    thread.join()
    assert random.randint is before


def test_a_thread_of_the_user_draws_its_own_numbers_during_a_fit():
    classifier = KerasImageClassifier(
        normalized_network, **fast(epochs=1, augmentation=("rotation",))
    )
    drawn, done = [], threading.Event()

    def draw():
        # Of all functions of the module, the one that Keras calls, too.
        while not done.is_set():
            drawn.append(random.randint(0, 10**9))
            drawn.append(random.random())

    random.seed(8)
    thread = threading.Thread(target=draw)
    thread.start()
    try:
        classifier.fit(X, Y).predict(X)
    finally:
        done.set()
        thread.join()
    generator = random.Random(8)
    expected = []
    while len(expected) < len(drawn):
        expected += [generator.randint(0, 10**9), generator.random()]
    assert len(drawn) > 1000
    assert drawn == expected


def retracing_advice():
    return logging.LogRecord(
        "tensorflow",
        logging.WARNING,
        "",
        0,
        "triggered tf.function retracing",
        (),
        None,
    )


def test_advice_is_left_out_in_the_threads_that_ask_for_it_as_long_as_they_do():
    logger = logging.getLogger("tensorflow")
    entered, leave, answers = threading.Event(), threading.Event(), []

    def inside():
        with without_retracing_advice():
            entered.set()
            leave.wait(10)
            answers.append(bool(logger.filter(retracing_advice())))

    thread = threading.Thread(target=inside)
    thread.start()
    entered.wait(10)
    # A thread that enters and leaves in between takes nothing away from the other,
    # and one that never asked sees everything.
    with without_retracing_advice():
        assert not logger.filter(retracing_advice())
    assert logger.filter(retracing_advice())
    leave.set()
    thread.join()
    assert answers == [False]
    assert logger.filters == []
