#!/usr/bin/env bash
# Makes the model that ships, from nothing, and scores it.
#
# > recipes/Broadcast/build.sh WORK
#
# WORK gets the packages (18 GB), the cache of stems (1.4 GB), the trainings and the scores. A second start
# goes on where the first was interrupted. What is needed besides this package is named in collect.py.
# The last line of each part is what the model card says.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: $0 WORK" >&2; exit 2; }
mkdir -p "$1"
work=$(cd "$1" && pwd)
recipe=$(cd "$(dirname "$0")" && pwd)

part() { echo "== $*"; }

part "collect: recordings of the packages in packages.tsv, and what is made"
python "$recipe/collect.py" "$work/downloads" "$work/stems"

part "train: the second of two packs alone, then all stems"
if [ ! -d "$work/pack_2" ]; then
    python "$recipe/pack.py" "$work/stems" "$work/packs" --packs 2
    python "$recipe/unpack.py" "$work/packs/pack_2" "$work/pack_2"
fi
python "$recipe/train.py" hparams/broadcast.yaml --stems_folder="$work/pack_2" --results_folder="$work/first" \
    --max_minutes=6.2 --number_of_steps=100000 --num_workers=13
python "$recipe/train.py" hparams/broadcast.yaml --stems_folder="$work/stems" --results_folder="$work/second" \
    --init_from="$work/first/broadcast/seed_0/pretrained" --number_of_steps=100000 --num_workers=1 \
    --lengths='[[12.288,24,0.3],[24.576,12,0.4],[49.152,6,0.3]]' --lr=0.0004 --warmup_steps=20 --average_decay=0.99 \
    --max_minutes=92 --device=cpu
model=$work/second/broadcast/seed_0/pretrained

part "score: recordings that no step was trained on, by the rules of hrin mix"
for split in unseen unseen_2; do
    python "$recipe/collect.py" "$work/downloads" "$work/recordings/$split" --links "$split"
done
score() { # NAME NOISE [option of hrin mix]
    local set=$work/sets/$1 found=$work/scores/$1
    [ -d "$set/audio" ] || hrin mix --music "$work/recordings/unseen/music" --speech "$work/recordings/unseen/speech" \
        --noise "$work/recordings/$2/noise" --hours 0.5 --seconds 60 "${@:3}" "$set"
    hrin detect "$set/audio" --model "$model" --level both --output "$found"
    hrin evaluate "$set" "$found" --json "$work/scores/$1.json" | tee "$work/scores/$1.txt"
}
score mix unseen --seed 107
score mix_hard unseen --seed 108 --broadcast
score mix_hard_short_sounds unseen_2 --seed 110 --broadcast
echo "the model: $model"
