"""What a session exports by OpenTelemetry."""

from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from woodpecker_async import telemetry


class Telescope:
    """OpenTelemetry's own in-memory exporters, and what they received from instrumented sessions."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])

    def on(self, session: Any) -> Any:
        return telemetry.instrument(session, tracer_provider=self.tracers, meter_provider=self.meters)

    def text(self) -> str:
        """Everything that was exported."""
        data = self.reader.get_metrics_data()
        return "\n".join(
            [
                *(span.to_json(indent=None) for span in self.exporter.get_finished_spans()),
                data.to_json(indent=None) if data else "",
            ]
        )

    def close(self) -> None:
        self.tracers.shutdown()
        self.meters.shutdown()

    @property
    def spans(self) -> list[ReadableSpan]:
        """In the order in which they started."""
        return sorted(self.exporter.get_finished_spans(), key=lambda span: span.start_time)

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def children(self, parent: ReadableSpan) -> list[ReadableSpan]:
        return [span for span in self.spans if span.parent and span.parent.span_id == parent.context.span_id]

    def points(self, metric: str) -> list[Any]:
        data = self.reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for one in scope.metrics
            if one.name == metric
            for point in one.data.data_points
        ]

    def total(self, metric: str) -> float:
        return sum(point.value for point in self.points(metric))
