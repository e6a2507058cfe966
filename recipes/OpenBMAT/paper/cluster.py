"""Runs on a cluster, one job each, by submitit: Slurm, or processes of this machine to try it out."""

import subprocess
import sys

import yaml

from hrin_plugin.training.commands import open_logged

#: What a job is given, unless ``--cluster_option`` says otherwise.
DEFAULTS = {
    "slurm": {"timeout_min": 1440, "gpus_per_node": 1, "cpus_per_task": 4},
    "local": {"timeout_min": 1440},
}
KINDS = tuple(DEFAULTS)


def parse_options(words):
    """Options for the cluster.

    Arguments
    ---------
    words : sequence of str
        Such as "timeout_min=600" or "slurm_partition=gpu": parameters of submitit's
        ``AutoExecutor.update_parameters``.

    Returns
    -------
    dict
        Names and values.

    Raises
    ------
    ValueError
        If a word has no "=".

    Example
    -------
    >>> parse_options(["timeout_min=600", "slurm_partition=gpu"])
    {'timeout_min': 600, 'slurm_partition': 'gpu'}
    """
    for word in words:
        if "=" not in word:
            raise ValueError(f"--cluster_option {word}: write NAME=VALUE, such as timeout_min=600")
    return {name: yaml.safe_load(value) for name, _, value in (word.partition("=") for word in words)}


class TrainingCommand:
    """What a job does: a command whose output goes to a log.

    Where Slurm takes its machine away, it is queued again.

    Arguments
    ---------
    command : sequence of str
        Program and arguments.
    log : str
        The log.

    Example
    -------
    >>> log = getfixture("tmp_path") / "run.log"
    >>> TrainingCommand(["echo", "trained"], str(log))()
    0
    >>> log.read_text().splitlines()[-1]
    'trained'
    """

    def __init__(self, command, log):
        self.command, self.log = command, log

    def __call__(self):
        """Run the command; returns its exit status."""
        process = open_logged(self.command, self.log)
        try:
            return process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()

    def checkpoint(self):
        """Called by submitit before a job is taken away: the same command goes on from its checkpoints."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


class ClusterEngine:
    """Starts commands as jobs of a cluster; the counterpart of ``LocalEngine``.

    Arguments
    ---------
    kind : str
        "slurm" or "local".
    folder : pathlib.Path
        Where submitit keeps the jobs' own files.
    options : dict
        As :func:`parse_options` gives them.

    Raises
    ------
    ValueError
        If submitit is missing, there is no such cluster here, or an option is unknown.

    Example
    -------
    >>> engine = ClusterEngine("local", getfixture("tmp_path"), {"timeout_min": 1})
    """

    def __init__(self, kind, folder, options):
        try:
            import cloudpickle
            import submitit
        except ModuleNotFoundError:
            raise ValueError('--cluster needs submitit, run: pip install "hrin-plugin[cluster]"') from None
        # The jobs need not find or load these modules: the command travels whole.
        for name in (__name__, open_logged.__module__):
            cloudpickle.register_pickle_by_value(sys.modules[name])
        try:
            # A run may outlast its job's time many times over: it goes on from its checkpoints.
            patience = {f"{kind}_max_num_timeout": 1000}
            self.executor = submitit.AutoExecutor(folder=str(folder), cluster=kind, **patience)
            self.executor.update_parameters(**{"name": "hrin"} | DEFAULTS[kind] | options)
        except (RuntimeError, ValueError, TypeError, NameError, AssertionError) as error:
            raise ValueError(f"--cluster {kind}: {error}") from None

    def start(self, command, log, slot):
        """Submit a command that appends its output to a log.

        Arguments
        ---------
        command : sequence of str
            Program and arguments.
        log : pathlib.Path
            The log; its folder is made.
        slot : int
            Not used: the cluster finds the place.

        Returns
        -------
        ClusterJob
            The job.

        Raises
        ------
        OSError
            If the cluster refuses it.
        """
        from submitit.core.utils import FailedJobError

        log = log.absolute()
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            return ClusterJob(self.executor.submit(TrainingCommand(list(map(str, command)), str(log))))
        except (FailedJobError, subprocess.SubprocessError) as error:
            raise OSError(f"the cluster refused the job: {error}") from None


class ClusterJob:
    """A job of a cluster.

    Arguments
    ---------
    job : submitit.Job
        What submitit returned.

    Example
    -------
    >>> engine = ClusterEngine("local", getfixture("tmp_path"), {"timeout_min": 1})
    >>> job = engine.start(["true"], getfixture("tmp_path") / "log", slot=0)
    >>> job.job.result()
    0
    """

    def __init__(self, job):
        self.job, self.status, self.error = job, None, ""

    def poll(self):
        """Exit status of the command, 1 if the job itself came to grief, None while it waits or runs."""
        if self.status is None and self.job.done():
            try:
                self.status = self.job.result()
            except Exception as error:  # whatever the job raised, or what submitit says of its end
                self.status, self.error = 1, f"{str(error).strip().splitlines()[-1]} (job {self.job.job_id})"
        return self.status

    def stop(self, kill=False):
        """Cancel the job."""
        if self.poll() is None and not kill:
            self.job.cancel(check=False)

    def trouble(self):
        """What is known of a failure beyond the log."""
        return self.error
