"""Layers as independent jobs: side by side on this machine's cores, or on the workers of a dask cluster."""

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass

from orris.cost import Criteria, best_candidate, expected_counters
from orris.layers import ConvLayer
from orris.mapper import FREE, Given
from orris.report import LayerReport
from orris_hw.config import AcceleratorConfig
from orris_hw.errors import OrrisError

from .layer_run import MemoryModel, run_layer

_ANSWER = 10
"""Seconds in which a scheduler must answer, and show a worker."""


class ClusterError(OrrisError, RuntimeError):
    """No cluster to run on, or one that lost too many workers."""


@dataclass(frozen=True)
class BenchJob:
    """One layer: run in RTL simulation, or foreseen by the cost model (`rtl` False).

    aim : weight of time in the choice of the mapping. given : what of the mapping is not chosen.
    zeros : fraction of zero ifmap values, None for the layer's own.
    """

    layer: ConvLayer
    config: AcceleratorConfig
    memory: MemoryModel = MemoryModel()
    rtl: bool = True
    aim: float = 1.0
    given: Given = FREE
    seed: int = 0
    zeros: float | None = None


def run_job(job: BenchJob) -> LayerReport:
    """Map the layer and run it; raises what `run_layer` raises."""
    best = best_candidate(job.layer, job.config, Criteria(job.aim, job.memory.timing, given=job.given))
    mapping = best.mapping
    if job.rtl:
        return run_layer(
            job.layer, job.config, seed=job.seed, zeros=job.zeros, mapping=mapping, memory=job.memory
        ).report
    counters = expected_counters(mapping, best.timing, job.zeros)
    return LayerReport(
        layer=job.layer,
        config=job.config,
        mapping=mapping,
        counters=counters,
        predicted=counters,
        mismatches=0,
        conditions={"memory": asdict(job.memory)},
    )


def run_jobs(
    jobs: Sequence[BenchJob], processes: int = 1, scheduler: str | None = None
) -> Iterator[tuple[BenchJob, LayerReport]]:
    """Every job with its report, as they finish; the largest layers are begun first.

    Parameters
    ----------
    processes : of this machine. scheduler : address of a dask scheduler, to use its workers instead; a job
        whose worker is lost is run again on another.

    Raises
    ------
    ClusterError
        `distributed` is not installed, nobody answers at the address, or too many workers were lost.
    OrrisError
        A layer cannot be run, as for `run_layer`.
    """
    jobs = sorted(jobs, key=lambda job: -job.layer.macs)
    if scheduler is not None:
        yield from _on_cluster(jobs, scheduler)
    elif min(processes, len(jobs)) <= 1:
        for job in jobs:
            yield job, run_job(job)
    else:
        yield from _on_cores(jobs, min(processes, len(jobs)))


def _on_cores(jobs: Sequence[BenchJob], processes: int) -> Iterator[tuple[BenchJob, LayerReport]]:
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, signal.signal, (signal.SIGINT, signal.SIG_IGN))
    try:
        futures = {pool.submit(run_job, job): job for job in jobs}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:  # also when the caller was interrupted: what runs is let go, what waits is not begun
        for process in list((pool._processes or {}).values()):
            process.terminate()
        pool.shutdown(wait=False, cancel_futures=True)


def _on_cluster(jobs: Sequence[BenchJob], address: str) -> Iterator[tuple[BenchJob, LayerReport]]:
    try:
        from distributed import Client, KilledWorker
        from distributed import as_completed as as_finished
    except ImportError:
        raise ClusterError(
            "--scheduler needs the package 'distributed': pip install 'orris[cluster]'"
        ) from None
    try:
        client = Client(address, timeout=_ANSWER)
    except (OSError, TimeoutError, ValueError):
        raise ClusterError(f"no dask scheduler answers at {address} within {_ANSWER} s") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=_ANSWER)
        except TimeoutError:
            raise ClusterError(f"the scheduler at {address} has no worker after {_ANSWER} s") from None
        futures = {client.submit(run_job, job, pure=False): job for job in jobs}
        for future in as_finished(futures):
            try:
                report = future.result()
            except KilledWorker as error:
                name = futures[future].layer.name
                raise ClusterError(f"{name}: the cluster lost every worker that ran it ({error})") from None
            yield futures[future], report
