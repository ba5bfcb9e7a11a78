"""Two steps of a model, sharded by FSDP2 over the processes of a launch or whole, exported; run under torchrun.

usage: torchrun --nproc-per-node 2 -m tests.adapt.shards CHECKPOINT FOLDER
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any


def write(checkpoint: Path, folder: Path, *, sharded: bool) -> None:
    import torch
    import torch.distributed as dist
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    from pie_bench.adapt.base import open_base
    from pie_bench.adapt.export import write_model
    from pie_bench.models.hf import HfEntry

    torch.set_num_threads(1)
    base = open_base("tiny", HfEntry(adapter="hf", id=str(checkpoint)), checkpoint)
    model = base.load().train()
    if sharded:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        dist.init_process_group("gloo")
        mesh = init_device_mesh("cpu", (dist.get_world_size(),))
        for layer in model.model.layers:
            fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    tokens = torch.tensor([base.tokenizer.encode("int main() { return 7; }")])
    for _ in range(2):
        optimizer.zero_grad()
        model(input_ids=tokens, labels=tokens).loss.backward()
        optimizer.step()
    state: Any = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    if not sharded or dist.get_rank() == 0:
        write_model(folder, base.load(), state, base, {})
    if sharded:
        dist.barrier()
        dist.destroy_process_group()


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]), sharded=True)
    os._exit(0)  # torch's threads may abort a process that ends in the ordinary way ("terminate called without …")
