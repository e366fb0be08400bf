"""vLLM's own HTTP server without an engine: the same parsing, templates and `/tokenize`, up in seconds.

Run as a program, with vLLM's arguments. Its own entry point asks for the distribution named `vllm`, which the CPU wheel
is not.
"""

if __name__ == "__main__":
    import uvloop
    from vllm.entrypoints.launchers.cli_args import make_arg_parser
    from vllm.entrypoints.launchers.render.entry import run_launch_fastapi
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    uvloop.run(run_launch_fastapi(make_arg_parser(FlexibleArgumentParser()).parse_args()))
