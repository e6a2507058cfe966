"""Options that several subcommands share."""


def add_model_option(parser):
    """Add ``--model`` and ``--run-code``.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        The parser of a subcommand, or a group of its options.

    Example
    -------
    >>> import argparse
    >>> parser = argparse.ArgumentParser()
    >>> add_model_option(parser)
    >>> parser.parse_args(["--model", "pretrained"]).model
    'pretrained'
    """
    parser.add_argument(
        "--model",
        metavar="SOURCE",
        help="'pretrained' folder of a run, or name on the Hugging Face Hub (default: the shipped model)",
    )
    add_run_code(parser)


def add_run_code(parser):
    """Add ``--run-code``, which allows a model to import its own code.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        The parser of a subcommand, or a group of its options.

    Example
    -------
    >>> import argparse
    >>> parser = argparse.ArgumentParser()
    >>> add_run_code(parser)
    >>> parser.parse_args([]).run_code
    False
    """
    parser.add_argument(
        "--run-code",
        action="store_true",
        help="allow the model to import its own code, such as a network class; only for models you trust",
    )


def add_model_options(parser):
    """Add the options for the model, the backend and the device.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        The parser of a subcommand.

    Example
    -------
    >>> import argparse
    >>> parser = argparse.ArgumentParser()
    >>> add_model_options(parser)
    >>> parser.parse_args([]).backend
    'auto'
    """
    group = parser.add_argument_group("model")
    add_model_option(group)
    group.add_argument(
        "--backend",
        default="auto",
        choices=("auto", "torch", "onnx"),
        help="library that runs the network; onnx is several times as fast on a CPU; auto: onnx if installed "
        "(default: %(default)s)",
    )
    group.add_argument("--device", help="cpu, cuda, cuda:1, ... (default: a GPU if there is one)")


def add_classes_option(parser):
    """Add ``--model`` for subcommands that only need the model's classes.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        The parser of a subcommand that reads results.

    Example
    -------
    >>> import argparse
    >>> parser = argparse.ArgumentParser()
    >>> add_classes_option(parser)
    >>> classes_asked_for(parser.parse_args([])) is None
    True
    """
    parser.add_argument(
        "--model",
        metavar="SOURCE",
        help="model whose classes the results have, if neither the files nor their folder name them",
    )


def add_unlabelled_option(parser):
    """Add ``--unlabelled`` for subcommands that read annotations.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        The parser of a subcommand.

    Example
    -------
    >>> import argparse
    >>> parser = argparse.ArgumentParser()
    >>> add_unlabelled_option(parser)
    >>> parser.parse_args(["--unlabelled", "no-music"]).unlabelled
    'no-music'
    """
    parser.add_argument(
        "--unlabelled",
        metavar="LABEL",
        help="class of the time that an annotation leaves out, such as no-music; without it such time is "
        "an error",
    )


def classes_asked_for(arguments):
    """The taxonomy of the model given by ``--model``, or None.

    Arguments
    ---------
    arguments : argparse.Namespace
        From a parser with :func:`add_classes_option`.

    Returns
    -------
    Taxonomy or None
        The classes.

    Example
    -------
    >>> from argparse import Namespace
    >>> classes_asked_for(Namespace(model=None))
    """
    if not arguments.model:
        return None
    from hrin_plugin.inference import load_taxonomy

    return load_taxonomy(arguments.model)
