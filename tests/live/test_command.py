"""Options of `hrin detect --live` that make no sense."""

import json

import pytest

from hrin_plugin.cli import main
from hrin_plugin.formats.journal import journal_path

URL = "http://127.0.0.1:9/a"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no recording is given; give FILE, or --live URL"),
        (["a.wav", "--latency", "5"], "--latency is of no use without --live URL"),
        (["a.wav", "--allow-host", "a"], "--allow-host is of no use without --live URL"),
        (["--live", "file:///etc/passwd"], "is not the address of a stream"),
        (["--live", URL, "b.mp3"], "recordings cannot be given with --live"),
        (["--live", URL, "--jobs", "2"], "--jobs cannot be given with --live"),
        (
            ["--live", URL, "--latency", "1"],
            "a latency of 1 s is out of range; give 3 to 90 seconds, or exact",
        ),
        (["--live", URL, "--latency", "soon"], "'soon' is not a number of seconds, nor exact"),
        (["--live", URL, "--allow-host", "a/b"], "--allow-host 'a/b': is not a host"),
        (["--live", URL, "--station", "x"], "--station names the folder of the results; give --output DIR"),
        (["--live", URL, "--latency", "5", "--min-duration", "9"], "give shorter minimum durations"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, message, capsys):
    assert main(["detect", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_results_of_recordings_and_of_other_settings_are_not_mixed_with_those_of_a_stream(tmp_path, capsys):
    journal_path(tmp_path, "tsv").touch()
    command = ["detect", "--live", URL, "--output", str(tmp_path)]
    assert main(command) == 2 and "holds results of recordings" in capsys.readouterr().err
    (tmp_path / "a").mkdir(exist_ok=True)
    (tmp_path / "a" / ".hrin-json.json").write_text(json.dumps({"latency_s": 5.0}))
    assert main([*command, "--format", "json", "--latency", "10"]) == 2
    assert "and latency_s; give another --station or --output" in capsys.readouterr().err
    assert main([*command, "--format", "json", "--station", "../x"]) == 2
    assert "is not the name of a folder" in capsys.readouterr().err
