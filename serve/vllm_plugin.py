"""How vLLM finds Chaku's renderer: `vllm serve ... --tokenizer-mode chaku` (entry point `vllm.general_plugins`)."""

TOKENIZER_MODE = "chaku"


def register() -> None:
    """Register the mode. vLLM calls this in each of its processes; it must be light and may be called twice."""
    from vllm.renderers.registry import RENDERER_REGISTRY
    from vllm.tokenizers.registry import TokenizerRegistry

    if TOKENIZER_MODE not in RENDERER_REGISTRY.renderers:
        TokenizerRegistry.register(TOKENIZER_MODE, "vllm.tokenizers.hf", "CachedHfTokenizer")
        RENDERER_REGISTRY.register(TOKENIZER_MODE, "serve.renderer", "ChakuRenderer")
