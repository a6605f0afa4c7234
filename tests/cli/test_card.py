import json

from malariafuse.pretrained import model_card


def test_the_ready_model(run):
    card = json.loads(run("card", "--json").stdout)
    assert card == model_card()


def test_words(run, model):
    lines = run("card", model).stdout.splitlines()
    assert lines[:3] == [
        "Task                      To be tried.",
        "Limits                    - Drawn cells.",
        "                          - One laboratory.",
    ]
    # The value, and its interval.
    assert "    Recall                0.900 (0.800 to 0.950)" in lines
    assert max(map(len, run("card").stdout.splitlines())) <= 90


def test_no_card(run, tmp_path):
    file = tmp_path / "a.joblib"
    file.write_bytes(b"")
    result = run("card", file, code=2)
    assert (
        result.stderr == f"Error: {file} is a file, not a folder with a model card.\n"
    )
