"""What a model learns from: pairs as prompts and answers, then as tokens. Everything left out is counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pie_bench.adapt.recipe import AdaptRecipe
from pie_bench.construction.pairs import highest
from pie_bench.construction.recipe import HighQuality
from pie_bench.data.load import load_dataset, load_split
from pie_bench.data.pair import Pair
from pie_bench.data.spec import SCORED, absolute_name
from pie_bench.errors import UserError
from pie_bench.hashing import hash_of
from pie_bench.models.checkpoint import token_ids
from pie_bench.paths import TASKS_DIR
from pie_bench.prompting.build import PromptBuilder
from pie_bench.prompting.prompt import Prompt
from pie_bench.task import Task, load_task

PUBLISHED_CHARACTERS = 1500  # finetune.py truncates sources and targets here, before applying the template
IGNORED = -100  # the label of a token excluded from the loss


@dataclass
class Funnel:
    """How many pairs there were, and why some are not used: counts with a few ids each."""

    pairs: int = 0
    used: int = 0
    reasons: dict[str, list[str]] = field(default_factory=dict)
    cut: list[str] = field(default_factory=list)

    def leave_out(self, pair: Pair, reason: str) -> None:
        self.reasons.setdefault(reason, []).append(pair.pair_id)

    def to_json(self) -> dict[str, Any]:
        left_out = {reason: {"pairs": len(ids), "first": ids[:3]} for reason, ids in sorted(self.reasons.items())}
        cut = {"cut": {"pairs": len(self.cut), "first": self.cut[:3]}} if self.cut else {}
        return {"pairs": self.pairs, "used": self.used, "left_out": left_out, **cut}

    def lines(self) -> list[str]:
        """The same in words."""
        found = [f"{self.used} of {self.pairs} pairs are used"]
        found += [f"  {len(ids)} left out: {reason} ({_some(ids)})" for reason, ids in sorted(self.reasons.items())]
        if self.cut:
            found.append(f"  {len(self.cut)} of those used are cut as published ({_some(self.cut)})")
        return found


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:3]) + (", …" if len(ids) > 3 else "")


@dataclass(frozen=True)
class Lesson:
    """A prompt and the answer to learn; `whole` is False if the published cut shortened either."""

    pair: Pair
    prompt: Prompt
    answer: str
    whole: bool


@dataclass(frozen=True)
class Encoded:
    """A lesson in tokens. `completion` ends with the end-of-sequence token, unless the published cut removed it."""

    pair_id: str
    prompt: tuple[int, ...]
    completion: tuple[int, ...]

    @property
    def tokens(self) -> int:
        return len(self.prompt) + len(self.completion)

    @property
    def labels(self) -> list[int]:
        """Labels for the loss: the answer's tokens count, the prompt's do not."""
        return [IGNORED] * len(self.prompt) + list(self.completion)


@dataclass(frozen=True)
class Material:
    """The source of lessons: the pairs to train on, and those to validate with (none if the dataset lacks that
    split)."""

    dataset: str
    train: tuple[Pair, ...]
    validation: tuple[Pair, ...]

    def validation_of(self, task: Task) -> tuple[Pair, ...]:
        """The validation pairs that have what the task's prompts show: not all have a tag."""
        return tuple(pair for pair in self.validation if not task.prompt.tags or pair.tag is not None)


def load_task_of(recipe: AdaptRecipe, include_path: str | None = None) -> Task:
    """The task of a recipe; UserError if its prompts show examples, since there is no corpus to choose them from."""
    folders = (TASKS_DIR,) if include_path is None else (Path(include_path).expanduser(), TASKS_DIR)
    task = load_task(recipe.task, *folders)
    if task.fewshot.k:
        raise UserError(f"recipe {recipe.recipe}: task {task.task} shows examples; name one that shows none")
    return task


def load_material(recipe: AdaptRecipe, dataset: str, synthetic: str | None = None) -> Material:
    """The pairs that the recipe chooses from a dataset, plus the self-play rows in `synthetic` (a file, or a folder
    with train.jsonl).

    Raises UserError for training pairs whose problem is in the test split, and when self-play rows are required but not
    given, or given but not used.
    """
    if recipe.synthetic != (synthetic is not None):
        wanted = "requires rows from self-play: give --synthetic ROWS" if recipe.synthetic else "takes no --synthetic"
        raise UserError(f"recipe {recipe.recipe} {wanted}")
    name = absolute_name(dataset)
    train = load_dataset(name, "train", with_tests=False)
    chosen = [*_chosen(recipe, train.pairs)]
    if synthetic is not None:
        split = SCORED if Path(synthetic).expanduser().is_file() else "train"  # a single file counts as SCORED
        more = load_dataset(synthetic, split, with_tests=False).pairs
        known = {pair.pair_id for pair in chosen}
        twice = next((pair.pair_id for pair in more if pair.pair_id in known), None)
        if twice is not None:
            raise UserError(f"{synthetic}: pair {twice} is also in {train.name}; give each pair once")
        chosen += more
    asked = {pair.problem_id for pair in _split(name, SCORED)}
    known_problem = next((pair for pair in chosen if pair.problem_id in asked), None)
    if known_problem is not None:
        raise UserError(
            f"pair {known_problem.pair_id}: its problem {known_problem.problem_id} is also in the {SCORED} split of "
            f"{train.name}: a model must not learn what it is tested on; remove it from the training rows"
        )
    return Material(train.name, tuple(chosen), _split(name, "val"))


def _split(name: str, split: str) -> tuple[Pair, ...]:
    """The pairs of a split; none if the dataset does not have it."""
    found = load_split(name, split, with_tests=False)
    return () if found is None else found.pairs


def _chosen(recipe: AdaptRecipe, pairs: Sequence[Pair]) -> Iterable[Pair]:
    """All pairs, or the HQ subset: the pairs with the highest speedups of each problem."""
    if recipe.pairs == "all":
        return pairs
    by_problem: dict[str, list[dict[str, Any]]] = {}
    for pair in pairs:
        if not pair.src_seconds or not pair.tgt_seconds:
            raise UserError(
                f"recipe {recipe.recipe}: pair {pair.pair_id} has no recorded times, so how much faster its target is "
                "is not known; take the HQ subset of a dataset that was built (DIR/hq.yaml) with recipe full"
            )
        speedup = sum(pair.src_seconds.values()) / max(sum(pair.tgt_seconds.values()), 1e-300)
        row = {"pair": pair, "speedup": speedup, "src_code_sha256": "", "tgt_code_sha256": "", "user_id": ""}
        by_problem.setdefault(pair.problem_id, []).append(row)
    options = HighQuality(per_problem=recipe.hq_per_problem)
    found: list[Pair] = []
    for rows in by_problem.values():
        ordered = sorted(rows, key=lambda row: (-row["speedup"], row["pair"].pair_id))
        found += [row["pair"] for row in highest(ordered, options)]
    return sorted(found, key=lambda pair: pair.pair_id)


def lessons(recipe: AdaptRecipe, task: Task, pairs: Iterable[Pair], funnel: Funnel, cache_dir: Path) -> list[Lesson]:
    """Pairs as prompts and answers; those that cannot be shown whole are counted in the funnel.

    A task with tags shows each pair's own tag (Section 3.2); UserError for a pair without one.
    """
    builders: dict[int | None, PromptBuilder] = {}
    found = []
    for pair in pairs:
        funnel.pairs += 1
        tag = pair.tag if task.prompt.tags else None
        if task.prompt.tags and tag is None:
            raise UserError(
                f"pair {pair.pair_id}: it has no tag, which the prompts of task {task.task} show; a dataset that was "
                "built has them (target_reward_pct_bin), others in the column that a YAML file calls tag"
            )
        if tag not in builders:
            tags = () if tag is None else (tag,)
            prompt = task.prompt.model_copy(update={"tags": tags})
            builders[tag] = PromptBuilder(task.model_copy(update={"prompt": prompt}), [], cache_dir)
        answer, cut = pair.tgt_code, builders[tag].characters_cut(pair)
        if recipe.published:
            cut = cut or max(0, len(pair.src_code) - PUBLISHED_CHARACTERS, len(answer) - PUBLISHED_CHARACTERS)
            answer = answer[:PUBLISHED_CHARACTERS]
            pair_shown = _cut_source(pair)
        elif cut:
            funnel.leave_out(pair, f"the source is longer than the {task.prompt.max_source_chars} characters shown")
            continue
        else:
            pair_shown = pair
        found.append(Lesson(pair, builders[tag].build(pair_shown), answer, whole=not cut))
    return found


def _cut_source(pair: Pair) -> Pair:
    return replace(pair, src_code=pair.src_code[:PUBLISHED_CHARACTERS])


def encode(
    recipe: AdaptRecipe, found: Iterable[Lesson], tokenizer: Any, prompting: Literal["text", "chat"], funnel: Funnel
) -> list[Encoded]:
    """Lessons as tokens: the prompt as the model will see it, the answer on its own, then end of sequence.

    One longer than `max_tokens` is left out; with `published` it is truncated there, without end of sequence.
    UserError if nothing is left, or if the tokenizer has no end-of-sequence token.
    """
    end = tokenizer.eos_token_id
    if end is None:
        raise UserError("the model's tokenizer has no end-of-sequence token: answers would never end")
    encoded = []
    for lesson in found:
        prompt = token_ids(tokenizer, lesson.prompt, prompting)
        answer = list(tokenizer.encode(lesson.answer, add_special_tokens=False))
        whole = lesson.whole
        if len(prompt) + len(answer) + 1 <= recipe.max_tokens:
            answer.append(end)
        elif recipe.published and len(prompt) < recipe.max_tokens:
            answer, whole = answer[: recipe.max_tokens - len(prompt)], False
        else:
            funnel.leave_out(lesson.pair, f"more than max_tokens {recipe.max_tokens}")
            continue
        funnel.used += 1
        if not whole:
            funnel.cut.append(lesson.pair.pair_id)
        encoded.append(Encoded(lesson.pair.pair_id, tuple(prompt), tuple(answer)))
    if not encoded:
        reasons = "; ".join(f"{len(ids)}: {reason}" for reason, ids in sorted(funnel.reasons.items()))
        raise UserError(f"recipe {recipe.recipe}: no pair is left to learn from ({reasons or 'there are none'})")
    return encoded


def sum_of(encoded: Iterable[Encoded]) -> str:
    """The hash of the training data in this order: every prompt's and answer's tokens."""
    return hash_of([[one.pair_id, one.prompt, one.completion] for one in encoded])


def sum_of_pairs(pairs: Iterable[Pair]) -> str:
    """The hash of the pairs' programs, in this order."""
    rows: list[list[str]] = [[pair.pair_id, pair.src_code, pair.tgt_code] for pair in pairs]
    return hash_of(rows)


def as_columns(encoded: Sequence[Encoded]) -> Mapping[str, list[list[int]]]:
    """Columns that trl's SFTTrainer uses unchanged: it neither tokenises nor truncates them."""
    return {
        "input_ids": [[*one.prompt, *one.completion] for one in encoded],
        "labels": [one.labels for one in encoded],
    }
