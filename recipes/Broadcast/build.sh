#!/usr/bin/env bash
# Makes a model for broadcasts from nothing, and scores it.
#
# > recipes/Broadcast/build.sh WORK [option of train.py ...]
#
# WORK gets the packages (18 GB), the cache of stems (1.4 GB), the training, the test sets and the scores. A
# second start goes on where the first was interrupted. What is needed besides this package is named in
# collect.py. HOURS is the length of each test set (default: 2).
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: $0 WORK [option of train.py ...]" >&2; exit 2; }
mkdir -p "$1"
work=$(cd "$1" && pwd)
recipe=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python}

echo "== collect: recordings of the packages in packages.tsv, and what is made"
[ -f "$work/stems/stems.tsv" ] || "$python" "$recipe/collect.py" "$work/downloads" "$work/stems"
for split in unseen unseen_2; do
    [ -d "$work/recordings/$split" ] ||
        "$python" "$recipe/collect.py" "$work/downloads" "$work/recordings/$split" --links "$split"
done

echo "== train, and score by kind of music"
"$python" "$recipe/train.py" hparams/broadcast.yaml --stems_folder="$work/stems" --results_folder="$work/results" "${@:2}"
model=$work/results/broadcast/seed_0/pretrained

echo "== score: recordings that no step was trained on, by the rules of hrin mix"
score() { # NAME NOISE [option of hrin mix ...]
    local set=$work/sets/$1 found=$work/scores/$1
    "$python" -m hrin_plugin.cli mix --music "$work/recordings/unseen/music" --speech "$work/recordings/unseen/speech" \
        --noise "$work/recordings/$2/noise" --hours "${HOURS:-2}" --seconds 60 "${@:3}" "$set"
    "$python" -m hrin_plugin.cli detect "$set/audio" --model "$model" --level both --output "$found"
    "$python" -m hrin_plugin.cli evaluate "$set" "$found" --json "$work/scores/$1.json" | tee "$work/scores/$1.txt"
}
score clean unseen --seed 7
score hard unseen --seed 7 --broadcast
score clean_short_sounds unseen_2 --seed 8
score hard_short_sounds unseen_2 --seed 8 --broadcast
echo "the model: $model"
