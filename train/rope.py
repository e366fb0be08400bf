"""Scaled rotary positions, written into a model's config in the form that transformers 5 and vLLM read."""

from copy import deepcopy

from transformers import PretrainedConfig

from templates.errors import InputError
from train.recipe import Rope


def scaled(config: PretrainedConfig, rope: Rope) -> PretrainedConfig:
    """The config with the recipe's scaling in its `rope_parameters`; the base model's own where that is none.

    Linear by 4 on a context of 4,096 gives ``{"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}`` and leaves
    `max_position_embeddings` at 4,096, which readers multiply by the factor (FastChat's Vicuna-16k, vLLM); YaRN gives
    also ``"original_max_position_embeddings": 4096``, and `max_position_embeddings` becomes 16,384. Raises InputError
    where the base model is scaled already.
    """
    if rope.type == "none":
        return config
    scaled_config = deepcopy(config)
    parameters = dict(config.rope_parameters)
    if parameters["rope_type"] != "default":
        raise InputError(
            f"--rope.type is {rope.type}, and the base model's positions are already scaled "
            f"({parameters['rope_type']}, to {context_length(config)} tokens); leave --rope.type at none"
        )
    parameters |= {"rope_type": rope.type, "factor": rope.factor}
    if rope.type == "yarn":
        parameters["original_max_position_embeddings"] = config.max_position_embeddings
        scaled_config.max_position_embeddings = int(config.max_position_embeddings * rope.factor)
    scaled_config.rope_parameters = parameters
    return scaled_config


def context_length(config: PretrainedConfig) -> int:
    """How many tokens a document may have, with the config's own scaling, counted as vLLM counts it."""
    parameters = config.rope_parameters or {}
    factor = parameters["factor"] if parameters.get("rope_type") in ("linear", "dynamic") else 1.0
    return int(config.max_position_embeddings * factor)
