# common.sh: what the pipelines share. Sourced by them, never run.
#
# Copyright (C) 2026 The gst-mblm authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# It finds the plugin and the models, wherever the pipelines lie: in the source
# tree (then the build folder is $MBLM_BUILD, or build/), in a `meson devenv`
# shell (then all is set), or installed (then place.sh, which only an installation
# has, says where). And it makes the line for gst-launch-1.0.
#
# shellcheck shell=sh

# Set by the pipeline: its folder.
here=${here:?}
name=$(basename "$0")
# Words of the line so far, quoted for the shell: the properties of the element.
properties=
# What writes to the standard input of the pipeline, or nothing.
feed=
# --show: print the line instead of running it.
show=no

die () {
  echo "$name: $*" >&2
  exit 1
}

misuse () {
  echo "$name: $*" >&2
  echo "Try '$name --help'." >&2
  exit 2
}

find_plugin () {
  if [ -e "$here/place.sh" ]; then
    # shellcheck source=/dev/null
    . "$here/place.sh"
  elif [ -z "${MESON_DEVENV:-}" ]; then
    build=${MBLM_BUILD:-$here/../build}
    [ -e "$build/gst/libgstmblm.so" ] || die "nothing is built in $build:" \
      "run $here/demo, which builds, or meson setup build && ninja -C build"
    build=$(readlink -f "$build")
    GST_PLUGIN_PATH_1_0=$build/gst${GST_PLUGIN_PATH_1_0:+:$GST_PLUGIN_PATH_1_0}
    GST_REGISTRY=${GST_REGISTRY:-$build/registry.bin}
    MBLM_MODEL_PATH=${MBLM_MODEL_PATH:+$MBLM_MODEL_PATH:}$here/models
    export GST_PLUGIN_PATH_1_0 GST_REGISTRY MBLM_MODEL_PATH
  fi
  command -v gst-launch-1.0 >/dev/null || die "gst-launch-1.0 is missing:" \
    "install the package gstreamer1.0-tools"
}

# quote WORD prints it so that the shell reads it as one word.
quote () {
  printf "'%s'" "$(printf '%s' "$1" | sed -e "s/'/'\\\\''/g")"
}

# property NAME VALUE prints NAME="VALUE" as gst-launch-1.0 reads it, quoted for
# the shell.
property () {
  quote "$1=\"$(printf '%s' "$2" | sed -e 's/[\\"]/\\&/g')\""
}

# add NAME VALUE sets a property of the element.
add () {
  properties="$properties $(property "$1" "$2")"
}

# True for a word like temperature=0.7, which goes to the element.
is_property () {
  case $1 in
    [a-z]*=*) ;;
    *) return 1 ;;
  esac
  case ${1%%=*} in
    *[!a-z0-9-]*) return 1 ;;
  esac
}

# launch LINE runs gst-launch-1.0 with these words, already quoted for the shell;
# true or false, whatever number it ends with.
launch () {
  if [ "$show" = yes ]; then
    printf '%s\n' "${feed}gst-launch-1.0 -q $*"
  elif [ -f /dev/stdout ]; then
    # fdsink begins at the start of a file, over what is there already; cat
    # goes on where it is.
    { failed=$({ { eval "${feed}gst-launch-1.0 -q $*" 3>&- 4>&- \
      || echo failed >&3; } | cat >&4; } 3>&1); } 4>&1
    [ -z "$failed" ]
  else
    eval "${feed}gst-launch-1.0 -q $*" || return 1
  fi
}

# test_camera FRAMES LIVE: a blue ball that moves about on grey.
test_camera () {
  echo "videotestsrc is-live=$2 num-buffers=$1 pattern=ball" \
    "background-color=0xffb4b4b4 foreground-color=0xff1e5ae6 !" \
    "video/x-raw,width=320,height=240,framerate=15/1"
}
