"""Predictions and frozen features, against `keras.Model.predict`."""

import keras
import numpy as np
from _timing import Row, in_turn
from _training import images_of

from malariafuse import (
    FeatureFusionClassifier,
    PretrainedFeatureExtractor,
    ResNet18Classifier,
)
from malariafuse._images import to_unit_float

BATCH = 128


def plain_copy(model):
    """Return the network as Keras alone would have it, in float32."""
    config = keras.saving.serialize_keras_object(model)
    copy = keras.saving.deserialize_keras_object(_without_policies(config))
    copy.set_weights(model.get_weights())
    return copy


def _without_policies(config):
    if isinstance(config, list):
        return [_without_policies(part) for part in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "DTypePolicy":
        return "float32"
    return {name: _without_policies(part) for name, part in config.items()}


def rows(settings):
    repeats = settings.repeats
    for size, n_samples in settings.pick(((32, 768), (64, 256)), ((16, 64),)):
        images, target = images_of(n_samples, size)
        classifier = ResNet18Classifier(
            filters=settings.pick(64, 2), epochs=1, random_state=0
        ).fit(images[:128], target[:128])
        plain = plain_copy(classifier.model_)
        ratio, details = in_turn(
            lambda: classifier.predict_proba(images),  # noqa: B023
            lambda: plain.predict(to_unit_float(images), batch_size=BATCH, verbose=0),  # noqa: B023
            repeats,
        )
        details["engine"] = classifier.engine_
        yield Row(
            f"predict_proba, ResNet-18, {classifier.filters} filters, {size} px",
            "keras predict, float32",
            ratio,
            (4 if size == 64 else 3) if settings.amx else 1.3,
            details=details,
        )
    yield from defaults(settings)
    yield from frozen(settings)


def defaults(settings):
    """Time the defaults on real cells, where there are some, and compare decisions."""
    cells = settings.cells(48)
    train = np.random.default_rng(0).permutation(len(cells.target))[
        : settings.pick(6000, 64)
    ]
    for kind in (ResNet18Classifier, FeatureFusionClassifier):
        classifier = kind(epochs=settings.pick(3, 1), random_state=0)
        classifier.fit(cells.images[train], cells.target[train])
        plain = plain_copy(classifier.model_)
        timed = np.asarray(cells.images[: settings.pick(2048, 32)])
        fused = kind is FeatureFusionClassifier

        def inputs_of(images, inputs=classifier._inputs):
            return inputs(images)

        def predict(images, plain=plain, inputs_of=inputs_of):
            inputs = inputs_of(images)
            inputs = list(inputs) if isinstance(inputs, tuple) else inputs
            return plain.predict(inputs, batch_size=BATCH, verbose=0).ravel()

        def predict_proba(images, classifier=classifier):
            return classifier.predict_proba(images)[:, 1]

        name = f"{kind.__name__}, default, 48 px"
        alternative = "keras predict, float32" + (", same features" if fused else "")
        ratio, details = in_turn(
            lambda: predict_proba(timed),  # noqa: B023
            lambda: predict(timed),  # noqa: B023
            settings.repeats,
        )
        details["engine"] = classifier.engine_
        yield Row(
            f"predict_proba, {name}",
            alternative,
            ratio,
            3 if settings.amx else 1.3,
            details=details,
        )
        if fused:
            continue
        one = timed[:1]
        ratio, details = in_turn(
            lambda: predict_proba(one),  # noqa: B023
            lambda: predict(one),  # noqa: B023
            settings.pick(21, 3),
        )
        yield Row(f"one image, {name}", alternative, ratio, 1 / 0.3, details=details)
        by_us, by_keras = predict_proba(cells.images), predict(cells.images)
        # How much of the difference is that of the precision.
        classifier.set_params(engine="keras")
        details = {
            "keras_in_the_same_precision": float(
                np.abs(predict_proba(cells.images) - by_keras).max()
            )
        }
        of_cells = f"{len(cells.target)} {settings.kind_of_cells} cells"
        yield Row(
            f"largest difference of probabilities, {name}, {of_cells}",
            alternative,
            float(np.abs(by_us - by_keras).max()),
            0.02,
            "of probability",
            details,
        )
        yield Row(
            f"decisions that differ at 0.5, {name}, {of_cells}",
            alternative,
            float(((by_us >= 0.5) != (by_keras >= 0.5)).mean()),
            0.001,
            "of decisions",
        )


def frozen(settings):
    images, _ = images_of(settings.pick(256, 8), 96)
    for backbone, preprocess in (
        ("MobileNetV2", keras.applications.mobilenet_v2.preprocess_input),
        ("ResNet50V2", keras.applications.resnet_v2.preprocess_input),
        ("VGG16", keras.applications.vgg16.preprocess_input),
    ):
        extractor = PretrainedFeatureExtractor(backbone, weights=None).fit(images)
        plain = getattr(keras.applications, backbone)(
            include_top=False, weights=None, input_shape=(96, 96, 3), pooling="avg"
        )
        ratio, details = in_turn(
            lambda: extractor.transform(images),  # noqa: B023
            lambda: plain.predict(preprocess(images.astype("float32")), verbose=0),  # noqa: B023
            settings.repeats,
        )
        details["engine"] = extractor.engine_
        details["precision"] = extractor.compute_dtype_
        yield Row(
            f"features of {backbone}, 96 px",
            "keras predict of the backbone",
            ratio,
            1.5,
            details=details,
        )
