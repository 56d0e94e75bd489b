# prepare.sh: what the demo and the tests begin with: packages, the environment and
# the build. Sourced by them, never run.
#
# Copyright (C) 2026 The gst-mblm authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Only the installation of missing packages may need root and a network; all else
# runs as the caller, and writes nothing outside the build folder.
#
# shellcheck shell=sh

# Set by the caller: the top of the source tree.
top=${top:?}
build=$top/build

# limit SECONDS COMMAND... runs nothing for longer.
limit () {
  timeout -k 10 "$@"
}

# The caller's settings would decide what is tested or shown.
set_environment () {
  unset MESON_DEVENV MBLM_BUILD MBLM_MODEL_PATH GST_PLUGIN_PATH \
    GST_PLUGIN_PATH_1_0 GST_PLUGIN_SYSTEM_PATH GST_PLUGIN_SYSTEM_PATH_1_0 \
    GST_REGISTRY_1_0 GST_DEBUG GST_TRACERS G_DEBUG G_MESSAGES_DEBUG DESTDIR \
    LANGUAGE DISPLAY WAYLAND_DISPLAY
  LC_ALL=C.UTF-8
  GST_REGISTRY=$build/registry.bin
  # fontconfig and others keep caches; HOME may be read-only
  XDG_CACHE_HOME=$build/cache
  export LC_ALL GST_REGISTRY XDG_CACHE_HOME
}

# build_in FOLDER OPTION... configures once and builds all, or $targets; what the
# tools say goes to FOLDER/build.log, and is shown when they fail.
targets=
build_in () {
  folder=$1
  shift
  log=$folder/build.log
  mkdir -p "$folder"
  # shellcheck disable=SC2086 # $targets is several words
  if ! {
    { [ -e "$folder/build.ninja" ] \
        || limit 300 meson setup "$@" "$folder" "$top"; } \
      && limit 1800 ninja -C "$folder" $targets
  } >"$log" 2>&1 </dev/null; then
    tail -n 60 "$log" >&2
    echo "The build failed; all of it is in $log" >&2
    return 1
  fi
}
