"""Without Keras and TensorFlow: what needs no network works, and the rest says why.

Each test runs in a process in which neither can be imported, and so needs neither.
"""

import subprocess
import sys

import malariafuse

WITHOUT_KERAS = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("keras", "tensorflow"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""
NETWORKS = {
    "ConvNetClassifier",
    "FeatureFusionClassifier",
    "FineTunedClassifier",
    "KerasImageClassifier",
    "PretrainedFeatureExtractor",
    "ResNet18Classifier",
    "classifiers",
    "networks",
}


def without_keras(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_KERAS + code], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_all_that_needs_no_network_is_imported() -> None:
    printed = without_keras("""
import malariafuse
for name in malariafuse.__all__:
    try:
        found = getattr(malariafuse, name)
    except ImportError as error:
        assert '".[keras]"' in str(error), error
        print(name)
        continue
    for member in getattr(found, "__all__", ()):
        if member != "PretrainedFeatureExtractor":
            getattr(found, member)
assert not {"keras", "tensorflow"} & set(sys.modules)
""")
    assert set(printed.split()) == NETWORKS
    assert set(malariafuse.__all__) > NETWORKS


def test_cells_are_measured_classified_and_judged() -> None:
    printed = without_keras("""
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from malariafuse import BackgroundMasker, SpotFeatureExtractor
from malariafuse.datasets import make_cell_images
from malariafuse.evaluation import summarize
cells = make_cell_images(120, 8, random_state=0)
pipeline = make_pipeline(
    BackgroundMasker(on_error="keep"),
    SpotFeatureExtractor(),
    StandardScaler(),
    LogisticRegression(),
)
probability = cross_val_predict(
    pipeline,
    cells.images,
    cells.target,
    cv=PredefinedSplit([int(group) % 2 for group in cells.groups]),
    method="predict_proba",
)[:, 1]
print(summarize(cells.target, probability, groups=cells.groups, n_resamples=100))
""")
    assert "roc_auc" in printed


def test_photographs_are_cut_into_cells() -> None:
    printed = without_keras("""
from malariafuse.datasets import make_smear_photos
from malariafuse.smears import CellSegmenter
photo = make_smear_photos(1, 60, random_state=0).photos[0]
print(CellSegmenter().segment(photo).max())
""")
    assert 50 < int(printed) < 70


def test_the_test_of_patients_comes_without_the_network() -> None:
    printed = without_keras("""
from malariafuse.pretrained import load_patient_test, load_slide_adapter, model_card
print(load_patient_test().specificity, load_slide_adapter().threshold)
print(model_card()["threshold"]["value"])
""")
    assert printed.split() == ["0.95", "0.409", "0.409"]


def test_a_network_says_what_to_install() -> None:
    printed = without_keras("""
for code in (
    "import malariafuse; malariafuse.load_pretrained()",
    "import malariafuse; malariafuse.load_smear_reader()",
    "from malariafuse.classifiers import ConvNetClassifier",
    "from malariafuse.networks import build_convnet",
    "from malariafuse.features import PretrainedFeatureExtractor",
    # As where a pickle is loaded.
    "import malariafuse.classifiers._convnet",
    "import malariafuse._engine._inference",
):
    try:
        exec(code)
    except ImportError as error:
        print(error)
""")
    messages = printed.splitlines()
    assert len(messages) == 7
    for message in messages:
        assert 'require Keras and TensorFlow. Install the extra "keras"' in message
        assert message.endswith('python -m pip install ".[keras]"')
