"""Export of a model as one ONNX file, and inference with onnxruntime."""

import json
import tempfile
from pathlib import Path

import numpy as np

from hrin_plugin.features.mel_frames import MelFrames
from hrin_plugin.features.settings import FrameSettings
from hrin_plugin.files import replacing
from hrin_plugin.machine import n_threads
from hrin_plugin.networks.frame_memory import FrameMemory
from hrin_plugin.networks.onnx_nodes import check_onnx, import_optional
from hrin_plugin.networks.outputs import HRINOutput
from hrin_plugin.pretrained.onnx_graph import build_graph
from hrin_plugin.pretrained.plain import PLAIN, PlainModel
from hrin_plugin.pretrained.sources import SETTINGS_FILE
from hrin_plugin.taxonomy import Taxonomy
from hrin_plugin.text import shown

#: Names of the outputs in files of earlier versions.
FORMER_OUTPUTS = {"detection": "md", "loudness": "mrle"}


def export_onnx(model, path, start="frames", states=False):
    """Write a model as one ONNX file, which holds its settings as well.

    Arguments
    ---------
    model : PretrainedModel or PlainModel
        The model, which is not changed; or a folder's content, which needs no torch.
    path : str or pathlib.Path
        The file, written atomically; its folder is created if missing.
    start : str
        Input of the ONNX model: ``"frames"``, log-mel frames of the model's features,
        ``[batch, frame, band]`` in decibels; or ``"waveform"``,
        ``[batch, sample]`` at the features' sample rate.
    states : bool
        Whether recurrent states are inputs and outputs, for a signal in windows; see
        :func:`hrin_plugin.pretrained.onnx_graph.build_graph`.

    Raises
    ------
    ValueError
        If ``start`` is unknown, or does not go with states, or if the network's class has no ONNX builder.

    Example
    -------
    >>> from hrin_plugin.features import BandStatistics, LogMel
    >>> from hrin_plugin.networks.hrin import HRIN
    >>> from hrin_plugin.pretrained.folder import PretrainedModel
    >>> path = getfixture("tmp_path") / "model.onnx"
    >>> export_onnx(PretrainedModel(LogMel(), BandStatistics(128), HRIN(hidden_size=5)), path)
    >>> path.stat().st_size > 10000
    True
    """
    settings, model = _plain_settings(model) if isinstance(model, PlainModel) else _saved(model)
    content = build_graph(model, start, states, {SETTINGS_FILE: settings})
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as draft:
        draft.write_bytes(content)


def _plain_settings(model):
    """Settings of a folder as they are saved for weights that are not quantised, and its content."""
    settings = {name: value for name, value in model.settings.items() if name != "training"}
    return json.dumps(settings | {"format": PLAIN}, indent=2) + "\n", model


def _saved(model):
    """Settings of a model as they are saved, and a copy of it: what is exported is what can be loaded."""
    from hrin_plugin.pretrained.folder import load_pretrained, save_pretrained  # which need torch

    check_onnx(model.network)
    with tempfile.TemporaryDirectory() as folder:
        save_pretrained(folder, model)
        settings = (Path(folder) / SETTINGS_FILE).read_text(encoding="utf-8")
        # The class has been imported before, by whoever made the model.
        return settings, load_pretrained(folder, run_code=True)


def load_onnx(path, threads=None):
    """Load a model that :func:`export_onnx` wrote, for use on the CPU.

    Arguments
    ---------
    path : str or pathlib.Path
        The file.
    threads : int or None
        Threads that a call may use; None for ``OMP_NUM_THREADS``, or one a core.

    Returns
    -------
    OnnxModel
        The model.

    Raises
    ------
    ValueError
        If the file is missing, damaged, of a later format or not one of
        :func:`export_onnx`'s, if it refers to other files, or if onnx or onnxruntime
        is not installed.

    Example
    -------
    >>> from hrin_plugin.features import BandStatistics, LogMel
    >>> from hrin_plugin.networks.hrin import HRIN
    >>> from hrin_plugin.pretrained.folder import PretrainedModel
    >>> path = getfixture("tmp_path") / "model.onnx"
    >>> export_onnx(PretrainedModel(LogMel(), BandStatistics(128), HRIN(hidden_size=5)), path)
    >>> model = load_onnx(path)
    >>> model.settings["network"]["hidden_size"], model.taxonomy.sizes
    (5, (2, 3))
    """
    import_optional("onnxruntime")
    if threads is not None and threads < 1:
        raise ValueError(f"{threads} threads cannot run a model; give 1 or more")
    graph = _read_graph(path)
    settings, features, taxonomy = _read_settings(graph, path)
    try:
        # What was checked, rather than what the file may hold besides.
        model = OnnxModel(graph.SerializeToString(), settings, MelFrames(features), taxonomy, threads)
    # onnxruntime's errors have no base class of their own.
    except Exception as error:
        raise ValueError(f"{path} cannot be run: {error}; export the model again") from error
    _check_ends(model.ends, settings, features, taxonomy, path)
    return model


def make_session(content, threads):
    """A session of onnxruntime for a graph.

    Arguments
    ---------
    content : bytes
        The graph, as an ONNX file.
    threads : int or None
        As of :func:`load_onnx`.

    Returns
    -------
    onnxruntime.InferenceSession
        The session, on the CPU.

    Example
    -------
    >>> from hrin_plugin.pretrained.onnx_graph import build_graph
    >>> from hrin_plugin.pretrained.plain import read_plain
    >>> from hrin_plugin.pretrained.sources import find_model
    >>> make_session(build_graph(read_plain(find_model())), 1).get_inputs()[0].name
    'frames'
    """
    runtime = import_optional("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads or n_threads()
    # Threads that wait in a loop take the processor from whatever else runs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # What goes wrong is raised, so it need not be printed as well.
    options.log_severity_level = 4
    return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"], enable_fallback=0)


def _read_graph(path):
    """The graph of a file; raises for damaged files and external data."""
    onnx, path = import_optional("onnx"), Path(path)
    if not path.is_file():
        raise ValueError(f"{path} is not there, or no file; write it with export_onnx")
    try:
        graph = onnx.load_model_from_string(path.read_bytes())
    # The parser's errors depend on the protobuf package beneath it.
    except Exception as error:
        raise ValueError(f"{path} cannot be read as ONNX: {error}; export the model again") from error
    for tensor in _tensors(graph):
        if onnx.external_data_helper.uses_external_data(tensor):
            raise ValueError(
                f"{path} refers to other files, which an exported model never does; export it again"
            )
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ValueError(
                f"{path} holds a number that is not finite, in {shown(tensor.name)}; export the model again"
            )
    return graph


def _tensors(message):
    """All tensors anywhere in a protobuf message."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for part in [value] if hasattr(value, "ListFields") else value:
            if part.DESCRIPTOR.name == "TensorProto":
                yield part
            else:
                yield from _tensors(part)


def _read_settings(graph, path):
    """The settings in a graph, with their features and taxonomy."""
    texts = [entry.value for entry in graph.metadata_props if entry.key == SETTINGS_FILE]
    if not texts:
        raise ValueError(f"{path} holds no {SETTINGS_FILE}; give a file that export_onnx wrote")
    try:
        settings = json.loads(texts[0])
        if settings["format"] != PLAIN:
            raise ValueError(f"its format is {settings['format']}, and this version reads format {PLAIN}")
        features = FrameSettings(**settings["features"])
        features.check()
        return settings, features, Taxonomy(**settings["taxonomy"])
    except Exception as error:  # whatever nonsense leads to
        raise ValueError(f"the settings in {path} cannot be used: {error}; export the model again") from error


def _check_ends(ends, settings, features, taxonomy, path):
    """Raise ValueError if inputs and outputs do not match the settings."""
    ends = [(FORMER_OUTPUTS.get(end.name, end.name), end.type, *end.shape) for end in ends]
    kind = "tensor(float)"
    levels = [(name, kind, "batch", "frame", size) for name, size in zip(HRINOutput._fields, taxonomy.sizes)]
    frames, waveform = (
        ("frames", kind, "batch", "frame", features.n_mels),
        ("waveform", kind, "batch", "sample"),
    )
    n_states = next((end[2] for end in ends if end[0] == "states"), None)
    states = (kind, n_states, "batch", settings["network"].get("hidden_size"))
    carried = [frames, ("kept", "tensor(int64)", 1), ("states", *states)]
    if ends not in (
        [frames, *levels],
        [waveform, *levels],
        [*carried, *levels, ("next_states", *states)],
    ):
        raise ValueError(
            f"{path} does not fit its settings: its inputs and outputs are {ends}; export it again"
        )


class OnnxModel:
    """A network that runs on onnxruntime, as :func:`load_onnx` gives it.

    Arguments
    ---------
    content : bytes
        The graph.
    settings : dict
        The content of ``model.json`` of the exported model.
    features : MelFrames
        The features that its frames must have.
    taxonomy : Taxonomy
        The classes of both levels.
    threads : int or None
        Threads that a call may use; None for ``OMP_NUM_THREADS``, or one a core.

    Example
    -------
    >>> from hrin_plugin.features import BandStatistics, LogMel
    >>> from hrin_plugin.networks.hrin import HRIN
    >>> from hrin_plugin.pretrained.folder import PretrainedModel
    >>> path = getfixture("tmp_path") / "model.onnx"
    >>> export_onnx(PretrainedModel(LogMel(), BandStatistics(128), HRIN(hidden_size=5)), path)
    >>> md, mrle = load_onnx(path)(np.zeros((2, 10, 128), dtype=np.float32))
    >>> md.shape, mrle.shape
    ((2, 10, 2), (2, 10, 3))
    """

    def __init__(self, content, settings, features, taxonomy, threads=None):
        self.settings, self.features, self.taxonomy = settings, features, taxonomy
        self._content, self._threads = content, threads
        self._session = make_session(content, threads)
        #: Inputs and outputs, as onnxruntime describes them.
        self.ends = (*self._session.get_inputs(), *self._session.get_outputs())
        #: ``"frames"`` or ``"waveform"``: what a call takes.
        self.start = self.ends[0].name
        #: Shape of the recurrent states that come in and go out, ``[state, batch, value]``; None without.
        self.states_shape = next(
            ((end.shape[0], 1, end.shape[2]) for end in self.ends if end.name == "states"), None
        )

    def __reduce__(self):
        return OnnxModel, (self._content, self.settings, self.features, self.taxonomy, self._threads)

    def __call__(self, inputs):
        """Probabilities of both levels for each frame.

        Arguments
        ---------
        inputs : numpy.ndarray or torch.Tensor
            Decibels as the features give them, ``[batch, frame, band]``, or samples,
            ``[batch, sample]``, by :attr:`start`. All of a batch is real: there are no lengths.

        Returns
        -------
        HRINOutput
            ``md`` and ``mrle``, ``[batch, frame, class]``, arrays of float32.

        Raises
        ------
        ValueError
            If the input has another shape, or is too short.
        """
        inputs = np.asarray(inputs, dtype=np.float32)
        bands = (self.features.n_mels,) if self.start == "frames" else ()
        least = 1 if self.start == "frames" else self.features.n_fft // 2 + 1
        shape = inputs.shape
        if inputs.ndim != 2 + len(bands) or shape[2:] != bands or shape[0] < 1 or shape[1] < least:
            axes = ", ".join(map(str, ("batch", f"{least} or more", *bands)))
            raise ValueError(f"{self.start} of shape {list(shape)} cannot be used; give [{axes}]")
        # One by one is as fast as all at once, in a fraction of the memory.
        each = [self._run(one[None], self._first_states(), 1)[:2] for one in inputs]
        return HRINOutput(*(np.concatenate(level) for level in zip(*each)))

    def begin(self, context):
        """Start a signal, as :func:`hrin_plugin.networks.states.begin_network` does.

        Arguments
        ---------
        context : int
            Context frames before each window for a graph without states.

        Returns
        -------
        callable
            Takes a window's frames, an array ``[1, frame, band]``, and the number of frames to classify.
            Returns a tuple of arrays ``[frame, class]``, one a level.

        Example
        -------
        >>> from hrin_plugin.features import BandStatistics, LogMel
        >>> from hrin_plugin.networks.hrin import HRIN
        >>> from hrin_plugin.pretrained.folder import PretrainedModel
        >>> path = getfixture("tmp_path") / "model.onnx"
        >>> network = HRIN(hidden_size=5)
        >>> export_onnx(PretrainedModel(LogMel(), BandStatistics(128), network), path, states=True)
        >>> step = load_onnx(path).begin(context=2)
        >>> [level.shape for level in step(np.zeros((1, 5, 128), np.float32), 3)]
        [(3, 2), (3, 3)]
        """
        if self.states_shape is None:
            return FrameMemory(self, context, np.concatenate)
        states = self._first_states()

        def step(frames, n_wanted):
            """Probabilities of the wanted frames."""
            nonlocal states
            *levels, states = self._run(np.asarray(frames), states, n_wanted)
            return tuple(level[0, :n_wanted] for level in levels)

        return step

    def _first_states(self):
        """Initial states, zeros; None for a graph without states."""
        return None if self.states_shape is None else np.zeros(self.states_shape, np.float32)

    def _run(self, inputs, states, n_kept):
        """All outputs of the graph."""
        given = {self.start: inputs}
        if states is not None:
            given |= {"kept": np.array([n_kept]), "states": states}
        return self._session.run(None, given)
