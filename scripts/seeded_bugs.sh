#!/bin/bash
# Are the tests awake? Applies each bug of tests/seeded_bugs/ by itself to a copy of HEAD, builds the
# test program that its first line names, and demands that it fails. Without the bugs they must pass.
# Prints a table; ends with 1 if a bug is not caught.
#
#   scripts/seeded_bugs.sh [FOLDER]     FOLDER keeps the copy and its build for the next time
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

scratch=${1:-}
if [[ -z $scratch ]]; then
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
fi
mkdir -p "$scratch/source"
scratch=$(cd "$scratch" && pwd)
source=$scratch/source build=$scratch/build logs=$scratch/logs
mkdir -p "$logs"
# The copy must be no part of a repository, or git apply looks for the files there.
export GIT_CEILING_DIRECTORIES=$scratch

git archive HEAD | tar -x -C "$scratch/source" --overwrite
shopt -s nullglob
patches=("$root"/tests/seeded_bugs/*.patch)
program_of() { sed -n '1s/^Caught by: //p' "$1"; }  # a folder of tests/
story_of() { sed -n '2s/^Bug: //p' "$1"; }

mapfile -t programs < <(for patch in "${patches[@]}"; do program_of "$patch"; done | sort -u)
cmake -S "$source" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DSKEIN_BENCH=OFF >"$logs/configure.log"

build_program() { ninja -C "$build" "skein_test_$1" >"$logs/build.log" 2>&1 || { tail -n 30 "$logs/build.log"; return 1; }; }
# In a shell of its own, so that nobody reports a crash but the table.
run_program() { bash -c 'timeout 600 "$0" >"$1" 2>&1' "$build/bin/skein_test_$1" "$logs/$2.log" 2>/dev/null; }

for program in "${programs[@]}"; do
  echo "without bugs: $program"
  build_program "$program"
  run_program "$program" "clean_$program" || { echo "tests/$program fails without any bug, see $logs"; exit 1; }
done

missed=0
printf '\n| bug | what it does | tests/ | caught by |\n|---|---|---|---|\n'
for patch in "${patches[@]}"; do
  name=$(basename "$patch" .patch) program=$(program_of "$patch")
  (cd "$source" && git apply -C1 "$patch")
  outcome="**no build**"
  if build_program "$program" >&2; then
    status=0
    run_program "$program" "$name" || status=$?
    failed=$(sed -n 's/^\[  FAILED  \] \([^ ,]*\).*/\1/p' "$logs/$name.log" | head -n 1)
    last=$(sed -n 's/^\[ RUN      \] \([^ ,]*\).*/\1/p' "$logs/$name.log" | tail -n 1)
    case $status in
      0) outcome="**not caught**" ;;
      124) outcome=${failed:-$last (hangs)} ;;
      *) outcome=${failed:-$last (crashes)} ;;
    esac
  fi
  [[ $outcome != "**"* ]] || missed=$((missed + 1))
  printf '| %s | %s | %s | %s |\n' "$name" "$(story_of "$patch")" "$program" "$outcome"
  (cd "$source" && git apply -R -C1 "$patch")
done
echo
echo "$((${#patches[@]} - missed)) of ${#patches[@]} bugs caught"
[[ $missed -eq 0 ]]
