"""Trains a model to make programs faster, with TRL's GRPO and pie_bench's rewards (docs/rewards.md).

usage: python examples/grpo.py MODEL [--dataset D] [--judge URL] [--steps N] [--cpu] [--out DIR]

MODEL is a name on the Hugging Face Hub or a folder. Needs TRL: pip install trl
"""

from __future__ import annotations

import argparse

from pie_bench.rewards import Speedup


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--dataset", default="mini")
    parser.add_argument("--judge", metavar="URL", help="a judge server (pie-bench serve); default: this machine")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--answers", type=int, default=8, help="to each prompt")
    parser.add_argument("--tokens", type=int, default=1024, help="maximum tokens per answer")
    parser.add_argument("--cpu", action="store_true", help="train without a GPU, for trying things out")
    parser.add_argument("--out", default="grpo")
    options = parser.parse_args()

    from trl import GRPOConfig, GRPOTrainer

    reward = Speedup(options.dataset, split="train", judge=options.judge, guarded=True)
    trainer = GRPOTrainer(
        model=options.model,
        reward_funcs=reward,
        train_dataset=reward.training_dataset("pie_instruct"),
        args=GRPOConfig(
            output_dir=options.out,
            max_steps=options.steps,
            per_device_train_batch_size=options.answers,
            num_generations=options.answers,
            max_completion_length=options.tokens,
            logging_steps=1,
            report_to="none",
            use_cpu=options.cpu,
            bf16=not options.cpu,
        ),
    )
    trainer.train()
    trainer.save_model(options.out)
    for entry in trainer.state.log_history:
        if "reward" in entry:
            print(f"step {entry['step']}: reward {entry['reward']:.3f}, its deviation {entry['reward_std']:.3f}")


if __name__ == "__main__":
    main()
