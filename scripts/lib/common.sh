# shellcheck shell=bash disable=SC2034
# Words, waits and places that every piece of scripts/provision uses.

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/warren # downloads and built root filesystems; safe to delete
STATE=/var/lib/warren                        # data of the services started here (install mode only)
LOGS=/var/log/warren                         # their logs (install mode only)

say() { printf 'provision: %s\n' "$*" >&2; }

# die WHAT HAPPENED, WHAT TO DO
die() {
    printf 'provision: error: %s\n    what to do: %s\n' "$1" "${2:-see the lines above}" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# install or check: only a machine that is evidently nobody's desktop is changed.
mode() {
    case "${WARREN_PROVISION:-}" in
        install | check) echo "$WARREN_PROVISION" ;;
        "")
            if [ "$(id -u)" = 0 ] && have apt-get && [ ! -d /run/systemd/system ]; then
                echo install
            else
                echo check
            fi
            ;;
        *) die "WARREN_PROVISION is '$WARREN_PROVISION'" "set it to install or check, or unset it" ;;
    esac
}

# step TEXT COMMAND...: runs the command with its output in a log; shows the seconds, and the log's
# tail if it failed.
step() {
    local text=$1 log start=$SECONDS
    shift
    log=$LOGS/$(tr -cs 'a-zA-Z0-9' - <<<"$text" | cut -c1-40).log
    say "$text ..."
    if "$@" >"$log" 2>&1; then
        say "$text: done ($((SECONDS - start)) s)"
    else
        tail -n 20 "$log" >&2
        die "$text failed after $((SECONDS - start)) s" "the lines above are the end of $log"
    fi
}

# start NAME COMMAND...: a service in a session of its own, which outlives this script, with a clean
# environment and nothing open that is ours (make's pipes, the lock). Its process id is left in STARTED.
start() {
    local name=$1
    shift
    say "starting $name (log: $LOGS/$name.log)"
    (
        for fd in /proc/self/fd/*; do
            fd=${fd##*/}
            [ "$fd" -le 2 ] || eval "exec $fd>&-"
        done
        exec env -i PATH="$PATH" HOME="$HOME" LANG=C.UTF-8 setsid "$@"
    ) >>"$LOGS/$name.log" 2>&1 </dev/null &
    STARTED=$!
    disown "$STARTED"
}

# wait_until NAME SECONDS COMMAND...: waits for the service started last to answer; gives up, with the
# end of its log, when time is up or its process is gone.
wait_until() {
    local name=$1 limit=$2 deadline=$((SECONDS + $2)) verdict=
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || verdict="did not answer within $limit s"
        [ -z "${STARTED:-}" ] || kill -0 "$STARTED" 2>/dev/null || verdict="stopped while starting"
        if [ -n "$verdict" ]; then
            tail -n 20 "$LOGS/$name.log" >&2 || true
            die "$name $verdict" "the lines above are the end of $LOGS/$name.log"
        fi
        sleep 0.2
    done
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
