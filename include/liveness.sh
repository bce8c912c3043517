#!/bin/bash
# liveness.sh NEEDED CHECK...: a container's health check, which ends the container when its program stands still.
#
# Docker starts anew what has ended, and nothing that stands still. When CHECK was good once and has been bad for two
# minutes, everything in the container but its first process is killed (which nobody can kill from inside, hence `init:
# true` in the compose file), and so the container ends. While NEEDED fails, a shell command that says whether what
# CHECK itself needs is there, nobody knows of the program, and nothing is ended.
set -u
needed=$1
shift
# Empty in each container that starts.
good=${LIVENESS_MARK:-/dev/shm/health-was-good}

if "$@"; then
    touch "$good"
    exit 0
fi
if ! bash -c "$needed"; then
    [ ! -e "$good" ] || touch "$good"
elif [ -e "$good" ] && [ -z "$(find "$good" -mmin -2)" ]; then
    # Elsewhere it would end whatever else runs there.
    case $(cat /proc/1/comm) in
    docker-init | tini)
        echo "stands still: ends the container" >&2
        kill -KILL -1
        ;;
    *) echo "stands still, and is not ended: the first process is not that of a container with init: true" >&2 ;;
    esac
fi
exit 1
