"""Transfer learning: initialise a network with the weights of another (paper, section VI)."""

from pathlib import Path

from hrin_plugin.pretrained.folder import load_pretrained


def load_first_stages(network, path, run_code=False):
    """Load the weights of a trained HRIN, except output layers of levels with other classes.

    Convolutional and recurrent units of both paths get the trained weights, including the
    running statistics of batch normalisation. A level's output layer gets them if the level
    has the same classes in the same order; otherwise it stays random. Band statistics are
    not loaded, since they belong to the recordings.

    Use it as a hook of SpeechBrain's ``Pretrainer``::

        pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
            loadables:
                model: !ref <model>
            paths:
                model: !ref <pretrained_folder>/model.safetensors
            custom_hooks:
                model: !name:hrin_plugin.training.load_first_stages

    Arguments
    ---------
    network : HRIN
        The network to train; changed in place.
    path : str or pathlib.Path
        A file of the folder that :func:`hrin_plugin.pretrained.folder.save_pretrained` wrote.
    run_code : bool
        As :func:`hrin_plugin.pretrained.folder.load_pretrained` takes it.

    Returns
    -------
    list of int
        Levels whose output layers were not loaded, counted from 0.

    Raises
    ------
    ValueError
        If the folder cannot be loaded, or holds a network of another kind or size.

    Example
    -------
    >>> from hrin_plugin import HRIN, BandStatistics, LogMel, Taxonomy
    >>> from hrin_plugin.pretrained.folder import PretrainedModel, save_pretrained
    >>> sounds = Taxonomy(
    ...     levels=[["no-music", "music"], ["speech", "music"]],
    ...     parents=[{"speech": "no-music", "music": "music"}],
    ... )
    >>> trained = HRIN(hidden_size=4, num_layers=1, taxonomy=sounds)
    >>> folder = getfixture("tmp_path")
    >>> save_pretrained(folder, PretrainedModel(LogMel(), BandStatistics(128), trained))
    >>> network = HRIN(hidden_size=4, num_layers=1)
    >>> load_first_stages(network, folder / "model.safetensors")
    [1]
    >>> bool((network.recurrent_2.rnn.weight_hh_l0 == trained.recurrent_2.rnn.weight_hh_l0).all())
    True
    """
    folder = Path(path).parent
    trained = load_pretrained(folder, run_code).network
    ours, theirs = ({"network": type(each).__name__, **each.settings} for each in (network, trained))
    differing = [name for name in ours if ours[name] != theirs.get(name)]
    if differing:
        what = ", ".join(
            f"{name} is {theirs.get(name)!r} there and {ours[name]!r} here" for name in differing
        )
        raise ValueError(
            f"{folder} holds another network: {what}; pretrain one that is alike, or train without it"
        )
    levels = zip(network.taxonomy.levels, trained.taxonomy.levels)
    kept = [level for level, (names, their_names) in enumerate(levels) if names != their_names]
    weights = trained.state_dict()
    for name, own in network.state_dict().items():
        if name.startswith(tuple(f"heads.layers.{level}." for level in kept)):
            weights[name] = own
    network.load_state_dict(weights)
    return kept
