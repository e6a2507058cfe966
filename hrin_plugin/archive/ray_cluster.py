"""Tasks spread over the nodes of a Ray cluster."""

from hrin_plugin.archive.processes import Lost, take


def run_ray(function, tasks, jobs, notify, address=None, n_gpus=0):
    """Run tasks on a Ray cluster, whose nodes must see the same files.

    Arguments
    ---------
    function : callable
        As :func:`hrin_plugin.archive.processes.run_local` takes it; importable on every node.
        Calls of its ``notify`` have no effect.
    tasks : sequence
        The tasks.
    jobs : int or None
        Number of tasks at a time; None for one a core of the cluster.
    notify : callable
        Not called; only for the same signature as ``run_local``.
    address : str or None
        Address of the cluster; None for that of the environment variable ``RAY_ADDRESS``, for
        one that runs on this machine, or else for a new one on this machine.
    n_gpus : float
        GPUs that each task needs.

    Yields
    ------
    tuple of (int, object)
        A task's number and its result, or :class:`Lost`.

    Raises
    ------
    ImportError
        If Ray is not installed.
    OSError
        If there is no cluster at the address.

    Example
    -------
    >>> list(run_ray(print, [], None, print))
    []
    """
    if not tasks:
        return
    try:
        import ray
    except ImportError:
        raise ImportError("the engine 'ray' needs Ray; run: pip install \"hrin-plugin[ray]\"") from None

    ours = not ray.is_initialized()
    if ours:
        try:
            ray.init(address=address, logging_level="ERROR", log_to_driver=False)
        except (ConnectionError, ValueError) as error:
            raise OSError(f"no Ray cluster answers at {address!r} ({error}); check --ray-address") from None
    try:
        # A lost node is tried again elsewhere; what kills its process twice is at fault itself.
        call = ray.remote(num_cpus=1, num_gpus=n_gpus, max_retries=1)(_call)
        function, queue = ray.put(function), iter(enumerate(tasks))
        at_once = jobs or max(1, int(ray.cluster_resources().get("CPU", 1)))
        running = {call.remote(function, task): number for number, task in take(queue, at_once)}
        while running:
            (reference,), _ = ray.wait(list(running))
            number = running.pop(reference)
            running |= {call.remote(function, task): following for following, task in take(queue, 1)}
            try:
                result = ray.get(reference)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None
            except ray.exceptions.RayError as error:
                result = Lost(type(error).__name__)
            yield number, result
    finally:
        if ours:
            ray.shutdown()


def _call(function, task):
    """Run a task on a node."""
    return function(task, lambda told: None)
