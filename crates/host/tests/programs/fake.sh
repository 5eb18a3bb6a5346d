#!/bin/sh
# Stands for any program: notes how it was called, then does what the test wrote for it. Programs are links to this
# file, since one that was just written cannot be run while another thread of the test is starting a child.
FAKE=${0%/*/*}
{ printf %s "${0##*/}"; [ $# = 0 ] || printf ' %s' "$@"; } | tr '\n' ' ' >> "$FAKE/calls"
echo >> "$FAKE/calls"
. "$FAKE/scripts/${0##*/}"
