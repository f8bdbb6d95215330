#!/usr/bin/env bash
# Makes what the recipes of this folder train on: of each language 2000 short pairs of sentences, and the
# links of their words by a model of word translation, learned from all pairs, and by the encoder.
#
#     python3 examples/corpora/prepare.py --out corpora --only model,intents,parallel,dictionaries
#     bash examples/recipes/alignment/links.sh
set -euo pipefail

model=corpora/models/multilingual-e5-small
isogloss() { cargo run --release --quiet -- "$@"; }

mkdir -p corpora/short corpora/links/{statistical,encoder}
for language in de el es fi fr hi it nl ru; do
  all=corpora/parallel/en-$language.tsv
  short=corpora/short/en-$language.tsv
  # 4 to 16 English words, 3 to 20 others, and no English sentence twice.
  awk -F '\t' '{ n = split($1, left, " "); m = split($2, right, " ") }
    n >= 4 && n <= 16 && m >= 3 && m <= 20 && !seen[$1]++ && ++kept <= 2000' "$all" > "$short"
  isogloss align "$short" --learn-from "$all" --out "corpora/links/statistical/en-$language.align"
  isogloss align "$short" --model "$model" --out "corpora/links/encoder/en-$language.align"
done
