#!/usr/bin/env bash
# Builds the fuzz targets with clang++ under ASan and UBSan, seeds them, runs them one after the other, and prints a
# table. A find ends the script with an error and leaves the input in build/fuzz/finds.
#
# Usage: tools/fuzz.sh [SECONDS-PER-TARGET] [TARGET...]     default: 20 seconds, every target of tests/fuzz
# What a run discovers stays in build/fuzz/corpus, so that the next one begins there.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:-20}
if ! [[ "$seconds" =~ ^[0-9]+$ ]]; then
  sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for source in tests/fuzz/fuzz_*.cpp; do
    name=$(basename "$source" .cpp)
    [ "$name" = fuzz_input ] || targets+=("${name#fuzz_}")
  done
fi

launcher=()
if command -v ccache >/dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
cmake -S . -B build/fuzz -G Ninja --log-level=WARNING "${launcher[@]}" -DCMAKE_BUILD_TYPE=RelWithDebInfo \
  -DCMAKE_CXX_COMPILER=clang++ -DQTZ_FUZZ=ON
cmake --build build/fuzz --target "${targets[@]/#/fuzz_}"

# The bad files, the demo model and the models of the tests, small ones of each kind.
seeds=build/fuzz/seeds
if [ ! -d "$seeds" ]; then
  python3 tests/bad_files/bad_files.py write "$seeds.new" 2>/dev/null
  mv "$seeds.new" "$seeds"
fi
python3 tests/fuzz/quantized_seeds.py "$seeds"/quantized
names_of() {
  case "$1" in
    safetensors_header) echo '*.safetensors' ;;
    shard_index) echo '*.index.json' ;;
    gguf) echo '*.gguf' ;;
    imatrix) echo '*.dat' ;;
    config) echo 'config.json' ;;
    tokenizer_json) echo 'tokenizer.json' ;;
    tokenizer_model) echo 'tokenizer.model' ;;
    tokenizer_config) echo 'tokenizer_config.json' ;;
    recipe | override) echo '*.recipe' ;;
    front_matter | text_encoder) echo 'README.md' ;;
    vocab) echo 'vocab.json' ;;
    merges) echo 'merges.txt' ;;
    wordpiece) echo 'vocab.txt' ;;
    unigram) echo 'spiece.model' ;;
    ranks) echo '*.tiktoken' ;;
    tekken) echo 'tekken.json' ;;
    rwkv) echo 'rwkv_vocab_*.txt' ;;
    quantized) echo '*.quantized' ;;
    *) echo "*$1*.json" ;;
  esac
}

mkdir -p build/fuzz/finds
rows=() failed=0
for target in "${targets[@]}"; do
  corpus=build/fuzz/corpus/$target
  mkdir -p "$corpus"
  while IFS= read -r -d '' file; do
    cp "$file" "$corpus/seed-$(sha256sum <"$file" | cut -c1-16)"
  done < <(find -L "$seeds" tests/data -type f -name "$(names_of "$target")" -size -64k -print0 2>/dev/null)
  printf '\n== %s: %s seconds, %s inputs\n' "$target" "$seconds" "$(find "$corpus" -type f | wc -l)"
  log=build/fuzz/$target.log
  if ! build/fuzz/tests/fuzz/fuzz_"$target" "$corpus" -max_total_time="$seconds" -timeout=25 -rss_limit_mb=2048 \
    -max_len=65536 -print_final_stats=1 -artifact_prefix=build/fuzz/finds/"$target"- >"$log" 2>&1; then
    failed=1
    tail -40 "$log"
  fi
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  coverage=$(sed -n 's/.* cov: \([0-9]*\) ft: \([0-9]*\) .*/\1 \2/p' "$log" | tail -1)
  rows+=("$target ${runs:--} ${coverage:-- -}")
done

printf '\n%-20s %12s %8s %8s\n' target executions cov ft
for row in "${rows[@]}"; do
  # shellcheck disable=SC2086
  printf '%-20s %12s %8s %8s\n' $row
done
exit "$failed"
