#!/usr/bin/env bash
# Makes .venv with everything that `make train` and `make test` need. Repeating it is safe and quick.
set -euo pipefail
cd "$(dirname "$0")/.."

TORCH_CPU_INDEX=https://download.pytorch.org/whl/cpu
EXTRAS=dev,dmc,gymnasium-robotics
PIP="env PIP_DISABLE_PIP_VERSION_CHECK=1 .venv/bin/python -m pip"

fail() {
  echo "setup: $*" >&2
  exit 1
}

find_python() {
  for candidate in python3.11 python3 python3.12 python3.13; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  fail "no Python 3.11 or newer found; install it (Debian: apt-get install python3.11 python3.11-venv)"
}

make_venv() {
  .venv/bin/python -m pip --version >/dev/null 2>&1 && return
  local python
  python=$(find_python)
  "$python" -c 'import ensurepip, venv' 2>/dev/null || fail "$python cannot make virtual environments; apt-get install python3-venv"
  "$python" -m venv --clear .venv
}

# PyPI's torch for Linux brings gigabytes of CUDA. Without an NVIDIA GPU, PyTorch's own index has a build of 200 MB.
torch_index() {
  [[ $(uname -s) == Linux ]] || return 0
  command -v nvidia-smi >/dev/null && return 0
  if .venv/bin/python - "$TORCH_CPU_INDEX/torch/" 2>/dev/null <<'PYTHON'; then
import sys
import urllib.request

urllib.request.urlopen(sys.argv[1], timeout=5).close()
PYTHON
    echo "--extra-index-url $TORCH_CPU_INDEX"
  fi
}

# Rendering needs EGL. Everything but cameras and videos works without, so its absence is no error.
check_rendering() {
  [[ $(uname -s) == Linux ]] || return 0
  local libraries='import ctypes; ctypes.CDLL("libEGL.so.1"); ctypes.CDLL("libGL.so.1")'
  .venv/bin/python -c "$libraries" 2>/dev/null && return
  local line="apt-get install -y --no-install-recommends libegl1 libgl1"
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    echo "setup: installing the libraries that render images: $line"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive $line -qq; } >/dev/null || true
    .venv/bin/python -c "$libraries" 2>/dev/null && return
  fi
  echo "setup: no EGL library: cameras and videos will not work. To install it:  sudo $line" >&2
}

make_venv
echo "setup: installing into .venv (a few minutes the first time)"
# shellcheck disable=SC2046  # the index option is two words or none
$PIP install --quiet $(torch_index) -c constraints.txt -e ".[$EXTRAS]"
check_rendering
touch .venv/.installed
