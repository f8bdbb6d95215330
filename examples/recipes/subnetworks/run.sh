#!/bin/sh
# Trains the eight recipes of this folder with three seeds, from the repository's root; what is done is
# skipped. The heads of each language are those that its score needs in the shared model of the seed.
set -eu
isogloss=${ISOGLOSS:-target/release/isogloss}
recipes=examples/recipes/subnetworks
runs=runs/subnetworks
seeds=3

$isogloss sweep $recipes/shared.toml --seeds $seeds --out $runs --device flex
for folder in $runs/shared/seed-*; do
  [ -d "$folder/subnetworks" ] && continue
  $isogloss subnetwork "$folder/best" corpora/intents/en.jsonl corpora/intents/de.jsonl \
    corpora/intents/es.jsonl corpora/intents/fr.jsonl corpora/intents/ru.jsonl --split dev \
    --importance-split train --unseen skip --device flex --out "$folder/part"
  mv "$folder/part" "$folder/subnetworks"
done
$isogloss sweep $recipes/*.toml --seeds $seeds --out $runs --device flex
$isogloss report $runs/*/seed-* --out $runs/report.html
