#!/bin/sh
for name; do :; done
printf '%s:\n  Candidate: 4.3.1+ds1-8\n' "$name"
