"""Kinds of edit: distinguished on small examples, and how often they agree with the labels of the bundled pairs."""

import pytest

from pie_bench.data.load import load_dataset
from pie_bench.metrics.edits import KINDS, kind_of_edit

MAIN = "#include <iostream>\nint main() {{ int n; std::cin >> n; {} }}"


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("std::cout << n << std::endl;", 'printf("%d\\n", n);', "input_output"),
        (
            "std::set<int> s; for (int i = 0; i < n; i++) s.insert(i); std::cout << s.size();",
            "std::unordered_set<int> s; for (int i = 0; i < n; i++) s.insert(i); std::cout << s.size();",
            "data_structure",
        ),
        (
            "int t = 0; for (int i = 0; i < n; i++) for (int j = 0; j < n; j++) t += i * j; std::cout << t;",
            "int t = n * (n - 1) / 2; t *= t; std::cout << t;",
            "algorithm",
        ),
        ("long long t = pow(n, 2); std::cout << t;", "long long t = n * n; std::cout << t;", "other"),
        ("// a comment", "", "other"),
    ],
)
def test_kinds(before: str, after: str, kind: str) -> None:
    assert kind_of_edit(MAIN.format(before), MAIN.format(after)) == kind


@pytest.mark.parametrize("text", ["", "}}}{{{", "for(for(", "int main(", "\x00\ud800", "#define"])
def test_any_text_has_a_kind(text: str) -> None:
    assert kind_of_edit(text, "int main() {}") in KINDS
    assert kind_of_edit(text, text) == "other"


def test_agreement_with_hand_made_labels_is_what_the_documentation_says(pytestconfig: pytest.Config) -> None:
    """The rules were written on the test split alone; the training split was looked at once, afterwards."""
    agreed = {}
    for split in ("test", "train"):
        pairs = load_dataset("mini", split, with_tests=False).pairs
        agreed[split] = (sum(kind_of_edit(pair.src_code, pair.tgt_code) == pair.kind for pair in pairs), len(pairs))
    assert agreed == {"test": (9, 10), "train": (29, 40)}
    documented = (pytestconfig.rootpath / "docs" / "statistics.md").read_text()
    assert "29 of 40" in documented
    assert "9 of 10" in documented
