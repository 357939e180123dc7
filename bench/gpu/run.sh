#!/usr/bin/env bash
# Runs what bench/gpu/pack.sh packed: conformance, training, sanitizers and benchmarks on the first GPU. See README.md beside this file.
#
#	bench/gpu/run.sh [--quick] [--only REGEXP] [--out FOLDER] [--limit SECONDS]
#
# --quick    a short selection of each step, to see that everything works; its figures mean nothing
# --only     the steps whose names match the extended regular expression, such as '^(conformance|curves)'
# --out      the folder of results, results/DATE-TIME by default
# --limit    the time a step may take, 900 s by default
#
# A step that fails does not stop the others. The exit status is 1 if a step of the kind "conformance" failed, 2 for misuse.
set -euo pipefail

usage() {
	sed -n '4,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
	exit 2
}

command_line="$0 $*"
quick=
only=.
out=
limit=900
while [ $# -gt 0 ]; do
	case $1 in
	--quick | --dry) quick=1 ;;
	--only | --out | --limit)
		[ $# -ge 2 ] || usage
		case $1 in
		--only) only=$2 ;;
		--out) out=$2 ;;
		--limit) limit=$2 ;;
		esac
		shift
		;;
	*) usage ;;
	esac
	shift
done
[[ $limit =~ ^[1-9][0-9]*$ ]] || usage

invoked_in=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$PWD
if [ ! -f MANIFEST ]; then
	echo "run.sh: there is no MANIFEST in $root: run it from what bench/gpu/pack.sh packed (dist/gpu)" >&2
	exit 2
fi
out=${out:-results/$(date -u +%Y%m%d-%H%M%S)}
case $out in
/*) ;;
results/*) out=$root/$out ;;
*) out=$invoked_in/$out ;;
esac
mkdir -p "$out/logs"

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
# The tests of the command build it with go; here "go build [-tags cuda] -o FILE ." copies what was built before.
mkdir "$temporary/shims"
cat >"$temporary/shims/go" <<SHIM
#!/bin/sh
case "\$*" in
"build -o \$3 .") exec cp "$root/bin/fovea-plain" "\$3" ;;
"build -tags cuda -o \$5 .") exec cp "$root/bin/fovea" "\$5" ;;
esac
echo "go is not here: \$*" >&2
exit 1
SHIM
chmod +x "$temporary/shims/go"

# Tests that find no GPU fail instead of skipping.
export FOVEA_REQUIRE_CUDA=1 FOVEA_CUDA_REQUIRED=1
simulator=$root/cuda/sim/build/libcuda.so.1
simulated=
case ${FOVEA_CUDA_DRIVER:-} in *sim*) simulated=1 ;; esac

quickly() { # quickly WORD WORD chooses the first in a quick run
	if [ -n "$quick" ]; then printf '%s' "$1"; else printf '%s' "$2"; fi
}

conformance_failed=
printf 'name\tkind\tresult\tseconds\tcommand\n' >"$out/steps.tsv"

record() { # record NAME KIND RESULT SECONDS COMMAND
	printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" "$5" >>"$out/steps.tsv"
	printf '%-22s %-12s %6s s  %s\n' "$1" "$2" "$4" "$3"
	if [ "$2" = conformance ] && [[ $3 == failed* ]]; then
		conformance_failed=1
	fi
}

selected() { [[ $1 =~ $only ]]; }

# step NAME KIND FOLDER COMMAND... runs a command in a folder of the pack and keeps its output in logs/NAME.txt.
step() {
	local name=$1 kind=$2 folder=$3 status=0 begin=$SECONDS result=passed
	shift 3
	selected "$name" || return 0
	(cd "$root/$folder" && exec timeout --kill-after=10 "$limit" "$@") >"$out/logs/$name.txt" 2>&1 </dev/null || status=$?
	case $status in
	0) ;;
	124 | 137) result="failed: not done after $limit s, or killed" ;;
	*) result="failed: exit status $status" ;;
	esac
	record "$name" "$kind" "$result" $((SECONDS - begin)) "(cd ./$folder && $*)"
}

# skip NAME KIND REASON records a step that cannot run here.
skip() {
	selected "$1" || return 0
	record "$1" "$2" "not run: $3" 0 ""
}

# seconds COMMAND... prints how long a command takes.
seconds() {
	local begin end
	begin=$(date +%s%N)
	timeout "$limit" "$@" >>"$out/logs/start-up.txt" 2>&1 </dev/null || return $?
	end=$(date +%s%N)
	awk -v n=$((end - begin)) 'BEGIN { printf "%.3f", n / 1e9 }'
}

# What this is about.
{
	echo "date: $(date -u +%FT%TZ)"
	cat MANIFEST
	echo "run: $command_line"
	echo "quick: ${quick:-0}"
	echo "driver: ${FOVEA_CUDA_DRIVER:-found by itself}${simulated:+ (simulated)}"
	echo "system: $(uname -srm), $(nproc) processors, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | sort -u | head -n 1)"
	if command -v nvidia-smi >/dev/null; then
		nvidia-smi --query-gpu=index,name,driver_version,memory.total,clocks.max.sm,power.limit --format=csv,noheader | sed 's/^/gpu: /' || true
	else
		echo "gpu: nvidia-smi is not here"
	fi
	./bin/fovea devices 2>&1 | sed 's/^/devices: /' || true
} >"$out/about.txt"
cat "$out/about.txt"
echo

# Conformance.
step devices conformance . bash -c './bin/fovea devices | tee /dev/stderr | grep -q "^cuda:0 "'
# A toolkit's header is a matter of building, and some tests compile a driver of their own.
building=TestBuildsWithToolkits
if ! command -v cc >/dev/null; then
	building+='|TestStatus|TestUse'
fi
step driver conformance cuda/driver ./package.test -test.v -test.short="$(quickly true false)" -test.skip "^($building)\$"
step conformance conformance cuda ./package.test -test.v -test.short="$(quickly true false)" \
	-test.run "$(quickly '^Test(Conformance/implicit/(MatMul|Softmax|Copy)|Faults|Auto|Devices|Open)$' .)"
step long-sums conformance cuda/internal/lower ./package.test -test.v -test.run "$(quickly '^TestLongSums$/^Sum' '^TestLongSums$')"
step graph conformance graph ./package.test -test.short="$(quickly true false)"
step nn conformance nn ./package.test -test.short="$(quickly true false)"
step train-tests conformance train ./package.test -test.short -test.run "$(quickly '^Test(Trainer|Schedule)' .)" -test.skip 'Curves|CUDA'
# shellcheck disable=SC2016 # the words are the inner shell's
step curves conformance train bash -c './package.test -test.v -test.run "$0" | tee /dev/stderr | grep -q -- "--- PASS: TestCurvesOfPyTorchOnCUDA/lenet5-adam"' \
	"$(quickly '^TestCurvesOfPyTorchOnCUDA$/lenet5-adam' Curves)"
step agreement conformance train ./package.test -test.v -test.run "$(quickly '^TestSameSeedSameBitsOnCUDA$' CUDA)" -test.skip Curves
step command conformance cmd/fovea env "PATH=$temporary/shims:$PATH" ./package.test -test.short -test.run "$(quickly '^TestDevicesListsGPUs$' .)"
step train conformance . ./bin/fovea train --backend cuda --data digits --seed 1 --epochs "$(quickly 1 40)" --out "$out/train-cuda"
step train-cpu conformance . ./bin/fovea train --backend cpu --data digits --seed 1 --epochs "$(quickly 1 40)" --out "$out/train-cpu"

# The same programs on the virtual machine and on this driver: outputs.bin is the virtual machine's.
if ./bench/package.test -test.list '^TestOutputs$' 2>/dev/null | grep -q '^TestOutputs$'; then
	step machine-outputs conformance bench env "FOVEA_CUDA_DRIVER=$simulator" ./package.test -test.run '^TestOutputs$' -outputs "$out/outputs.bin"
	step machine-and-gpu conformance bench ./package.test -test.v -test.run '^TestOutputs$' -against "$out/outputs.bin"
else
	skip machine-and-gpu conformance "the pack has no such test"
fi

# Compute-sanitizer. Separate launches of the suite's small programs, all of them.
sanitizer=$(command -v compute-sanitizer || find /usr/local/cuda*/bin /opt -maxdepth 4 -name compute-sanitizer -type f 2>/dev/null | head -n 1 || true)
for tool in memcheck racecheck; do
	if [ -n "$simulated" ]; then
		skip "$tool" conformance "the driver is simulated"
	elif [ -z "$sanitizer" ]; then
		skip "$tool" conformance "there is no compute-sanitizer"
	else
		step "$tool" conformance cuda "$sanitizer" --tool "$tool" --error-exitcode 9 --target-processes all \
			./package.test -test.short -test.run '^TestConformance$'
	fi
done

# Start-up: the driver compiles PTX when it first sees it, and keeps the result in a folder.
startup() {
	local name=start-up status=0 begin=$SECONDS time program
	selected "$name" || return 0
	: >"$out/logs/$name.txt"
	printf 'program\tcache\tseconds\n' >"$out/start-up.tsv"
	for program in Inference/lenet5/1 Training/vgg/64; do
		local cache=$temporary/cache-${program//\//-}
		for state in cold cached unwritable; do
			local folder=$cache
			[ "$state" != unwritable ] || folder=/proc/nowhere
			if time=$(cd bench && CUDA_CACHE_PATH=$folder seconds ./package.test -test.run '^$' -test.bench "^Benchmark${program//\//\$/^}\$" -test.benchtime 1x -backend cuda:0); then
				printf '%s\t%s\t%s\n' "$program" "$state" "$time" | tee -a "$out/start-up.tsv"
			else
				status=1
				printf '%s\t%s\tfailed\n' "$program" "$state" | tee -a "$out/start-up.tsv"
			fi
			[ -z "$quick" ] || break
		done
		[ -z "$quick" ] || break
	done
	record "$name" measurement "$([ $status = 0 ] && echo passed || echo "failed: see logs/$name.txt")" $((SECONDS - begin)) "CUDA_CACHE_PATH=FOLDER ./package.test -test.bench PROGRAM -test.benchtime 1x -backend cuda:0, in bench"
}
startup

# Benchmarks. The table below takes the best of five rounds of fovea and the best way of the others.
bench=(./package.test -test.run '^$' -test.benchtime "$(quickly 1x 1s)" -test.count "$(quickly 1 5)" -test.timeout 0 -backend cuda:0)
step bench-networks measurement bench "${bench[@]}" -test.bench "$(quickly '^BenchmarkTraining$/lenet5' '^Benchmark(Training|Resident|Inference)$')"
step bench-ops measurement bench "${bench[@]}" -test.bench "$(quickly '^BenchmarkMatMul$/^64x120x400$' '^Benchmark(Conv2D|MatMul)$')"

python=${PYTHON:-python3}
probe() { # probe CODE tells why Python code does not work here, in a line
	"$python" -c "$1" 2>&1 | tail -n 1
}
why=$(probe 'import torch; print("" if torch.cuda.is_available() else "PyTorch finds no CUDA device")' || true)
for mode in eager compile; do
	if [ -n "$why" ]; then
		skip "torch-$mode" measurement "$why"
	else
		step "torch-$mode" measurement bench/gpu env NVIDIA_TF32_OVERRIDE=0 "$python" networks_torch.py "$mode" "$(quickly 0.2 2)"
	fi
done
why=$(probe 'import jax; print("" if any(d.platform in ("gpu", "cuda") for d in jax.devices()) else "JAX finds no CUDA device")' || true)
if [ -n "$why" ]; then
	skip jax-scan measurement "$why"
else
	step jax-scan measurement bench/gpu env NVIDIA_TF32_OVERRIDE=0 "$python" networks_jax.py "$(quickly 0.2 2)"
fi

: >"$out/others.tsv"
for log in "$out"/logs/torch-*.txt "$out"/logs/jax-scan.txt; do
	[ ! -f "$log" ] || grep -P '^(pytorch|jax)[^\t]*\t[^\t]*\t[^\t]*\t[0-9]' "$log" >>"$out/others.tsv" || true
done
cat "$out"/logs/bench-*.txt >"$out/fovea.txt" 2>/dev/null || true

echo
if [ -n "$simulated$quick" ]; then
	echo "${simulated:+simulated driver }${quick:+quick run}: the figures mean nothing"
fi
awk -f bench/gpu/table.awk "$out/fovea.txt" "$out/others.tsv" | tee "$out/table.txt"
echo
echo "results: $out"
if [ -n "$conformance_failed" ]; then
	echo "a conformance step failed, see steps.tsv and logs there"
	exit 1
fi
