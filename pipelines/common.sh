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
# What runs the line, and what its standard output goes through, or nothing.
launcher='gst-launch-1.0 -q'
filter=
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

# Where the command and the models are; for the command, in $mblm.
find_command () {
  mblm=mblm
  if [ -e "$here/place.sh" ]; then
    # shellcheck source=/dev/null
    . "$here/place.sh"
    [ -x "$mblm" ] || mblm=mblm
  elif [ -z "${MESON_DEVENV:-}" ]; then
    build=${MBLM_BUILD:-$here/../build}
    [ -e "$build/gst/libgstmblm.so" ] || die "nothing is built in $build:" \
      "run $here/demo, which builds, or meson setup build && ninja -C build"
    build=$(readlink -f "$build")
    mblm=$build/engine/command/mblm
    GST_PLUGIN_PATH_1_0=$build/gst${GST_PLUGIN_PATH_1_0:+:$GST_PLUGIN_PATH_1_0}
    GST_REGISTRY=${GST_REGISTRY:-$build/registry.bin}
    MBLM_MODEL_PATH=${MBLM_MODEL_PATH:+$MBLM_MODEL_PATH:}$here/models
    export GST_PLUGIN_PATH_1_0 GST_REGISTRY MBLM_MODEL_PATH
  fi
}

# And for the elements.
find_plugin () {
  find_command
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

# check_number OPTION VALUE
check_number () {
  case $2 in
    '' | 0* | *[!0-9]*) misuse "$1 needs a number from 1 up, not $2" ;;
  esac
}

# launch LINE runs gst-launch-1.0 with these words, already quoted for the shell;
# true or false, whatever number it ends with.
launch () {
  through=$filter
  # fdsink begins at the start of a file, over what is there already; cat goes
  # on where it is.
  [ -n "$through" ] || [ ! -f /dev/stdout ] || through=cat
  if [ "$show" = yes ]; then
    printf '%s\n' "${feed}$launcher $*"
  elif [ -n "$through" ]; then
    { failed=$({ { eval "${feed}$launcher $*" 3>&- 4>&- \
      || echo failed >&3; } | "$through" >&4; } 3>&1); } 4>&1
    [ -z "$failed" ]
  else
    eval "${feed}$launcher $*" || return 1
  fi
}

# --- sources that are no files ---

# True for a SOURCE that is no file: `test`, `camera`, a device, an address, or
# the elements that --source gave, behind "elements:".
is_stream () {
  case $1 in
    test | camera | /dev/* | rtsp*://* | elements:*) ;;
    *) return 1 ;;
  esac
}

# stream SOURCE FRAMES LIVE prints the elements that bring it, quoted for the shell;
# no FRAMES are all. LIVE, true or false, is for the test camera.
stream () {
  case $1 in
    test) test_camera "${2:-60}" "$3"; return ;;
    camera)
      device=$(first_camera) || exit 1
      set -- "$device" "$2" ;;
  esac
  case $1 in
    /dev/*)
      [ -e "$1" ] || die "$1: there is no such camera"
      printf 'v4l2src %s' "$(property device "$1")" ;;
    rtsp*)
      printf 'rtspsrc latency=200 %s ! application/x-rtp,media=video' \
        "$(property location "$1")"
      printf ' ! decodebin ! videoconvert' ;;
    *) words "${1#elements:}" ;;
  esac
  # at so many it ends, before the last of them
  [ -z "$2" ] || printf ' ! identity eos-after=%s' $(($2 + 1))
}

first_camera () {
  for device in /dev/video*; do
    [ -c "$device" ] || continue
    echo "$device"
    return
  done
  die "there is no camera: /dev has no video device. Connect one, or name" \
    "what brings the video with --source"
}

# words TEXT prints its words, which may be quoted, each quoted for the shell.
words () {
  printf '%s\n' "$1" | xargs -n 1 printf '%s\n' | while IFS= read -r word; do
    printf '%s ' "$(quote "$word")"
  done
}

# explain SOURCE says what GStreamer doesn't when nothing came from there.
explain () {
  case $1 in
    rtsp*)
      echo "$name: $1: no video came from there. Is the address right, does" \
        "its server run, and does it let you in?" >&2 ;;
  esac
}

# test_camera FRAMES LIVE: a blue ball that moves about on grey.
test_camera () {
  echo "videotestsrc is-live=$2 num-buffers=$1 pattern=ball" \
    "background-color=0xffb4b4b4 foreground-color=0xff1e5ae6 !" \
    "video/x-raw,width=320,height=240,framerate=15/1"
}
