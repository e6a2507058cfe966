"""Options that several subcommands have."""


def add_model_option(parser):
    """Add the options that choose a model and let it run code.

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
        help="a run's 'pretrained' folder, or a name on the Hugging Face Hub (default: the model that ships)",
    )
    add_run_code(parser)


def add_run_code(parser):
    """Add the option by which a model may run code.

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
        help="let the model import its own code, such as a network's class; only if you trust it",
    )


def add_model_options(parser):
    """Add the options that choose a model and what it runs on.

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
        help="onnx is several times as fast on a CPU; auto: where it is installed (default: %(default)s)",
    )
    group.add_argument("--device", help="cpu, cuda, cuda:1, ... (default: a GPU where there is one)")


def add_classes_option(parser):
    """Add the option that names a model for its classes alone.

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
        help="the model whose classes the results have, where neither they nor their folder tell",
    )


def classes_asked_for(arguments):
    """The taxonomy of the model that was named, or None.

    Arguments
    ---------
    arguments : argparse.Namespace
        Of a parser with :func:`add_classes_option`.

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
