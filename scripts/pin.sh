#!/bin/sh
# Resolve everything in a clean environment and write the exact versions to constraints.txt.
# PyTorch is pinned here first: its CPU and CUDA builds carry the same version.
set -eu
cd "$(dirname "$0")/.."
TORCH=2.13.0
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --upgrade pip
"$place/venv/bin/pip" install --quiet "torch==$TORCH"
"$place/venv/bin/pip" install --quiet "torch==$TORCH" ".[all,bioio,zoo,test,dev,docs,bench]"
{
  echo "# Versions that the tests ran with. Written by 'make constraints'; do not edit."
  "$place/venv/bin/pip" freeze --exclude napari-blind2grad --exclude pip --exclude setuptools |
    sed 's/+cpu$//'
} > "$place/constraints.txt"
mv "$place/constraints.txt" constraints.txt
