"""Use of the machine during a run, as MLflow's system metrics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from openr1.tracking.options import TrackingConfig

INTERVAL = 10.0  # seconds between two points


@contextmanager
def system_metrics(config: TrackingConfig, run_id: str) -> Iterator[None]:
    """Log the use of CPU, memory, disk, network and, with ``nvidia-ml-py``, GPU in the block, if the config asks for it."""
    if not config.system_metrics:
        yield
        return
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    monitor = SystemMetricsMonitor(run_id, INTERVAL, resume_logging=True, tracking_uri=config.uri)
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()
