#!/usr/bin/env bash
# Makes .venv with what `make train` needs, or `make train-pixels` (`setup.sh pixels`), or with everything (`setup.sh test`). Repeating it is safe and quick.
set -euo pipefail
cd "$(dirname "$0")/.."

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

# Python compiles what it imports, and keeps it; to compile everything at once takes half as long again as installing it.
install() {
  echo "setup: installing into .venv what make $1 needs (a minute or more the first time)"
  PIP_DISABLE_PIP_VERSION_CHECK=1 .venv/bin/python -m pip install --quiet --no-compile -c constraints.txt -e "$2"
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

# The tests of the cockpit drive a browser, and are skipped where there is none.
check_browser() {
  command -v chromium >/dev/null && command -v chromedriver >/dev/null && return
  local line="apt-get install -y --no-install-recommends chromium chromium-driver"
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    echo "setup: installing the browser that the cockpit is tested in: $line"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive $line -qq; } >/dev/null || true
    command -v chromium >/dev/null && command -v chromedriver >/dev/null && return
  fi
  echo "setup: no chromium with chromedriver: the browser tests will be skipped. To install them:  sudo $line" >&2
}

# Intel's SDK loads libusb at import.
check_realsense() {
  .venv/bin/python -c "import pyrealsense2" 2>/dev/null && return
  local line="apt-get install -y --no-install-recommends libusb-1.0-0"
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    echo "setup: installing the library that RealSense cameras need: $line"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive $line -qq; } >/dev/null || true
    .venv/bin/python -c "import pyrealsense2" 2>/dev/null && return
  fi
  echo "setup: pyrealsense2 cannot be imported: its tests will fail. To install what it needs:  sudo $line" >&2
}

case "${1:-train}" in
  train)
    make_venv
    install train .
    check_rendering
    touch .venv/.ready-train
    ;;
  pixels)
    make_venv
    install train-pixels ".[vision]"
    [[ -e .venv/.ready-train ]] || check_rendering
    touch .venv/.ready-train .venv/.ready-pixels
    ;;
  test)
    make_venv
    install test ".[cockpit,dev,dmc,export,formats,franka,gymnasium-robotics,metaworld,opencv,realsense,robotiq,servo,teleop,ur,vision]"
    [[ -e .venv/.ready-train ]] || check_rendering
    check_browser
    check_realsense
    touch .venv/.ready-train .venv/.ready-pixels .venv/.ready-test
    ;;
  *) fail "unknown goal '$1'; known: train, pixels, test" ;;
esac
