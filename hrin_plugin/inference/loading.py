"""A detector as a command asks for it."""

from hrin_plugin.inference.detector import MusicDetector


def load_detector(model=None, backend="auto", device=None, decoding=None):
    """A detector on a device, with decisions that differ from the model's own.

    Arguments
    ---------
    model, backend : str or None
        As :meth:`hrin_plugin.inference.detector.MusicDetector.from_hparams` takes them.
    device : str or None
        "cpu", "cuda", "cuda:1"; None for an accelerator where there is one.
    decoding : dict or None
        What is to differ from the model's own Decoding.

    Returns
    -------
    MusicDetector
        The detector.

    Raises
    ------
    ValueError
        If there is no such model, or the decoding makes no sense with it.

    Example
    -------
    >>> from hrin_plugin.features import BandStatistics, LogMel
    >>> from hrin_plugin.networks.hrin import HRIN
    >>> from hrin_plugin.pretrained.folder import PretrainedModel, save_pretrained
    >>> folder = getfixture("tmp_path")
    >>> save_pretrained(folder, PretrainedModel(LogMel(), BandStatistics(128), HRIN()))
    >>> load_detector(folder, "torch", "cpu", {"thresholds": 0.4}).decoding.thresholds
    0.4
    """

    detector = MusicDetector.from_hparams(model, backend=backend, run_opts=device and {"device": device})
    if decoding:
        detector.decoding = detector.decoding.changed(decoding)
    return detector
