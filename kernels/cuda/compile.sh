#!/bin/sh
# compile.sh: compiles one file, and keeps what the compiler says of it.
#
# Copyright (C) 2026 The gst-mblm authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# compile.sh REPORT COMMAND...; the report is shown where the command fails.

set -eu
report=$1
shift
if ! "$@" >"$report" 2>&1; then
  cat "$report" >&2
  exit 1
fi
