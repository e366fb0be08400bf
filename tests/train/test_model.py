"""The compute type follows the machine, unless the recipe says which."""

from pathlib import Path

import pytest
import torch

from templates.errors import InputError
from tests.train import tiny
from tests.train.test_attention import LENGTHS, packed
from train.attention import register, sdpa_varlen
from train.model import Trainee, compute_dtype, load
from train.recipe import Data, Model, Recipe

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("cpu", "expected"),
    [
        ({"cpu_name": "Intel(R) Xeon(R)", "avx512_bf16": True, "amx_bf16": True}, torch.bfloat16),
        ({"cpu_name": "Intel(R) Xeon(R)", "avx512_bf16": True, "amx_bf16": False}, torch.float32),
        ({"cpu_name": "AMD EPYC", "avx512_bf16": True, "amx_bf16": False}, torch.bfloat16),
        ({"cpu_name": "AMD EPYC", "avx512_bf16": False, "amx_bf16": False}, torch.float32),
        ({"architecture": "aarch64"}, torch.float32),
    ],
)
def test_auto_takes_bfloat16_where_the_cpu_multiplies_it_fast(
    cpu: dict[str, object], expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: cpu)
    assert compute_dtype(Model(path="base"), CPU) == expected
    assert compute_dtype(Model(path="base"), CUDA) == torch.bfloat16


def test_the_recipe_may_choose() -> None:
    assert compute_dtype(Model(path="base", compute_dtype="float32"), CUDA) == torch.float32
    assert compute_dtype(Model(path="base", compute_dtype="bfloat16"), CPU) == torch.bfloat16


def test_tf32_is_for_cuda() -> None:
    assert compute_dtype(Model(path="base", compute_dtype="tf32"), CUDA) == torch.float32
    with pytest.raises(InputError, match="tf32 is a type of CUDA"):
        compute_dtype(Model(path="base", compute_dtype="tf32"), CPU)


def test_noise_is_as_wide_as_each_documents_own_tokens_ask() -> None:
    batch = packed()
    plain, noisy = tiny.tiny_llama(), tiny.tiny_llama()
    seen: list[torch.Tensor] = []
    noisy.model.register_forward_pre_hook(lambda _, __, named: seen.append(named["inputs_embeds"]), with_kwargs=True)
    noisy.set_attn_implementation(register(sdpa_varlen))
    trainee = Trainee(noisy, neftune_alpha=5.0).train()
    for _ in range(2):
        torch.manual_seed(3)
        trainee.hidden_states(batch)
    assert torch.equal(seen[0], seen[1])
    noise = (seen[0] - plain.model.embed_tokens(batch.input_ids)).detach()[0]
    for length, part in zip(LENGTHS, noise.split(LENGTHS), strict=True):
        width = 5.0 / (length * 32) ** 0.5
        assert 0.8 * width < part.abs().max() <= width * (1 + 1e-5)
    trainee.eval()
    trainee.hidden_states(batch)
    assert torch.equal(seen[2], plain.model.embed_tokens(batch.input_ids))


def test_compiling_without_a_compiler_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = tiny.write_model(tmp_path / "base")
    recipe = Recipe(model=Model(path=str(base), compile=True), data=Data(path=tmp_path), out=tmp_path / "out")
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", (str(tmp_path / "missing-g++"),))
    with pytest.raises(InputError, match=r"--model.compile true needs a C\+\+ compiler.*install g\+\+"):
        load(recipe, CPU, stop_ids=[1])
