"""``hrin push``: sends a model to the Hugging Face Hub."""

from hrin_plugin.commands.options import add_run_code


def add_parser(commands):
    """Add the subcommand to a parser.

    Arguments
    ---------
    commands : argparse action
        As ``ArgumentParser.add_subparsers`` returns it.

    Example
    -------
    >>> import argparse
    >>> parser = argparse.ArgumentParser()
    >>> add_parser(parser.add_subparsers())
    >>> parser.parse_args(["push", "pretrained", "anna/hrin"]).private
    False
    """
    parser = commands.add_parser(
        "push",
        help="send a model to the Hugging Face Hub",
        description="Send a model to the Hugging Face Hub, in one commit. Only the model's own files are "
        "sent: settings, weights, decoding, excerpts to rehearse, card and licence. Then --model OWNER/NAME "
        "finds it. The token is the one of 'hf auth login', or HF_TOKEN.",
    )
    parser.add_argument("folder", metavar="MODEL_FOLDER", help="'pretrained' folder of a run")
    parser.add_argument("name", metavar="OWNER/NAME", help="name on the Hub; created if it is new")
    parser.add_argument("--private", action="store_true", help="only you may read a new model")
    parser.add_argument(
        "--revision", metavar="BRANCH", help="branch to write to, created if missing (default: main)"
    )
    parser.add_argument("--message", metavar="TEXT", help="message of the commit")
    add_run_code(parser)
    parser.set_defaults(handler=_push, prog=parser.prog)


def _push(arguments):
    """Say what is sent, send it, and print the address."""
    from hrin_plugin.pretrained.hub import files_to_send, push_model

    files = files_to_send(arguments.folder)
    if files:
        listed = ", ".join(f"{name} ({size / 1e6:.1f} MB)" for name, size in files.items())
        print(f"to {arguments.name}: {listed}", flush=True)
    options = {name: getattr(arguments, name) for name in ("private", "revision", "message", "run_code")}
    print(push_model(arguments.folder, arguments.name, **options))
    return 0
