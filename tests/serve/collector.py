"""An OpenTelemetry collector that keeps the spans it is sent, by the packages that vLLM brings along."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple


class Collector(NamedTuple):
    url: str
    spans: list[Any]


@contextmanager
def collector() -> Iterator[Collector]:
    import grpc
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
        TraceServiceServicer,
        add_TraceServiceServicer_to_server,
    )

    spans: list[Any] = []

    class Service(TraceServiceServicer):  # type: ignore[misc]
        def Export(self, request: Any, _: object) -> Any:
            spans.extend(span for of in request.resource_spans for scope in of.scope_spans for span in scope.spans)
            return ExportTraceServiceResponse()

    server = grpc.server(ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield Collector(f"http://127.0.0.1:{port}", spans)
    finally:
        server.stop(grace=None)
