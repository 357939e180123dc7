#!/usr/bin/env bash
# Builds whatever bench/gpu/run.sh needs on a GPU machine that has no Go and no network, into dist/gpu and dist/fovea-gpu.tar.xz.
# Needs Go, a C compiler, make and xz; no GPU and no CUDA toolkit. GOARCH is this machine's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly limit_mib=64 # what a rented machine's upload may hold
pack=dist/gpu
archive=dist/fovea-gpu.tar.xz

# Folders of packages whose tests run there. Each test binary lies in its package's folder beside its test data, since tests look for
# files relative to that.
packages=(cuda cuda/driver cuda/internal/lower graph nn train bench cmd/fovea)

export CGO_ENABLED=1 CGO_CFLAGS="-O2 -g -I$PWD/cuda/include"
build=(-tags cuda -trimpath -ldflags '-s -w')

rm -rf "$pack" "$archive"
mkdir -p "$pack/bin"
go build "${build[@]}" -o "$pack/bin/fovea" ./cmd/fovea
CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$pack/bin/fovea-plain" ./cmd/fovea # what the command's tests expect of a build without the tag
for p in "${packages[@]}"; do
	mkdir -p "$pack/$p"
	go test -c "${build[@]}" -o "$pack/$p/package.test" "./$p"
	if [ -d "$p/testdata" ]; then
		cp -r "$p/testdata" "$pack/$p/"
	fi
done
cp bench/*.tsv "$pack/bench/"

# The simulated driver: the tests of faults use it, and the virtual machine is compared with the GPU.
make -s -C cuda/sim/driver
mkdir -p "$pack/cuda/sim/build"
cp cuda/sim/build/libcuda.so.1 "$pack/cuda/sim/build/"

mkdir -p "$pack/bench/gpu"
cp bench/gpu/*.sh bench/gpu/*.py bench/gpu/*.awk bench/gpu/README.md "$pack/bench/gpu/"

# The newest glibc symbol that a binary asks for is the oldest glibc it runs on.
glibc=$(grep -aoh 'GLIBC_[0-9][0-9.]*' "$pack/bin/fovea" "$pack/cuda/sim/build/libcuda.so.1" | sort -uV | tail -n 1)
{
	echo "commit: $(git describe --always --dirty --abbrev=12)"
	echo "packed: $(date -u +%FT%TZ)"
	echo "go: $(go env GOVERSION) $(go env GOOS)/$(go env GOARCH)"
	echo "needs: ${glibc:-no glibc}"
} >"$pack/MANIFEST"

tar -C dist -cf - gpu | xz -3 -T0 >"$archive"
bytes=$(stat -c %s "$archive")
cat "$pack/MANIFEST"
printf '%s: %d MiB; unpacked %d MiB\n' "$archive" $(((bytes + 1048575) / 1048576)) "$(du -sm "$pack" | cut -f 1)"
if [ "$bytes" -gt $((limit_mib * 1048576)) ]; then
	echo "$archive is larger than $limit_mib MiB" >&2
	exit 1
fi
